"""A desk and those who ask it, through files: one holds the lock, the others read and ask."""

import threading

import msgspec
import pytest

from alchemiser_cli.clock import ManualClock, SystemClock
from alchemiser_cli.errors import TradingNotRunningError, TradingRunningError
from alchemiser_cli.trading.control import DeskControl, DeskStatus, ask, desk_status


def status(**changes):
    values = {
        "broker": "paper",
        "run_id": "r1",
        "pid": 42,
        "started_ns": 1,
        "at_ns": 2,
        "service": "desk",
        "trading_state": "active",
        "ticks": 3,
        "signals": 2,
        "approved": 1,
        "denied": {"reduce_only": 1},
        "orders": 1,
        "fills": 1,
        "working": 0,
        "last_event_ns": None,
        "account": None,
        "limits": [],
        "strategies": [],
        "findings": [],
        "audit_trail": "paper",
        "audit_head": "00",
    }
    return DeskStatus(**(values | changes))


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "run"


def test_what_a_desk_says_is_read_by_others_and_stays_when_it_is_gone(folder):
    assert desk_status(folder, "paper") == (None, False)
    with DeskControl(folder, "paper") as control:
        assert desk_status(folder, "paper") == (None, True)
        control.tell(status())
        assert desk_status(folder, "paper") == (status(), True)
    assert desk_status(folder, "paper") == (status(), False)


@pytest.mark.provokes("trading-running")
def test_a_second_desk_of_the_same_name_is_refused_and_told_who_holds_the_lock(folder):
    with DeskControl(folder, "paper"):
        with pytest.raises(TradingRunningError) as refused, DeskControl(folder, "paper"):
            pass
        assert refused.value.context["pid"].isdigit()
        with DeskControl(folder, "paper.risk"):
            pass
    with DeskControl(folder, "paper"):
        pass


@pytest.mark.provokes("trading-not-running")
def test_who_asks_a_desk_that_does_not_run_is_told(folder):
    with pytest.raises(TradingNotRunningError):
        _ask(folder, ManualClock())
    with DeskControl(folder, "paper"):
        pass
    with pytest.raises(TradingNotRunningError):
        _ask(folder, ManualClock())


def test_a_request_is_answered_by_what_came_of_it(folder):
    """The desk sees it, does it, says so in its status, and ticks it off."""
    answers = []
    with DeskControl(folder, "paper") as control:
        asking = threading.Thread(
            target=lambda: answers.append(_ask(folder, SystemClock(), wait_s=10.0))
        )
        asking.start()
        clock, request = SystemClock(), None
        deadline_ns = clock.monotonic_ns() + 10**10
        while request is None and clock.monotonic_ns() < deadline_ns:
            request = next(iter(control.requests()), None)
        assert (request.kind, request.by, request.reason) == ("flatten", "ada", "test")
        control.tell(status(handled={request.id: "done"}))
        control.done(request)
        asking.join(10.0)
        assert control.requests() == []
    assert answers == ["done"]


def test_a_desk_that_takes_longer_leaves_the_request_where_it_is(folder):
    clock = ManualClock()
    with DeskControl(folder, "paper") as control:
        assert _ask(folder, clock, wait_s=1.0) is None
        assert [one.kind for one in control.requests()] == ["flatten"]
    assert clock.monotonic_ns() >= 10**9


def test_a_request_that_cannot_be_read_is_removed(folder):
    with DeskControl(folder, "paper") as control:
        requests = folder / "trading" / "paper.requests"
        requests.mkdir()
        (requests / "a.json").write_bytes(b'{"id": "a", "kind": "fla')
        (requests / "b.json").write_bytes(b'{"id":"b","kind":"buy all","by":"x","reason":""}')
        assert control.requests() == []
        assert list(requests.iterdir()) == []


def test_a_status_that_cannot_be_read_is_none(folder):
    with DeskControl(folder, "paper") as control:
        control.tell(status())
        file = folder / "trading" / "paper.json"
        file.write_bytes(file.read_bytes()[:40])
        assert desk_status(folder, "paper") == (None, True)


def test_its_files_are_its_owners_alone(folder):
    with DeskControl(folder, "paper") as control:
        control.tell(status())
        files = list((folder / "trading").iterdir())
    assert {file.name for file in files} == {"paper.lock", "paper.json"}
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


def test_a_status_of_an_older_version_without_requests_is_read(folder):
    with DeskControl(folder, "paper") as control:
        control.tell(status())
        file = folder / "trading" / "paper.json"
        content = msgspec.json.decode(file.read_bytes())
        del content["handled"]
        file.write_bytes(msgspec.json.encode(content))
        assert desk_status(folder, "paper")[0] == status()


def _ask(folder, clock, wait_s=0.0):
    return ask(folder, "paper", "flatten", by="ada", reason="test", wait_s=wait_s, clock=clock)
