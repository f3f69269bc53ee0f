"""A simulated month with a known truth: is everybody told of what matters, and of nothing else?

    python benchmarks/month.py [--days 30] [--seed 7] [--json]

Criticals, failures that recover and failures that do not, noise and failures caused on purpose go
into a real journal on a manual clock. A courier, as a cron job would run it each minute, reads it,
and sends through two channels, one of which is down a tenth of the time. What was told is compared
with what was planted. Exits with 1 where a figure misses its target.
"""

import argparse
import errno
import math
import os
import random
import socket
import sqlite3
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from figures import Figure, all_met, printed

from alchemiser_cli.clock import NS_PER_SECOND, ManualClock
from alchemiser_cli.errors import (
    FeedSilentError,
    InternalError,
    OrderOutcomeUnknownError,
    RateLimitError,
)
from alchemiser_cli.errors.context import ErrorContext
from alchemiser_cli.errors.journal.records import Captured
from alchemiser_cli.errors.journal.store import JournalStore
from alchemiser_cli.errors.thresholds import Thresholds
from alchemiser_cli.errors.translate import translated
from alchemiser_cli.notifications.alert import Alert, Level
from alchemiser_cli.notifications.courier import Courier, Office
from alchemiser_cli.notifications.incidents import IncidentStore
from alchemiser_cli.notifications.ledger import Ledger
from alchemiser_cli.notifications.messages import Message, Outcome
from alchemiser_cli.notifications.policies import Policies
from alchemiser_cli.notifications.silences import Silences
from alchemiser_cli.notifications.sources import JournalSource, StandingSource, threshold_alerts
from alchemiser_cli.resilience import Recovery
from alchemiser_cli.resilience.strategies import (
    FallBackToSource,
    Reconciled,
    ReconcileOrder,
    WaitForRateLimit,
)
from alchemiser_cli.settings import AlertSettings, NotificationChannel
from alchemiser_cli.state import StateDatabase

DAY_S = 86_400
LOOK_EVERY_S = 60
TOLD_WITHIN_S = 120.0
RECOVERED_WITHIN_S = 300.0
OUTAGE_S = 1_200.0  # mean length of an outage of a channel
DOWN = 0.1  # share of the time
CRITICALS_A_DAY, LASTING_A_DAY, RECOVERABLE_A_DAY, NOISE_A_DAY, INJECTED_A_DAY = 3, 4, 20, 60, 10

EVERY: tuple[Level, ...] = ("low", "medium", "high", "critical")


class Line:
    """A channel that is up and down in turns, by draws of its own."""

    def __init__(self, name: str, clock: ManualClock, draws: random.Random, down: float) -> None:
        """Begin up; ``down`` is the share of the time that it will be down."""
        self.name = name
        self.taken: list[tuple[int, str]] = []
        self._clock = clock
        self._outages = list(_outages(clock.now_ns(), draws, down)) if down else []

    def send(self, message: Message, *, severity: Level) -> Outcome:
        """Take a message, or be down."""
        now_ns = self._clock.now_ns()
        if any(begin_ns <= now_ns < end_ns for begin_ns, end_ns in self._outages):
            return Outcome("connection refused")
        self.taken.append((now_ns, f"{severity} {message.subject}"))
        return Outcome()


@dataclass
class Truth:
    """What was planted, by fingerprint: what people must be told, and what they must not."""

    criticals: dict[str, int] = field(default_factory=dict)  # and when it happened
    lasting: set[str] = field(default_factory=set)
    categories: list[bool] = field(default_factory=list)
    recoveries_s: list[float] = field(default_factory=list)  # infinite where it did not


class Feeds:
    """Two sources of market data; now and then the second is away as well."""

    def __init__(self, draws: random.Random, clock: ManualClock) -> None:
        """Keep both."""
        self._draws = draws
        self._clock = clock

    def fall_back(self, _error: Exception, _context: ErrorContext) -> str | None:
        """Switch, which takes some seconds."""
        self._clock.sleep(self._draws.uniform(1, 20))
        return "backup" if self._draws.random() < 0.95 else None

    def mark_stale(self, reason: str) -> None:
        """Note nothing."""


