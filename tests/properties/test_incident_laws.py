"""Laws of incidents: whatever comes, in whatever order couriers come by.

Two desks hear the same alerts at the same times. Couriers come by at random at one of them, and
only at the end at the other. Every part is the real one; time is moved by hand.
"""

import shutil
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from alchemiser_cli.clock import NS_PER_SECOND, ManualClock
from alchemiser_cli.notifications.advancing import advance
from alchemiser_cli.notifications.alert import Alert
from alchemiser_cli.notifications.incidents import IncidentStore
from alchemiser_cli.notifications.ledger import Ledger
from alchemiser_cli.notifications.matching import Matcher
from alchemiser_cli.notifications.messages import Outcome
from alchemiser_cli.notifications.policies import Policies, Policy, Step
from alchemiser_cli.notifications.silences import Silences
from alchemiser_cli.settings import AlertSettings, NotificationChannel
from alchemiser_cli.state import StateDatabase

ALL = ("low", "medium", "high", "critical")
CHANNELS = {
    name: NotificationChannel(url=f"json://{name}", severities=ALL) for name in ("email", "sms")
}
POLICIES = (
    Policy(
        name="at-once",
        match=Matcher(severity=("critical",)),
        steps=(Step(after_s=0, channels=("email",)), Step(after_s=60, channels=("sms",))),
        repeat_s=100,
        max_repeats=2,
    ),
    Policy(name="others", steps=(Step(after_s=60, channels=("email", "sms")),)),
)
FINGERPRINTS = st.sampled_from(["alone", "alone too", "grouped", "grouped too"])
SECONDS = st.sampled_from([0, 1, 9, 30, 60, 100, 299, 300, 301, 1_000])


class Desk:
    """The parts around one database."""

    def __init__(self, file, clock):
        self.database = StateDatabase(f"sqlite:///{file}", clock)
        self.policies = Policies(POLICIES, CHANNELS)
        self.store = IncidentStore(self.database, AlertSettings(), clock, self.policies)
        self.ledger = Ledger(self.database, clock)
        self.silences = Silences(self.database, clock)
        self.clock = clock

    def come_by(self):
        now_ns = self.clock.now_ns()
        return advance(self.store, self.ledger, self.policies, self.silences, now_ns)


class IncidentLaws(RuleBasedStateMachine):
    """Alerts, news of the end, acknowledgements, silences and couriers in any order."""

    empty: Path | None = None

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.clock = ManualClock()
        self.desk, self.deserted = (self.open(name) for name in ("a", "b"))
        self.counted: Counter[str] = Counter()
        self.silence = None

    def open(self, name):
        kind = type(self)
        if kind.empty is None:
            kind.empty = Path(tempfile.mkdtemp()) / "empty.db"
            made = Desk(kind.empty, ManualClock())
            made.store.open()
            made.database.close()
        return Desk(shutil.copy(kind.empty, self.folder / f"{name}.db"), self.clock)

    def teardown(self):
        self.ends_alike()
        for desk in (self.desk, self.deserted):
            desk.database.close()
        shutil.rmtree(self.folder)

    @rule(fingerprint=FINGERPRINTS, severity=st.sampled_from(ALL), count=st.integers(1, 3))
    def alert(self, fingerprint, severity, count):
        self.hear(fingerprint, severity, count=count)
        self.counted[fingerprint] += count

    @rule(fingerprint=FINGERPRINTS)
    def news_of_the_end(self, fingerprint):
        self.hear(fingerprint, "low", firing=False)

    @rule(seconds=SECONDS)
    def time_passes(self, seconds):
        self.clock.advance(seconds)

    @rule(passes=st.integers(1, 2))
    def couriers_come_by(self, passes):
        for _ in range(passes):
            done = self.desk.come_by()
            if self.silenced:
                assert not done.queued

    @rule()
    def messages_are_sent(self):
        open_ones = {one.id: one for one in self.desk.store.recent(10_000)}
        for one in self.desk.ledger.lease_due(self.clock.now_ns(), 10_000):
            told = open_ones[one.incident]
            if not told.is_open or told.acknowledged_ns is not None:
                # One that the next pass replaces may still go out before that pass.
                assert one.kind == "resolved" or told.due_ns is not None
                assert one.kind == "resolved" or told.acknowledged_ns is None
            self.desk.ledger.settle(one, Outcome())

    @rule(data=st.data())
    @precondition(lambda self: self.desk.store.open())
    def somebody_acknowledges(self, data):
        one = data.draw(st.sampled_from(self.desk.store.open()))
        self.desk.store.acknowledge(one.id, "ann")
        waiting = self.desk.ledger.list("queued", limit=10_000)
        assert one.id not in {message.incident for message in waiting}

    @rule()
    @precondition(lambda self: not self.silenced)
    def somebody_silences(self):
        until_ns = self.clock.now_ns() + 500 * NS_PER_SECOND
        matcher = Matcher(component=("feed",))
        self.silence = self.desk.silences.add(matcher, until_ns, "ann", "maintenance")

    @property
    def silenced(self):
        return self.silence is not None and self.silence.active(self.clock.now_ns())

    @invariant()
    def every_alert_is_counted_once(self):
        for desk in (self.desk, self.deserted):
            counts: Counter[str] = Counter()
            for one in desk.store.recent(10_000):
                counts[one.fingerprint] += one.count
            assert counts == self.counted

    @invariant()
    def a_trouble_has_one_open_incident(self):
        opened = [one.fingerprint for one in self.desk.store.open()]
        assert len(opened) == len(set(opened))

    @invariant()
    def the_end_is_told_once(self):
        messages = self.desk.ledger.list(limit=10_000)
        ends = Counter((one.incident, one.channel) for one in messages if one.kind == "resolved")
        assert not ends or max(ends.values()) == 1

    def hear(self, fingerprint, severity, **fields):
        alert = Alert(
            fingerprint=fingerprint,
            kind="error",
            severity=severity,
            code="broker-unreachable",
            component="feed",
            what="the broker does not answer",
            at_ns=self.clock.now_ns(),
            group="feed" if fingerprint.startswith("grouped") else "",
            **fields,
        )
        for desk in (self.desk, self.deserted):
            desk.store.take(alert)

    def ends_alike(self):
        self.clock.advance(100_000)
        for desk in (self.desk, self.deserted):
            for _ in range(3):
                desk.come_by()
                self.clock.advance(1_000)
            assert desk.store.open() == []
        assert self.known(self.desk) == self.known(self.deserted)

    @staticmethod
    def known(desk):
        return sorted(
            (one.fingerprint, one.opened_ns, one.resolved_ns, one.count, one.severity)
            for one in desk.store.recent(10_000)
        )


IncidentLaws.TestCase.settings = settings(max_examples=8, stateful_step_count=20, deadline=None)
TestIncidentLaws = IncidentLaws.TestCase
