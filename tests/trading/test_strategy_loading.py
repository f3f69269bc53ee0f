"""Loading: what cannot be used is disabled with its reason, told once, counted, and no crash."""

import pytest
from sqlalchemy import select

from alchemiser_cli.checks import run_checks
from alchemiser_cli.clock import ManualClock
from alchemiser_cli.errors import StrategyNotFoundError
from alchemiser_cli.health.readings import loaded_strategies
from alchemiser_cli.preflight.report import checks_of
from alchemiser_cli.preflight.setup import Setup
from alchemiser_cli.settings import Settings, TelemetrySettings
from alchemiser_cli.settings.resolve import Request, resolve
from alchemiser_cli.settings.trading import StrategySettings
from alchemiser_cli.state import StateDatabase, strategy_status
from alchemiser_cli.telemetry import exposition, open_telemetry
from alchemiser_cli.trading.strategies import (
    BUILT_IN_KINDS,
    StrategyStatusStore,
    load_strategies,
)


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def settings(tmp_path):
    folder = tmp_path / "home" / "configs" / "strategies"
    folder.mkdir(parents=True)
    (folder / "broken.toml").write_text('kind = "momentum"\nsymbols = ["SPX"]\n')
    (folder / "foreign.toml").write_text('kind = "lunar"\nversion = 1\nsymbols = ["SPX"]\n')
    strategies = {
        "momentum": StrategySettings(),
        "breakout": StrategySettings(model="gone"),
        "broken": StrategySettings(),
        "missing": StrategySettings(broker="live"),
        "mean_reversion": StrategySettings(enabled=False),
    }
    return Settings(home=tmp_path / "home", strategies=strategies)


def test_what_can_be_loaded_runs_and_the_rest_has_its_reason(settings, clock):
    loaded = load_strategies(settings, clock=clock)
    assert [one.strategy_id for one in loaded.by_broker["paper"]] == ["momentum"]
    assert loaded.configured == {"paper": 3, "live": 1}
    assert loaded.disabled["paper"]["breakout"].startswith("strategy-model-unusable: ")
    assert loaded.disabled["paper"]["broken"].startswith("strategy-malformed: ")
    assert loaded.disabled["live"]["missing"].startswith("strategy-not-found: ")
    assert loaded.by_broker["live"] == ()


def test_each_disabled_one_is_told_once_and_each_broker_summed_up(settings, clock, logs):
    load_strategies(settings, clock=clock)
    told = [event["strategy"] for event in logs if event["event"] == "strategy_disabled"]
    assert sorted(told) == ["breakout", "broken", "missing"]
    summaries = {
        event["broker"]: event for event in logs if event["event"] == "strategy loading summary"
    }
    assert summaries["paper"]["configured"] == 3
    assert summaries["paper"]["loaded"] == ["momentum"]
    assert sorted(summaries["paper"]["disabled"]) == ["breakout", "broken"]
    assert summaries["live"]["loaded"] == []
    assert all(event["channel"] == "trading" for event in summaries.values())


def test_what_was_loaded_is_counted(settings, clock):
    telemetry = open_telemetry(TelemetrySettings())
    load_strategies(settings, telemetry=telemetry, clock=clock)
    text = exposition(telemetry.registry).decode()
    for line in (
        'ml_model_load_failure_total{strategy_id="breakout"} 1.0',
        'strategies_configured{broker="paper"} 3.0',
        'strategies_loaded{broker="paper"} 1.0',
        'strategies_loaded{broker="live"} 0.0',
    ):
        assert line in text


def test_names_choose_also_what_the_settings_do_not_mention(clock, tmp_path):
    loaded = load_strategies(Settings(home=tmp_path), ["breakout", "momentum"], clock=clock)
    assert [one.strategy_id for one in loaded.by_broker["paper"]] == ["breakout", "momentum"]


def test_a_name_that_a_person_chose_and_nothing_defines_is_refused(settings, clock):
    with pytest.raises(StrategyNotFoundError):
        load_strategies(settings, ["momentun"], clock=clock)


def test_what_the_settings_disable_stays_disabled(settings, clock):
    loaded = load_strategies(settings, ["mean_reversion"], clock=clock)
    assert "enabled is false" in loaded.disabled["paper"]["mean_reversion"]


def test_a_kind_of_a_plugin_is_taken_and_one_that_crashes_disables_only_its_own(settings, clock):
    def crashes(definition, strategy, settings):
        raise RuntimeError("new moon")

    kinds = {**BUILT_IN_KINDS, "lunar": crashes}
    loaded = load_strategies(settings, ["foreign", "momentum"], kinds=kinds, clock=clock)
    assert [one.strategy_id for one in loaded.by_broker["paper"]] == ["momentum"]
    assert "RuntimeError: new moon" in loaded.disabled["paper"]["foreign"]


def test_a_kind_that_nobody_brings_is_named(settings, clock):
    loaded = load_strategies(settings, ["foreign"], clock=clock)
    assert "'lunar' is no kind of a strategy" in loaded.disabled["paper"]["foreign"]


def test_health_reads_what_the_store_writes(settings, clock, tmp_path):
    loaded = load_strategies(settings, clock=clock)
    database = StateDatabase(f"sqlite:///{tmp_path / 'state.db'}", clock)
    store = StrategyStatusStore(database)
    store.save(loaded, 1)
    store.save(loaded.without("paper", "momentum", "hung"), 2)
    rows = {row.broker: row for row in loaded_strategies(database)}
    with database.begin() as connection:
        assert len(connection.execute(select(strategy_status)).all()) == 2
    database.close()
    paper = rows["paper"]
    assert (paper.configured, paper.loaded, paper.at_ns) == (3, 0, 2)
    assert paper.reasons["momentum"] == "hung"
    assert rows["live"].configured == 1


# --- preflight


def outcome(tmp_path, *assignments):
    request = Request(profile=None, home=tmp_path, assignments=assignments, environ={})
    setup = Setup(resolve(request), ManualClock())
    (result,) = run_checks(checks_of(setup, ["strategies"]), setup.clock)
    return result


def test_preflight_loads_what_is_enabled(tmp_path):
    result = outcome(tmp_path, "strategies.momentum.enabled=true")
    assert (result.result, result.detail) == ("success", "1 strategies, with definition and model")


def test_preflight_skips_where_nothing_is_enabled(tmp_path):
    assert outcome(tmp_path).result == "skipped"


@pytest.mark.parametrize(
    ("environment", "result"), [("development", "warning"), ("production", "error")]
)
def test_preflight_refuses_a_disabled_strategy_in_production_only(tmp_path, environment, result):
    found = outcome(tmp_path, "strategies.momentum.model=gone", f"environment={environment}")
    assert (found.result, found.code) == (result, "strategy-model-unusable")
    assert "momentum" in found.detail + found.hint
