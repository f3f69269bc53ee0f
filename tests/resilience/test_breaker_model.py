"""Two processes on one database behave, whatever happens, as one simple model of a breaker."""

import itertools
import tempfile
from collections import deque

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.errors import BrokerUnreachableError, CircuitOpenError, ValidationError
from alchemiser_cli.resilience import BreakerPolicy, CircuitBreaker
from alchemiser_cli.resilience.breaker_store import BreakerStore
from alchemiser_cli.state import StateDatabase

WORDS = {"why": "because", "next_step": "mend it"}
ERRORS = {"fail": BrokerUnreachableError, "ignored": ValidationError}
names = (f"breaker-{number}" for number in itertools.count())
who = st.sampled_from([0, 1])
outcomes = st.sampled_from(["pass", "fail", "ignored"])


class Model:
    """A breaker in the plainest words; times in seconds."""

    def __init__(self, policy):
        self.policy = policy
        self.now = self.since = self.until = self.total = 0
        self.state, self.openings, self.probes = "closed", 0, 0
        self.seen = ["closed", "closed"]
        self.calls = [deque(maxlen=policy.window), deque(maxlen=policy.window)]
        self.successes = [{}, {}]

    def see(self, who):
        if self.seen[who] != "closed" and self.state == "closed":
            self.calls[who].clear()
        self.seen[who] = self.state

    def move(self, state):
        if self.state in ("open", "isolated"):
            self.total += self.now - self.since
        self.state, self.since, self.probes = state, self.now, 0

    def open(self):
        self.move("open")
        self.openings += 1
        self.until = self.now + self.policy.open_s

    def enter(self, who):
        """Return 'call', the number of the half-open period, or None when refused."""
        self.see(who)
        if self.state == "closed":
            return "call"
        if self.state == "isolated" or (self.state == "open" and self.now < self.until):
            return None
        if self.state == "half-open" and self.probes and self.now >= self.until:
            self.open()
        elif self.state == "open" or self.probes < self.policy.probes:
            if self.state == "open":
                self.move("half-open")
            self.probes += 1
            self.until = self.now + self.policy.probe_wait_s
            self.see(who)
            return self.openings
        self.see(who)
        return None

    def leave(self, who, entry, outcome):
        if entry == "call":
            if outcome != "ignored":
                self.calls[who].append(outcome)
            if outcome == "fail" and self.is_too_much(self.calls[who]):
                self.open()
                self.see(who)
            return
        if outcome == "pass":
            self.successes[who][entry] = self.successes[who].get(entry, 0) + 1
        if self.state == "half-open" and entry == self.openings:
            if outcome == "fail":
                self.open()
            elif self.successes[who].get(entry, 0) >= self.policy.close_after and outcome == "pass":
                self.move("closed")
            else:
                self.probes -= 1
        self.see(who)

    def is_too_much(self, calls):
        failures = calls.count("fail")
        row = len(list(itertools.takewhile("fail".__eq__, reversed(calls))))
        in_a_row = self.policy.consecutive_failures
        return (in_a_row is not None and row >= in_a_row) or (
            len(calls) >= self.policy.minimum_calls
            and failures >= self.policy.failure_rate * len(calls)
        )


class TwoProcesses(RuleBasedStateMachine):
    """Calls, long probes, isolation and time, in any order."""

    def __init__(self):
        super().__init__()
        self.clock = ManualClock()
        self.under_way = []

    @initialize(
        row=st.none() | st.integers(2, 5),
        probes=st.integers(1, 3),
        close_after=st.integers(1, 3),
    )
    def begin(self, row, probes, close_after):
        policy = BreakerPolicy(
            failure_rate=0.6,
            consecutive_failures=row,
            window=6,
            minimum_calls=4,
            open_s=10,
            probes=probes,
            close_after=close_after,
            probe_wait_s=7,
            refresh_s=0,
        )
        name = next(names)
        self.model = Model(policy)
        self.store = BreakerStore(StateDatabase(URL, self.clock))
        self.name = name
        stores = [BreakerStore(StateDatabase(URL, self.clock)) for _ in "ab"]
        self.databases = [store._database for store in (self.store, *stores)]
        self.breakers = [CircuitBreaker(name, policy, self.clock, store) for store in stores]

    def teardown(self):
        for database in getattr(self, "databases", ()):
            database.close()

    @rule(who=who, outcome=outcomes)
    def call(self, who, outcome):
        entry = self.model.enter(who)
        if entry is not None:
            self.model.leave(who, entry, outcome)

        def function():
            if outcome != "pass":
                raise ERRORS[outcome](outcome, **WORDS)

        try:
            self.breakers[who].call(function)
        except CircuitOpenError:
            assert entry is None
        except tuple(ERRORS.values()):
            assert entry is not None
            assert outcome != "pass"
        else:
            assert entry is not None

    @rule(who=who)
    @precondition(lambda self: self.model.state in ("open", "half-open"))
    def begin_probe(self, who):
        entry = self.model.enter(who)
        passage = self.breakers[who].passage()
        try:
            passage.__enter__()
        except CircuitOpenError:
            assert entry is None
        else:
            assert entry is not None
            self.under_way.append((who, entry, passage))

    @rule(who=who)
    def storm(self, who):
        for _ in range(self.model.policy.window):
            self.call(who, "fail")

    @rule(who=who, outcome=outcomes)
    @precondition(lambda self: self.model.state == "open")
    def probe_when_it_is_time(self, who, outcome):
        self.wait(10)
        self.call(who, outcome)

    @rule(data=st.data(), outcome=outcomes)
    @precondition(lambda self: self.under_way)
    def end_probe(self, data, outcome):
        number = data.draw(st.integers(0, len(self.under_way) - 1))
        who, entry, passage = self.under_way.pop(number)
        self.model.leave(who, entry, outcome)
        error = None if outcome == "pass" else ERRORS[outcome](outcome, **WORDS)
        passage.__exit__(error and type(error), error, None)

    @rule(who=who)
    @precondition(lambda self: self.model.openings > 2)  # else little else happens
    def isolate(self, who):
        self.model.move("isolated")
        self.model.see(who)
        self.breakers[who].isolate("by hand")

    @rule(who=who)
    @precondition(lambda self: self.model.state != "closed")
    def reset(self, who):
        self.model.move("closed")
        self.model.see(who)
        self.model.calls[who].clear()
        self.breakers[who].reset()

    @rule(seconds=st.integers(1, 12))
    def wait(self, seconds):
        self.clock.advance(seconds)
        self.model.now += seconds

    @invariant()
    def agrees(self):
        if not hasattr(self, "store"):
            return
        stored, model = self.store.load(self.name), self.model
        assert stored.state == model.state
        assert stored.opened_count == model.openings
        assert stored.open_total_ns == model.total * 1_000_000_000
        assert stored.probes == model.probes <= model.policy.probes


@pytest.fixture(autouse=True, scope="module")
def shared_database():
    global URL  # noqa: PLW0603  Hypothesis makes the machines itself
    with tempfile.TemporaryDirectory() as folder:
        URL = f"sqlite:///{folder}/state.db"
        yield


TwoProcesses.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestTwoProcesses = TwoProcesses.TestCase
