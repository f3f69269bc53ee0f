"""A state database filled as a running system fills it, and looks at it."""

import re

import msgspec
import pytest
from sqlalchemy import insert

from alchemiser_cli.clock import NS_PER_SECOND, ManualClock
from alchemiser_cli.errors import error_class
from alchemiser_cli.errors.journal.records import Captured
from alchemiser_cli.errors.journal.store import JournalStore
from alchemiser_cli.health.surroundings import Surroundings
from alchemiser_cli.settings.resolve import Request, resolve
from alchemiser_cli.state import StateDatabase, circuit_breaker, progress, strategy_status

# Wednesday 2026-03-04, 11:00 in New York: the exchange has been open for an hour and a half.
IN_SESSION_NS = 1_772_640_000 * NS_PER_SECOND

MASKS = [
    (re.compile(r"\b\d+ MB free"), "<n> MB free"),
    (re.compile(r'("changed_ns": )\d+'), r"\1<number>"),
]


class Scene:
    """Writes into the state database what the parts of a running system would."""

    def __init__(self, database, clock):
        self.database = database
        self.clock = clock
        self._captured = 0

    def ago(self, seconds):
        return self.clock.now_ns() - round(seconds * NS_PER_SECOND)

    def errors(self, code, component="feed", *, ago_s=60.0, count=1, **fields):
        """Let ``count`` failures of ``code`` happen ``ago_s`` seconds ago."""
        self._captured += 1
        kind = error_class(code)
        values = {
            "id": f"{self._captured:032x}",
            "fingerprint": f"{component}-{code}".ljust(32, "0")[:32],
            "template": f"the {component} met {code} <*>",
            "severity": kind.severity if kind else "high",
            "operation": "work",
            "run_id": "run",
            "what": f"the {component} met {code}",
            "why": "it was so",
            "next_step": "mend it",
            "context": {},
            "causes": [],
            "traceback": "",
        }
        captured = Captured(
            code=code, component=component, at_ns=self.ago(ago_s), count=count, **(values | fields)
        )
        JournalStore(self.database).append([captured])

    def breaker(self, name, state="open", *, ago_s=120.0, reason="5 failures in a row"):
        self._insert(
            circuit_breaker,
            name=name,
            state=state,
            changed_at_ns=self.ago(ago_s),
            open_until_ns=self.ago(ago_s - 300),
            opened_count=3,
            open_total_ns=90 * NS_PER_SECOND,
            probes=0,
            reason=reason,
            version=1,
        )

    def feed(self, name="feed:prices", *, connected=True, silent_s=1.0, reported_s=0.5, **fields):
        changed_ns = self.ago(silent_s)
        values = {"last_event_ns": changed_ns, "count": 1_000}
        self._insert(
            progress,
            name=name,
            connected=connected,
            last_change_ns=changed_ns,
            at_ns=self.ago(reported_s),
            **(values | fields),
        )

    def strategies(self, broker="paper", *, configured=2, loaded=2, ago_s=5.0, **reasons):
        self._insert(
            strategy_status,
            broker=broker,
            configured=configured,
            loaded=loaded,
            detail=msgspec.json.encode(reasons).decode(),
            at_ns=self.ago(ago_s),
        )

    def _insert(self, table, **row):
        with self.database.begin() as connection:
            connection.execute(insert(table).values(**row))


@pytest.fixture
def clock():
    return ManualClock(IN_SESSION_NS)


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def segments_folder(tmp_path):
    folder = tmp_path / "shm"
    folder.mkdir()
    return folder


@pytest.fixture
def database(home, clock):
    database = StateDatabase(f"sqlite:///{home / 'state.db'}", clock)
    yield database
    database.close()


@pytest.fixture
def scene(database, clock):
    return Scene(database, clock)


@pytest.fixture
def surroundings(home, clock, database, segments_folder):
    """Look from settings of the test's choice, given as assignments."""

    def make(*assignments):
        chosen = (f"shm.directory={segments_folder}", *assignments)
        request = Request(profile=None, home=home, assignments=chosen, environ={})
        return Surroundings(resolve(request), clock, database)

    return make


@pytest.fixture
def masked(tmp_path):
    """Replace what differs between runs and machines by names."""

    def mask(text):
        text = text.replace(str(tmp_path), "TMP")
        for pattern, name in MASKS:
            text = pattern.sub(name, text)
        return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"

    return mask
