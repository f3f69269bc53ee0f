"""``trade``: a run over the past, its record and its decisions; the stop, and what it says."""

import json
import re
import shutil
from pathlib import Path

import msgspec
import pytest

from alchemiser_cli.exits import ExitCode
from alchemiser_cli.trading.control import DeskControl
from alchemiser_cli.trading.runs import list_runs, save_run

DEFINITION = """
kind = "momentum"
version = 1
symbols = ["market"]

[parameters]
lookback = {lookback}
volatility_rows = 10
allocation = 0.3
allow_short = false
"""
OWN_MASKS = [
    (re.compile(r"\b\d{8}T\d{6}-\d+\b"), "<run>"),
    (re.compile(r"\b[0-9a-f]{16}(?:[0-9a-f]{48})?\b"), "<hash>"),
    (re.compile(r"(since +<time>).*"), r"\1"),
    (re.compile(r"(\.\d{4})\d+"), r"\1"),  # the last digits are another machine's to choose
    (re.compile(r"(?m)(?<=\S) {2,}(?=[^█▁▂▃▄▅▆▇]*$)"), "  "),  # an id's length moves columns
]


@pytest.fixture
def define():
    """Write the definition of ``quick``, which trades within a hundred days."""

    def define(lookback=15):
        folder = Path("configs/strategies")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "quick.toml").write_text(DEFINITION.format(lookback=lookback))

    return define


@pytest.fixture
def trade(cli, define, market_file, monkeypatch, tmp_path):
    """Run one command of ``trade``, with shared memory, strategy and data of the test's own."""
    shm = tmp_path / "shm"
    shm.mkdir()
    monkeypatch.setenv("ALCHEMISER_SHM__DIRECTORY", str(shm))
    monkeypatch.setenv("ALCHEMISER_AUDIT__MIN_FREE_MEGABYTES", "0")
    monkeypatch.setenv("LOGNAME", "ada")
    shutil.copy(market_file, "market.csv")
    define()

    def trade(*arguments):
        return cli("trade", *arguments)

    return trade


@pytest.fixture
def past(trade):
    """Trade on the first days of the market."""

    def past(*options, limit=120):
        arguments = ["--dataset", "file:market.csv", "--strategy", "quick", "--limit", limit]
        return trade("run", *arguments, *options)

    return past


@pytest.fixture
def stable(masked):
    """Mask what differs between two runs of the same past."""

    def stable(text):
        text = masked(text)
        for pattern, name in OWN_MASKS:
            text = pattern.sub(name, text)
        return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"

    return stable


def document(result, code=ExitCode.OK):
    assert result.exit_code == code, result.stderr
    return json.loads(result.stdout)


# --- run, runs, replay


def test_a_run_over_the_past_shows_account_decisions_positions_and_equity(
    past, stable, file_regression
):
    result = past()
    assert result.exit_code == ExitCode.OK, result.stderr
    file_regression.check(stable(result.stdout), encoding="utf-8")


def test_the_json_of_a_run_is_the_contract(past, stable, file_regression):
    result = past("-o", "json")
    promised = "ticks signals approved denied orders fills positions cash equity realised_pnl"
    found = document(result)
    assert {*promised.split(), "unrealised_pnl", "fees", "audit_head"} <= set(found)
    file_regression.check(stable(result.stdout), extension=".json")


def test_refused_signals_are_warnings_that_fail_on_warning_turns_into_exit_code_3(
    past, monkeypatch
):
    assert past("--fail-on", "warning").exit_code == ExitCode.OK
    monkeypatch.setenv("ALCHEMISER_RISK__MAX_TRADE_LOSS", "0.001")
    result = past("-o", "json", "--fail-on", "warning")
    assert document(result, ExitCode.DEGRADED)["denied"]
    assert past().exit_code == ExitCode.OK


@pytest.mark.provokes("strategy-malformed")
def test_a_strategy_that_cannot_be_loaded_is_shown_as_disabled(past):
    Path("configs/strategies/quick.toml").write_text('kind = "momentum"\n')
    result = past("-o", "json", "--fail-on", "warning")
    found = document(result, ExitCode.DEGRADED)
    assert found["signals"] == 0
    assert "quick" in found["disabled"]


@pytest.mark.provokes("usage")
@pytest.mark.parametrize(
    "options", [["--service", "risk"], ["--until-idle", "3"], ["--metrics", "0"]]
)
def test_options_of_live_trading_do_not_go_with_a_dataset(past, options):
    result = past(*options)
    assert result.exit_code == ExitCode.USAGE
    assert options[0] in result.stderr


@pytest.mark.provokes("strategy-not-found")
def test_a_strategy_that_is_not_there_exits_with_8(trade):
    result = trade("run", "--dataset", "sp500", "--strategy", "momentun")
    assert result.exit_code == ExitCode.NOT_FOUND
    assert "Did you mean momentum?" in result.stderr


def test_runs_are_listed_the_newest_first(trade, past, home, stable, file_regression):
    past(limit=60)
    (ended,) = list_runs(home / "trading")
    killed = {"run_id": "19990101T000000-1", "started_at": "1999-01-01", "ended_at": ""}
    save_run(home / "trading", msgspec.structs.replace(ended, **killed, ticks=0))
    file_regression.check(stable(trade("runs").stdout))
    found = document(trade("runs", "-o", "json"))["runs"]
    assert [one["ticks"] for one in found] == [60, 0]


def test_no_run_is_no_failure_and_makes_nothing(trade, home):
    assert document(trade("runs", "-o", "json"))["runs"] == []
    assert not (home / "trading").exists()


