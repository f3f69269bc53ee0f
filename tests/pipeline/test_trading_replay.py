"""A run is run again: the same inputs give the same decisions, and what changed shows."""

import pytest

from alchemiser_cli.errors import TradingRunNotFoundError, ValidationError
from alchemiser_cli.pipeline.trading.replaying import MOST_DIFFERENCES, replay_run
from alchemiser_cli.trading.runs import Fed, load_run, save_run


@pytest.fixture
def again(make_settings, clock):
    """Replay a run under the settings of today, which are not those of the run."""

    def again(run_id="r1"):
        return replay_run(make_settings(risk={"max_positions": 1}), run_id, clock)

    return again


def test_an_unchanged_run_comes_out_the_same_under_its_own_settings(past, quick, again):
    result = past()
    compared = again("r")
    assert compared.same
    assert compared.run_id == "r1"
    assert (compared.decisions, compared.executions) == (result.signals, result.fills)
    assert compared.changed_parameters == compared.differences == ()


def test_a_changed_parameter_shows_in_the_strategys_name_and_in_each_decision(past, quick, again):
    past()
    quick(lookback=25)
    compared = again()
    assert not compared.same
    assert compared.changed_parameters == ("quick",)
    assert compared.differing > 0
    assert len(compared.differences) == min(compared.differing, MOST_DIFFERENCES)
    kinds = {one.kind for one in compared.differences}
    assert kinds == {"missing", "new"}  # the parameters are part of each signal's id
    for one in compared.differences:
        assert bool(one.was) == (one.kind == "missing")
        assert bool(one.now) == (one.kind == "new")


def test_another_decision_about_the_same_signal_is_a_change_in_words(
    past, quick, again, make_settings
):
    past()
    folder = make_settings().trading_folder
    record = load_run(folder, "r1")
    record.sections["risk"]["max_notional"] = 0.05
    save_run(folder, record)
    compared = again()
    assert compared.changed_parameters == ()
    changed = [one for one in compared.differences if one.kind == "changed"]
    assert changed
    assert changed[0].was.startswith("approved")
    assert compared.executions_differing > 0


def test_a_replay_changes_nothing_of_the_run(past, quick, again, make_settings):
    past()
    home = make_settings().home
    files = {file: file.read_bytes() for file in home.rglob("*") if file.is_file()}
    again()
    assert {file: file.read_bytes() for file in home.rglob("*") if file.is_file()} == files


def test_other_data_in_the_same_file_shows(past, quick, again, market_file, tmp_path):
    copy = tmp_path / "market.csv"
    lines = market_file.read_text().splitlines()
    copy.write_text("\n".join(lines))
    past(file=copy)
    copy.write_text("\n".join([lines[0], *lines[2:]]))
    assert not again().same


@pytest.mark.provokes("trading-run-not-found")
def test_a_run_that_is_not_there_is_not_found(again):
    with pytest.raises(TradingRunNotFoundError):
        again("r7")


@pytest.mark.provokes("validation-failed")
def test_a_run_on_live_ticks_cannot_be_fed_again(past, quick, again, make_settings):
    past()
    folder = make_settings().trading_folder
    record = load_run(folder, "r1")
    live = type(record)(
        **{field: getattr(record, field) for field in record.__struct_fields__ if field != "fed"},
        fed=Fed(topic="market.ticks"),
    )
    save_run(folder, live)
    with pytest.raises(ValidationError) as refused:
        again()
    assert "market.ticks" in refused.value.what