class Month:
    """The system of the month: a journal that fills, and a courier beside it."""

    def __init__(self, folder: Path, days: int, seed: int) -> None:
        """Plant everything; ``run`` lets it happen."""
        self.draws = random.Random(seed)  # noqa: S311  a scenario is no secret
        self.clock = ManualClock()
        self.truth = Truth()
        self.database = StateDatabase(f"sqlite:///{folder / 'state.db'}", self.clock)
        self.journal = JournalStore(self.database)
        self._begin_ns = self.clock.now_ns()
        self._days = days
        self.lines = {
            "email": Line("email", self.clock, self.draws, DOWN),
            "pager": Line("pager", self.clock, self.draws, 0.0),
        }
        settings = AlertSettings()
        channels = {
            name: NotificationChannel(url=f"json://{name}", severities=EVERY) for name in self.lines
        }
        policies = Policies.load(None, channels)
        self.office = Office(
            IncidentStore(self.database, settings, self.clock, policies),
            Ledger(self.database, self.clock, settings, self.draws),
            self.lines,
            policies,
            Silences(self.database, self.clock),
        )
        self.thresholds = Thresholds(self.database)
        self._recovery = self._strategies()
        self.courier = Courier(
            self.office,
            [
                JournalSource(self.database, settings, self.clock),
                StandingSource(self._beyond, self.clock),
            ],
            self.clock,
        )
        self._recent: list[tuple[int, int]] = []

    def run(self) -> int:
        """Live through the month; returns how many passes the courier made."""
        passes = looks = 0
        planted = sorted(self._planted(), key=lambda one: one[0])
        end_ns = self._begin_ns + (self._days * DAY_S + 3 * 3_600) * NS_PER_SECOND
        while (now_ns := self.clock.now_ns()) < end_ns:
            happened = False
            while planted and planted[0][0] <= now_ns:
                _, act, telling = planted.pop(0)
                act()
                happened = happened or telling
            looks += 1
            # A pass with nothing to tell of and nothing due would change nothing.
            if happened or looks % 5 == 0 or self._is_due():
                result = self.courier.pass_once()
                passes += 1
                if result.troubles:
                    raise SystemExit(f"a pass failed: {result.troubles}")
            next_ns = now_ns + LOOK_EVERY_S * NS_PER_SECOND
            self.clock.advance(max(0, next_ns - self.clock.now_ns()) / NS_PER_SECOND)
        return passes

    def fail(
        self,
        code: str,
        severity: str,
        *,
        about: str,
        recovered: bool = False,
        injected: bool = False,
    ) -> str:
        """Journal one failure now; returns its fingerprint."""
        now_ns = self.clock.now_ns()
        fingerprint = uuid.uuid5(uuid.NAMESPACE_OID, f"{code} {about}").hex
        self.journal.append(
            [
                Captured(
                    id=uuid.UUID(int=self.draws.getrandbits(128)).hex,
                    fingerprint=fingerprint,
                    template=about,
                    at_ns=now_ns,
                    code=code,
                    severity=severity,
                    component=about.partition(" ")[0],
                    operation="work",
                    run_id="month",
                    what=about,
                    why="It was planted.",
                    next_step="None.",
                    context={},
                    causes=[],
                    traceback="",
                    recovered=recovered,
                    injected=injected,
                )
            ]
        )
        if not injected:
            self._recent.append((now_ns, 1 if severity == "critical" else 0))
        return fingerprint

    def _planted(self) -> Iterator[tuple[int, Callable[[], None], bool]]:
        kinds: list[tuple[int, Callable[[int], None]]] = [
            (CRITICALS_A_DAY, self._critical),
            (LASTING_A_DAY, self._lasting),
            (RECOVERABLE_A_DAY, self._recoverable),
            (NOISE_A_DAY, self._noise),
            (INJECTED_A_DAY, self._injected),
        ]
        for a_day, act in kinds:
            for number in range(a_day * self._days):
                at_s = self.draws.uniform(0, self._days * DAY_S)
                telling = act not in (self._noise, self._injected)
                yield self._begin_ns + round(at_s * NS_PER_SECOND), partial(act, number), telling

    def _critical(self, number: int) -> None:
        fingerprint = self.fail("order-outcome-unknown", "critical", about=f"desk order {number}")
        self.truth.criticals[fingerprint] = self.clock.now_ns()

    def _lasting(self, number: int) -> None:
        raw, code = _RAW[number % len(_RAW)]
        failure = translated(raw(), doing="work")
        self.truth.categories.append(failure.code == code)
        severity = max(failure.severity.value, "high", key=EVERY.index)
        about = f"service-{number % 7} trouble {number}"
        self.truth.lasting.add(self.fail(failure.code, severity, about=about))

    def _recoverable(self, number: int) -> None:
        error = (
            RateLimitError(
                "slow down", why="w", next_step="n", retry_after_s=self.draws.uniform(1, 70)
            ),
            FeedSilentError("mute", why="w", next_step="n"),
            OrderOutcomeUnknownError("lost", why="w", next_step="n"),
        )[number % 3]
        result = self._recovery.recover(error)
        good = result.outcome == "recovered"
        self.truth.recoveries_s.append(result.duration_s if good else math.inf)
        about = f"recovering-{number % 3} failure {number}"
        fingerprint = self.fail(error.code, "high", about=about, recovered=good)
        if not good:
            self.truth.lasting.add(fingerprint)

    def _noise(self, number: int) -> None:
        level = "medium" if number % 3 else "low"
        self.fail("rate-limited", level, about=f"noise-{number % 5} glitch")

    def _injected(self, number: int) -> None:
        self.fail("broker-unreachable", "critical", about=f"chaos {number}", injected=True)

    def _strategies(self) -> Recovery:
        def reconcile(_error: Exception, _context: ErrorContext) -> Reconciled:
            self.clock.sleep(self.draws.uniform(0.5, 30))
            return "executed" if self.draws.random() < 0.9 else "unknown"

        recovery = Recovery(self.clock)
        recovery.register(RateLimitError, WaitForRateLimit(self.clock))
        recovery.register(FeedSilentError, FallBackToSource(Feeds(self.draws, self.clock)))
        recovery.register(OrderOutcomeUnknownError, ReconcileOrder(reconcile))
        return recovery

    def _beyond(self) -> list[Alert]:
        now_ns = self.clock.now_ns()
        since_ns = now_ns - 300 * NS_PER_SECOND
        self._recent = [one for one in self._recent if one[0] > since_ns]
        values = {
            "errors_per_min": len(self._recent) / 5,
            "criticals_5min": float(sum(critical for _, critical in self._recent)),
        }
        states = [self.thresholds.evaluate(name, one, now_ns) for name, one in values.items()]
        return threshold_alerts(states, InternalError.code, now_ns)

    def _is_due(self) -> bool:
        now_ns = self.clock.now_ns()
        office = self.office
        return bool(office.store.due(now_ns) or office.ledger.due_channels(now_ns))


