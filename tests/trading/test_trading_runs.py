"""Records of runs: written whole, listed in order, found by the begin of their id."""

import msgspec
import pytest

from alchemiser_cli.errors import TradingRunNotFoundError
from alchemiser_cli.trading.runs import Fed, RunRecord, list_runs, load_run, save_run


def record(run_id, started_at="2018-01-01T00:00:00Z", **changes):
    values = {
        "run_id": run_id,
        "broker": "paper",
        "app_version": "0.7.0",
        "started_at": started_at,
        "trail": run_id,
        "fed": Fed(dataset="sp500", limit=10),
        "strategies": {"momentum": "0123456789abcdef"},
        "sections": {"risk": {"max_positions": 3}},
    }
    return RunRecord(**(values | changes))


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "trading"


def test_a_record_is_read_as_it_was_written(folder):
    live = record("b1", fed=Fed(topic="market.ticks", offsets={0: (3, 9), 2: (0, 1)}))
    save_run(folder, live)
    save_run(folder, record("a1"))
    assert load_run(folder, "b1") == live
    assert (folder / "a1.json").stat().st_mode & 0o777 == 0o600


def test_the_record_of_a_run_that_ended_replaces_that_of_its_start(folder):
    save_run(folder, record("a1"))
    ended = msgspec.structs.replace(record("a1"), ended_at="2018-01-02T00:00:00Z", ticks=7)
    save_run(folder, ended)
    assert list_runs(folder) == [ended]


def test_runs_are_listed_from_the_oldest_and_what_is_no_record_is_passed_over(folder):
    assert list_runs(folder) == []
    save_run(folder, record("a1", "2018-01-03T00:00:00Z"))
    save_run(folder, record("b1", "2018-01-01T00:00:00Z"))
    (folder / "c1.json").write_text("{}")
    (folder / "d1.json").write_text("torn")
    assert [one.run_id for one in list_runs(folder)] == ["b1", "a1"]


def test_the_begin_of_an_id_is_enough_where_one_run_has_it(folder):
    for name in ("20180101-1", "20180101-2", "20180102-1", "20180102-12"):
        save_run(folder, record(name))
    assert load_run(folder, "20180101-2").run_id == "20180101-2"
    assert load_run(folder, "20180102-1").run_id == "20180102-1"


@pytest.mark.provokes("trading-run-not-found")
@pytest.mark.parametrize(
    ("asked", "said"),
    [
        pytest.param("20180101", "2 trading runs begin", id="several"),
        pytest.param("20180101-3", "Near ones: 20180101-", id="near"),
        pytest.param("zz", "Runs that are known: 2", id="none near"),
        pytest.param("", "known: 2", id="nothing"),
        pytest.param("../20180101-1", "there is no trading run", id="path"),
    ],
)
def test_an_id_of_no_run_or_of_several_names_the_near_ones(folder, asked, said):
    for name in ("20180101-1", "20180101-2"):
        save_run(folder, record(name))
    with pytest.raises(TradingRunNotFoundError) as refused:
        load_run(folder, asked)
    assert said in f"{refused.value.what} {refused.value.why}"