def test_a_replay_that_comes_out_the_same_exits_with_0(trade, past, stable, file_regression):
    run = document(past("-o", "json"))["run_id"]
    result = trade("replay", run)
    assert result.exit_code == ExitCode.OK, result.stderr
    file_regression.check(stable(result.stdout))


def test_a_replay_that_differs_shows_where_and_exits_with_1(trade, past, define):
    run = document(past("-o", "json"))["run_id"]
    define(lookback=25)
    found = document(trade("replay", run, "-o", "json"), ExitCode.FAILED)
    assert not found["same"]
    assert found["changed_parameters"] == ["quick"]
    table = trade("replay", run)
    assert table.exit_code == ExitCode.FAILED
    assert "missing" in table.stdout


@pytest.mark.provokes("trading-run-not-found")
def test_a_run_that_is_not_there_exits_with_8(trade):
    assert trade("replay", "20180101").exit_code == ExitCode.NOT_FOUND


# --- why, why-not


@pytest.fixture
def shown(cli):
    """Show the lines of one event."""
    return lambda event: cli("audit", "show", "--event", event, "-o", "json")


def test_an_order_is_explained_from_its_tick_to_its_fill(trade, past, shown):
    past()
    orders = document(shown("ORDER_SUBMITTED"))["entries"]
    result = trade("why", orders[0]["event_id"][:12])
    assert result.exit_code == ExitCode.OK, result.stderr
    for part in ("dataset:file:market.csv/0/", "quick", "approved", "What it saw", "executed"):
        assert part in result.stdout
    story = document(trade("why", orders[0]["event_id"], "-o", "json"))
    assert story["order_id"] == orders[0]["event_id"]


@pytest.mark.provokes("order-not-found")
def test_an_order_that_is_not_on_record_exits_with_8(trade, past):
    past()
    result = trade("why", "o-nothing")
    assert result.exit_code == ExitCode.NOT_FOUND
    assert "alchemiser trade why o-" in result.stderr


def test_why_nothing_was_traded_is_told_for_a_day(trade, past, shown, monkeypatch):
    monkeypatch.setenv("ALCHEMISER_RISK__MAX_TRADE_LOSS", "0.001")
    past()
    entry = document(shown("TRADE_REJECTED"))["entries"][0]
    at = entry["at"][:10]
    result = trade("why-not", "market", "--at", at)
    assert result.exit_code == ExitCode.OK, result.stderr
    assert "per_trade_loss_limit_exceeded" in result.stdout or "could lose" in result.stdout
    told = document(trade("why-not", "market", "--at", "2001-01-05", "-o", "json"))
    assert [one["reason"] for one in told["holds"]] == ["has too little history"]


@pytest.mark.provokes("audit-trail-not-found")
def test_a_trail_that_is_not_there_exits_with_8(trade):
    assert trade("why", "o-1", "--trail", "papr").exit_code == ExitCode.NOT_FOUND


# --- the stop


def test_halt_status_and_resume_say_what_the_kill_switch_is(trade, stable, file_regression):
    shown = [
        trade("halt", "--reason", "prices look wrong"),
        trade("status"),
        trade("resume", "--reason", "the feed is back"),
    ]
    assert {one.exit_code for one in shown} == {ExitCode.OK}
    file_regression.check(stable("\n".join(one.stdout for one in shown)))


@pytest.mark.provokes("kill-switch-active")
def test_while_it_is_set_live_trading_does_not_start_and_exits_with_6(trade):
    trade("halt", "--reason", "prices look wrong")
    result = trade("run", "--strategy", "quick", "--until-idle", "1")
    assert result.exit_code == ExitCode.REFUSED
    assert "prices look wrong" in result.stderr
    assert "alchemiser trade resume" in result.stderr


def test_a_run_over_the_past_is_not_stopped_by_it(trade, past):
    trade("halt")
    assert document(past("-o", "json"))["approved"] > 0


def test_a_set_kill_switch_is_a_warning_of_the_status(trade):
    trade("halt")
    assert trade("status").exit_code == ExitCode.OK
    assert trade("status", "--fail-on", "warning").exit_code == ExitCode.DEGRADED
    found = document(trade("status", "-o", "json"))
    assert (found["kill_switch"]["active"], found["running"], found["desk"]) == (True, False, None)


def test_resume_asks_for_a_reason(trade):
    assert trade("resume").exit_code == ExitCode.USAGE


@pytest.mark.provokes("trading-not-running")
def test_flatten_without_a_desk_exits_with_5_and_says_how_to_start_one(trade):
    result = trade("flatten")
    assert result.exit_code == ExitCode.UNREACHABLE
    assert "--halted" in result.stderr


def test_a_desk_that_does_not_answer_in_time_is_no_success(trade, home):
    with DeskControl(home / "run", "paper") as control:
        result = trade("flatten", "--wait", "0")
        assert result.exit_code == ExitCode.FAILED
        assert "not answered yet" in result.stdout
        assert [one.by for one in control.requests()] == ["ada"]


def test_a_drill_leaves_the_kill_switch_alone_and_times_the_last_order(trade):
    found = document(trade("drill", "--rounds", "1", "-o", "json"))
    assert (found["passed"], found["rounds"], found["orders_after"]) == (True, 1, 0)
    assert not document(trade("status", "-o", "json"))["kill_switch"]["active"]


@pytest.mark.parametrize(
    "command",
    ["run", "runs", "replay", "why", "why-not", "status", "halt", "resume", "flatten", "drill"],
)
def test_each_command_shows_examples(trade, command):
    assert "Example" in trade(command, "--help").stdout