def figures(month: Month, passes: int) -> list[Figure]:
    """Compare what was told with what was planted."""
    incidents = month.office.store.recent(100_000)
    told: dict[str, int] = {}
    messages = month.office.ledger.list(limit=1_000_000)
    openings = {one.id: one for one in incidents}
    for message in messages:
        one = openings.get(message.incident or "")
        if (
            one is not None
            and message.sent_ns is not None
            and message.kind in ("alert", "escalation")
        ):
            told[one.fingerprint] = min(message.sent_ns, told.get(one.fingerprint, message.sent_ns))
    truth = month.truth
    delays_s = [
        (told[fingerprint] - at_ns) / NS_PER_SECOND if fingerprint in told else math.inf
        for fingerprint, at_ns in truth.criticals.items()
    ]
    true_ones = truth.criticals.keys() | truth.lasting
    false_ones = [fingerprint for fingerprint in told if fingerprint not in true_ones]
    counts = month.office.ledger.counts()
    sent = sum(count for (_, state), count in counts.items() if state == "sent")
    missed = sum(
        count for (_, state), count in counts.items() if state in ("failed", "queued", "sending")
    )
    recovered = sum(seconds <= RECOVERED_WITHIN_S for seconds in truth.recoveries_s)
    return [
        Figure(
            "criticals told within 2 minutes",
            100 * sum(one <= TOLD_WITHIN_S for one in delays_s) / len(delays_s),
            100.0,
            "%",
            f"of {len(delays_s)}; the last after {max(delays_s):.0f} s, a pass a minute",
            at_least=True,
        ),
        Figure(
            "recoverable failures recovered",
            100 * recovered / len(truth.recoveries_s),
            80.0,
            "%",
            f"of {len(truth.recoveries_s)}, within 5 minutes, by scripted services",
            at_least=True,
        ),
        Figure(
            "false alerts",
            100 * len(false_ones) / max(1, len(told)),
            5.0,
            "%",
            f"{len(false_ones)} of {len(told)} troubles that people were told of",
        ),
        Figure(
            "failures of the right category",
            100 * sum(truth.categories) / len(truth.categories),
            95.0,
            "%",
            f"of {len(truth.categories)} foreign exceptions of {len(_RAW)} kinds",
            at_least=True,
        ),
        Figure(
            "messages delivered",
            100 * sent / max(1, sent + missed),
            99.0,
            "%",
            f"{sent} of {sent + missed}, e-mail down {100 * DOWN:.0f} % of the time",
            at_least=True,
        ),
        Figure(
            "lasting troubles told",
            100 * len(truth.lasting & told.keys()) / len(truth.lasting),
            None,
            "%",
            f"of {len(truth.lasting)}",
        ),
        Figure("passes of the courier", float(passes), None, ""),
    ]


