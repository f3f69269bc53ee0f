"""Processes that are killed: what was raised is told at least once, and is one incident.

``CRASH=full`` kills 100 times, otherwise a few times.
"""

import os
import random
import sqlite3
import subprocess
import sys
import threading
from collections import Counter

import pytest

from alchemiser_cli.clock import NS_PER_SECOND, ManualClock, SystemClock
from alchemiser_cli.notifications.incidents import IncidentStore
from alchemiser_cli.notifications.ledger import Ledger
from alchemiser_cli.notifications.messages import Outcome
from alchemiser_cli.notifications.policies import Policies, Policy, Step
from alchemiser_cli.settings import AlertSettings
from alchemiser_cli.state import StateDatabase

KILLS = 100 if os.environ.get("CRASH") == "full" else 2

PARTS = """
import os, sys
from pathlib import Path
from alchemiser_cli.clock import SystemClock
from alchemiser_cli.notifications.advancing import advance
from alchemiser_cli.notifications.alert import Alert
from alchemiser_cli.notifications.incidents import IncidentStore
from alchemiser_cli.notifications.ledger import Ledger
from alchemiser_cli.notifications.messages import Outcome
from alchemiser_cli.notifications.outbox import Outbox
from alchemiser_cli.notifications.policies import Policies, Policy, Step
from alchemiser_cli.notifications.silences import Silences
from alchemiser_cli.settings import AlertSettings, NotificationChannel
from alchemiser_cli.state import StateDatabase

home, clock = Path(sys.argv[1]), SystemClock()
levels = ("low", "medium", "high", "critical")
policies = Policies(
    [Policy(name="all", steps=(Step(after_s=0, channels=("email",)),))],
    {"email": NotificationChannel(url="json://localhost", severities=levels)},
)
database = StateDatabase(f"sqlite:///{home}/state.db", clock)
settings = AlertSettings(recipient_limit=1_000_000)
store = IncidentStore(database, settings, clock, policies)
def alert(fingerprint, code="broker-unreachable"):
    return Alert(fingerprint=fingerprint, kind="error", severity="critical", code=code,
                 component="feed", what="it does not answer", at_ns=clock.now_ns())
"""

RAISER = f"""{PARTS}
outbox = Outbox(store)
while True:
    os.write(1, outbox.raise_alert(alert("raised")).encode() + b"\\n")
"""

COURIER = f"""{PARTS}
ledger, silences = Ledger(database, clock), Silences(database, clock)
last, number = int(sys.argv[2]), 0
while True:
    number += 1
    store.take(alert(f"{{os.getpid()}}-{{number}}", f"code-{{os.getpid()}}-{{number}}"))
    advance(store, ledger, policies, silences, clock.now_ns())
    for one in ledger.lease_due(clock.now_ns(), 10):
        os.write(1, one.id.encode() + b"\\n")
        if number == last:
            os.kill(os.getpid(), 9)
        ledger.settle(one, Outcome())
"""


def started(program, *arguments):
    return subprocess.Popen([sys.executable, "-c", program, *arguments], stdout=subprocess.PIPE)


def lines_of(printed):
    """Return the ids among what was printed; the last line may have been cut off."""
    return [line.decode() for line in printed.split(b"\n") if len(line) == 32]


def killed(program, home, chance):
    """Run a program, kill it at a random moment after its first line; return what it printed."""
    with started(program, str(home)) as victim:
        first = victim.stdout.readline()
        timer = threading.Timer(chance.uniform(0.0, 0.2), victim.kill)
        timer.start()
        printed = first + victim.stdout.read()
        timer.join()
    assert victim.returncode == -9
    return lines_of(printed)


def rows(home, query):
    with sqlite3.connect(home / "state.db") as connection:
        found = connection.execute(query).fetchall()
    connection.close()
    return found


@pytest.mark.timeout(600)
def test_what_was_raised_before_the_kill_is_in_one_incident(tmp_path):
    chance, acknowledged = random.Random(1), Counter()  # noqa: S311  no secret
    for _ in range(KILLS):
        acknowledged.update(killed(RAISER, tmp_path, chance))
    found = rows(tmp_path, "SELECT id, count FROM incident WHERE fingerprint = 'raised'")
    ((key, count),) = found
    assert list(acknowledged) == [key]
    assert acknowledged[key] <= count <= acknowledged[key] + KILLS
    assert rows(tmp_path, "PRAGMA integrity_check") == [("ok",)]


@pytest.mark.timeout(600)
def test_a_courier_killed_between_sending_and_marking_sends_again_and_loses_nothing(tmp_path):
    chance, sent = random.Random(2), Counter()  # noqa: S311  no secret
    for _ in range(KILLS):
        with started(COURIER, str(tmp_path), str(chance.randint(1, 5))) as courier:
            sent.update(lines_of(courier.stdout.read()))
        assert courier.returncode == -9
    later = ManualClock(SystemClock().now_ns() + 3_600 * NS_PER_SECOND)
    database = StateDatabase(f"sqlite:///{tmp_path}/state.db", later)
    ledger = Ledger(database, later)
    again = ledger.lease_due(later.now_ns(), 10_000)
    for one in again:
        sent[one.id] += 1
        ledger.settle(one, Outcome())
    policies = Policies([Policy(name="all", steps=(Step(after_s=0, channels=("email",)),))])
    incidents = IncidentStore(database, AlertSettings(), later, policies).recent(10_000)
    database.close()
    assert 1 <= len(again) <= KILLS  # others a later courier sent, when the lease had ended
    queued = [key for (key,) in rows(tmp_path, "SELECT id FROM delivery WHERE state != 'held'")]
    assert sorted(sent) == sorted(queued)  # each at least once
    assert sum(sent.values()) - len(sent) <= KILLS  # a kill costs one message twice at most
    told = {key for one in incidents for keys in one.course.told.values() for key in keys}
    assert told == {key for (key,) in rows(tmp_path, "SELECT id FROM delivery")}
    fingerprints = [one.fingerprint for one in incidents]
    assert len(fingerprints) == len(set(fingerprints))
