"""The ledger: a message is stored before it is sent, leased by one, and settled once."""

import threading

import pytest

from alchemiser_cli.clock import NS_PER_SECOND, ManualClock
from alchemiser_cli.notifications.ledger import Ledger
from alchemiser_cli.notifications.messages import Delivery, Outcome
from alchemiser_cli.settings import AlertSettings
from alchemiser_cli.state import StateDatabase

TAKEN = Outcome()
BUSY = Outcome("the server answered 503")


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def ledger(tmp_path, clock):
    database = StateDatabase(f"sqlite:///{tmp_path}/state.db", clock)
    yield Ledger(database, clock, AlertSettings(attempts=3))
    database.close()


def message(name, clock, **changes):
    fields = {
        "incident": "i1",
        "channel": "mail",
        "kind": "alert",
        "severity": "high",
        "code": "broker-unreachable",
        "subject": "s",
        "text": "t",
        "html": "<p>t</p>",
        "queued_ns": clock.now_ns(),
        "due_ns": clock.now_ns(),
    }
    return Delivery(id=name, **(fields | changes))


def leased(ledger, clock, limit=10, **wanted):
    return ledger.lease_due(clock.now_ns(), limit, **wanted)


def test_what_is_queued_is_leased_once_and_comes_back_as_it_was(ledger, clock):
    one = message("a", clock)
    ledger.queue([one])
    assert ledger.list() == [one]
    assert ledger.due_channels(clock.now_ns()) == ["mail"]
    (taken,) = leased(ledger, clock)
    assert taken.message == one.message
    assert leased(ledger, clock) == []


def test_a_message_is_sent_again_after_its_lease_by_whoever_comes(ledger, clock):
    ledger.queue([message("a", clock)])
    leased(ledger, clock)
    clock.advance(29)
    assert leased(ledger, clock) == []
    clock.advance(2)
    (again,) = leased(ledger, clock)
    assert ledger.settle(again, TAKEN).state == "sent"


def test_of_two_that_sent_the_same_the_later_failure_changes_nothing(ledger, clock):
    ledger.queue([message("a", clock)])
    (slow,) = leased(ledger, clock)
    clock.advance(31)
    (fast,) = leased(ledger, clock)
    assert ledger.settle(slow, BUSY).state == "sending"
    assert ledger.settle(fast, TAKEN).state == "sent"
    assert ledger.settle(slow, BUSY).state == "sent"


def test_criticals_go_first_and_then_what_was_tried_least(ledger, clock):
    ledger.queue(
        [
            message("tried", clock, attempts=2),
            message("new", clock),
            message("critical", clock, severity="critical", attempts=4),
        ]
    )
    assert [one.id for one in leased(ledger, clock)] == ["critical", "new", "tried"]


def test_retries_wait_longer_each_time_and_end(ledger, clock):
    ledger.queue([message("a", clock)])
    waits = []
    for _ in range(2):
        (one,) = leased(ledger, clock)
        after = ledger.settle(one, BUSY)
        waits.append((after.due_ns - clock.now_ns()) / NS_PER_SECOND)
        assert (after.state, after.error) == ("queued", BUSY.error)
        clock.advance(waits[-1])
    assert 2.5 <= waits[0] <= 5 <= waits[1] <= 10
    (one,) = leased(ledger, clock)
    assert ledger.settle(one, BUSY).state == "failed"


def test_a_final_refusal_is_not_tried_again(ledger, clock):
    ledger.queue([message("a", clock)])
    (one,) = leased(ledger, clock)
    assert ledger.settle(one, Outcome("no such address", final=True)).state == "failed"
    assert ledger.last_success("mail") == (None, "no such address")


def test_a_wish_to_be_left_alone_is_honoured_up_to_an_hour(ledger, clock):
    ledger.queue([message("a", clock), message("b", clock)])
    first, second = leased(ledger, clock)
    after = ledger.settle(first, Outcome("429", retry_after_s=120.0))
    assert after.due_ns == clock.now_ns() + 120 * NS_PER_SECOND
    after = ledger.settle(second, Outcome("429", retry_after_s=1e9))
    assert after.due_ns == clock.now_ns() + 3_600 * NS_PER_SECOND


def test_an_acknowledgement_cancels_what_waits_on_every_channel_and_keeps_what_is_held(
    ledger, clock
):
    ledger.queue(
        [
            message("a", clock),
            message("b", clock, channel="sms"),
            message("c", clock, state="held"),
            message("d", clock, incident="i2", channel="other"),
        ]
    )
    assert ledger.cancel_of("i1") == 2
    assert {one.id: one.state for one in ledger.list()} == {
        "a": "cancelled",
        "b": "cancelled",
        "c": "held",
        "d": "queued",
    }


def test_what_is_on_its_way_when_it_is_acknowledged_is_sent_or_not_tried_again(ledger, clock):
    ledger.queue([message("a", clock), message("b", clock)])
    first, second = leased(ledger, clock)
    ledger.cancel_of("i1")
    assert ledger.settle(first, TAKEN).state == "sent"
    assert ledger.settle(second, BUSY).state == "cancelled"


def test_the_last_success_of_a_channel_and_what_is_wrong_since(ledger, clock):
    ledger.queue([message("a", clock), message("b", clock)])
    first, second = leased(ledger, clock)
    assert ledger.last_success("mail") == (None, "")
    ledger.settle(second, BUSY)
    ledger.settle(first, TAKEN)
    sent_ns = clock.now_ns()
    assert ledger.last_success("mail") == (sent_ns, BUSY.error)
    clock.advance(60)
    (again,) = leased(ledger, clock)
    ledger.settle(again, TAKEN)
    assert ledger.last_success("mail") == (clock.now_ns(), "")
    assert ledger.counts() == {("mail", "sent"): 2}


def test_a_refusal_after_a_success_is_what_is_wrong_since(ledger, clock):
    ledger.queue([message("a", clock), message("b", clock)])
    first, second = leased(ledger, clock)
    clock.advance(1)
    ledger.settle(first, TAKEN)
    sent_ns = clock.now_ns()
    clock.advance(1)
    ledger.settle(second, Outcome("no such address", final=True))
    assert ledger.last_success("mail") == (sent_ns, "no such address")


def test_lists_are_narrowed_by_state_and_channel_and_begin_with_the_newest(ledger, clock):
    ledger.queue([message("a", clock)])
    clock.advance(1)
    ledger.queue([message("b", clock), message("c", clock, channel="sms", state="held")])
    assert [one.id for one in ledger.list(channel="mail")] == ["b", "a"]
    assert [one.id for one in ledger.list(state="held")] == ["c"]
    assert [one.id for one in ledger.list(limit=1)] == ["b"]


def test_many_couriers_at_once_lease_each_message_once(tmp_path, clock):
    url = f"sqlite:///{tmp_path}/state.db"
    databases = [StateDatabase(url, clock) for _ in range(4)]
    ledgers = [Ledger(database, clock) for database in databases]
    ledgers[0].queue(message(f"m{n}", clock) for n in range(40))
    taken = []

    def courier(ledger):
        while got := ledger.lease_due(clock.now_ns(), 3):
            taken.extend(one.id for one in got)

    threads = [threading.Thread(target=courier, args=(ledger,)) for ledger in ledgers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for database in databases:
        database.close()
    assert sorted(taken) == sorted(f"m{n}" for n in range(40))