def main() -> int:
    """Run the month and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        month = Month(Path(folder), options.days, options.seed)
        passes = month.run()
        found = figures(month, passes)
        month.database.close()
    seconds = time.perf_counter() - began
    print(printed(found, as_json=options.json, days=options.days, seconds=round(seconds, 1)))
    if not options.json:
        print(f"{options.days} days in {seconds:.0f} s, seed {options.seed}")
    return 0 if all_met(found) else 1


def _outages(begin_ns: int, draws: random.Random, down: float) -> Iterator[tuple[int, int]]:
    """Yield when a channel is down, for 60 days: both lengths are exponential."""
    at_ns, end_ns = begin_ns, begin_ns + 60 * DAY_S * NS_PER_SECOND
    up_s = OUTAGE_S * (1 - down) / down
    while at_ns < end_ns:
        at_ns += round(draws.expovariate(1 / up_s) * NS_PER_SECOND)
        until_ns = at_ns + round(draws.expovariate(1 / OUTAGE_S) * NS_PER_SECOND)
        yield at_ns, until_ns
        at_ns = until_ns


def _of_the_system(number: int) -> OSError:
    return OSError(number, os.strerror(number), "ticks.csv")


def _of_sqlite(code: int) -> sqlite3.Error:
    error = sqlite3.OperationalError("database")
    error.sqlite_errorcode = code
    return error


# What a library raises, and what an operator would call it.
_RAW: list[tuple[Callable[[], Exception], str]] = [
    (partial(ConnectionRefusedError, errno.ECONNREFUSED, "refused"), "service-unreachable"),
    (partial(ConnectionResetError, errno.ECONNRESET, "reset"), "service-unreachable"),
    (partial(BrokenPipeError, errno.EPIPE, "broken pipe"), "service-unreachable"),
    (partial(TimeoutError, "timed out"), "service-unreachable"),
    (partial(socket.gaierror, socket.EAI_NONAME, "name not known"), "service-unreachable"),
    (partial(_of_the_system, errno.EHOSTUNREACH), "service-unreachable"),
    (partial(_of_the_system, errno.ENOSPC), "disk-full"),
    (partial(_of_the_system, errno.EDQUOT), "disk-full"),
    (partial(_of_the_system, errno.EMFILE), "file-limit-low"),
    (partial(_of_sqlite, 11), "state-corrupt"),
    (partial(_of_sqlite, 26), "state-corrupt"),
    (partial(_of_sqlite, 5), "state-unreachable"),
    (partial(_of_sqlite, 14), "state-unreachable"),
    (partial(_of_sqlite, 13), "disk-full"),
    (partial(ZeroDivisionError, "division by zero"), "internal-error"),
    (partial(KeyError, "price"), "internal-error"),
    (partial(AttributeError, "no attribute"), "internal-error"),
    (partial(ModuleNotFoundError, "No module named 'torch'", name="torch"), "extra-missing"),
]


if __name__ == "__main__":
    sys.exit(main())
