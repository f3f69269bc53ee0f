"""The outbox: stored before it is sent, by a thread that nobody waits for."""

import os
import threading
import time

import pytest

from alchemiser_cli.clock import SystemClock
from alchemiser_cli.errors import StateUnreachableError
from alchemiser_cli.notifications.alert import Alert
from alchemiser_cli.notifications.incidents import IncidentStore
from alchemiser_cli.notifications.outbox import Outbox
from alchemiser_cli.notifications.policies import Policies, Policy, Step
from alchemiser_cli.settings import AlertSettings
from alchemiser_cli.state import StateDatabase

POLICIES = Policies([Policy(name="all", steps=(Step(after_s=0, channels=("email",)),))])
ENOUGH_S = 20.0


def made(fingerprint="f", **fields):
    given = {"kind": "error", "severity": "high", "code": "c", "component": "d", "what": "w"}
    return Alert(fingerprint=fingerprint, at_ns=time.time_ns(), **(given | fields))


@pytest.fixture
def database(tmp_path):
    opened = StateDatabase(f"sqlite:///{tmp_path}/state.db", SystemClock())
    yield opened
    opened.close()


@pytest.fixture
def store(database):
    return IncidentStore(database, AlertSettings(), SystemClock(), POLICIES)


def counts(store):
    return {one.fingerprint: one.count for one in store.open()}


def test_a_raised_alert_is_stored_when_it_returns(store):
    with Outbox(store) as outbox:
        assert outbox.raise_alert(made()) == store.open()[0].id


def test_what_threads_enqueue_is_counted_in_full(store):
    outbox = Outbox(store)

    def shout(name):
        for _ in range(500):
            outbox.enqueue(made(name))

    threads = [threading.Thread(target=shout, args=(f"f{number}",)) for number in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    outbox.close(ENOUGH_S)
    assert counts(store) == {f"f{number}": 500 for number in range(4)}
    assert (outbox.lost, outbox.waiting) == (0, 0)


def test_the_order_of_a_fingerprints_alerts_is_kept(store):
    with Outbox(store) as outbox:
        for alert in (made(), made(what="x"), made(firing=False), made("g"), made("g", count=4)):
            outbox.enqueue(alert)
        outbox.close(ENOUGH_S)
    (over,) = [one for one in store.recent() if one.fingerprint == "f"]
    assert (over.count, over.alert.what, over.clear_ns is None) == (2, "x", False)
    assert counts(store)["g"] == 5


def test_enqueueing_takes_far_less_than_a_hundred_microseconds(store):
    outbox, took = Outbox(store), []
    alert = made()
    for _ in range(2_000):
        began = time.perf_counter_ns()
        outbox.enqueue(alert)
        took.append(time.perf_counter_ns() - began)
    outbox.close(ENOUGH_S)
    assert sorted(took)[1_000] < 100_000
    assert counts(store) == {"f": 2_000}


def test_it_keeps_alerts_while_the_database_is_away(tmp_path, database, store, monkeypatch):
    away = threading.Event()
    take = store.take_all

    def sometimes(alerts):
        if away.is_set():
            tried.set()
            raise StateUnreachableError("away", why="w", next_step="n")
        return take(alerts)

    tried = threading.Event()
    away.set()
    monkeypatch.setattr(store, "take_all", sometimes)
    outbox = Outbox(store)
    outbox.enqueue(made())
    assert tried.wait(ENOUGH_S)
    assert outbox.waiting == 1
    away.clear()
    deadline = time.monotonic() + ENOUGH_S
    while outbox.waiting and time.monotonic() < deadline:
        time.sleep(0.01)  # allow no-bare-sleep: polls with a deadline
    assert counts(store) == {"f": 1}
    outbox.close()


def test_what_cannot_be_stored_at_the_end_is_counted(store, monkeypatch, logs):
    def never(alerts):
        raise StateUnreachableError("away", why="w", next_step="n")

    monkeypatch.setattr(store, "take_all", never)
    outbox = Outbox(store)
    for _ in range(3):
        outbox.enqueue(made())
    outbox.close(ENOUGH_S)
    outbox.enqueue(made())
    assert outbox.lost == 4
    assert [one["event"] for one in logs] == ["outbox_waits", "alerts_lost"]


def test_a_full_queue_drops_and_counts(store, monkeypatch):
    gate = threading.Event()
    take = store.take_all
    monkeypatch.setattr(store, "take_all", lambda alerts: gate.wait(ENOUGH_S) and take(alerts))
    outbox = Outbox(store, queue_length=2)
    for number in range(10):
        outbox.enqueue(made(f"f{number}"))
    gate.set()
    outbox.close(ENOUGH_S)
    assert sum(counts(store).values()) + outbox.lost == 10
    assert outbox.lost >= 5


def test_one_alert_that_cannot_be_stored_does_not_take_others_with_it(store, logs):
    outbox = Outbox(store)
    for alert in (made("a"), made("b", severity="grave"), made("c")):
        outbox.enqueue(alert)
    outbox.close(ENOUGH_S)
    assert counts(store) == {"a": 1, "c": 1}
    assert outbox.lost == 1
    assert logs[0]["event"] == "alert_not_stored"


def test_a_forked_child_stores_only_its_own(tmp_path, store, database):
    outbox = Outbox(store)
    outbox.enqueue(made("parent"))
    deadline = time.monotonic() + ENOUGH_S
    while outbox.waiting and time.monotonic() < deadline:
        time.sleep(0.01)  # allow no-bare-sleep: polls with a deadline
    child = os.fork()
    if not child:
        try:
            own = StateDatabase(f"sqlite:///{tmp_path}/state.db", SystemClock())
            outbox._store = IncidentStore(own, AlertSettings(), SystemClock(), POLICIES)
            outbox.enqueue(made("child"))
            outbox.close(ENOUGH_S)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    outbox.close(ENOUGH_S)
    assert counts(store) == {"parent": 1, "child": 1}
