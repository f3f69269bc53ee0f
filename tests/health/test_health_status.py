"""The status: what makes the system healthy, degraded or critical, and what it says about it."""

import msgspec
import pytest

from alchemiser_cli.health.status import health_status
from alchemiser_cli.render.health import status_view
from alchemiser_cli.render.output import json_document, plain_text


@pytest.fixture
def look(surroundings):
    def look(*assignments):
        return health_status(surroundings(*assignments))

    return look


def check_of(status, name):
    return next(check for check in status.checks if check.name == name)


def test_a_system_that_never_ran_is_healthy_and_skips_what_does_not_apply(look):
    status = look()
    assert status.status == "healthy"
    assert status.alerts == []
    assert check_of(status, "connected feeds make progress").result == "skipped"
    assert check_of(status, "configured strategies are loaded").result == "skipped"
    assert check_of(status, "circuit breakers are closed").result == "skipped"


def test_the_document_has_the_keys_that_others_read(look):
    document = msgspec.to_builtins(look())
    assert list(document)[:4] == ["status", "checks", "errors", "alerts"]
    assert list(document["errors"]) == ["rate_per_min", "criticals_5min", "by_component"]


@pytest.mark.provokes("order-outcome-unknown")
def test_one_critical_error_of_late_is_critical_and_names_its_runbook(look, scene):
    scene.errors("order-outcome-unknown", "paper-broker", ago_s=200)
    status = look()
    assert status.status == "critical"
    assert status.errors.criticals_5min == 1
    assert status.alerts[0].code == "order-outcome-unknown"
    assert status.alerts[0].level == "critical"


def test_critical_errors_of_an_hour_ago_are_over(look, scene):
    scene.errors("order-outcome-unknown", "paper-broker", ago_s=3_600)
    status = look()
    assert status.status == "healthy"
    assert status.errors.criticals_5min == 0


def test_errors_caused_on_purpose_are_not_counted(look, scene):
    scene.errors("order-outcome-unknown", "paper-broker", injected=True, count=500)
    status = look()
    assert status.status == "healthy"
    assert status.errors.by_component == {}


def test_a_code_that_nobody_knows_any_more_is_still_critical(look, scene):
    scene.errors("code-of-old", "plugin", severity="critical")
    assert look().status == "critical"


def test_more_errors_than_the_threshold_degrade(look, scene):
    scene.errors("rate-limited", "feed", count=59)
    scene.errors("message-undecodable", "consumer", count=3)
    status = look()
    assert status.status == "degraded"
    assert status.errors.rate_per_min == 62 / 5
    assert list(status.errors.by_component.items()) == [("feed", 59), ("consumer", 3)]
    assert check_of(status, "error rate is within its threshold").code == "rate-limited"


def test_few_errors_are_within_the_threshold(look, scene):
    scene.errors("rate-limited", count=5)
    assert look().status == "healthy"


def test_looking_often_teaches_the_threshold_only_once_a_minute(surroundings, clock, database):
    one = surroundings()
    for _ in range(30):
        health_status(one)
        clock.advance(2.0)
    with database.begin() as connection:
        samples = connection.exec_driver_sql("SELECT count(*) FROM threshold_sample").scalar_one()
    assert samples == 2  # one of each metric


@pytest.mark.provokes("circuit-open")
@pytest.mark.parametrize("state", ["open", "isolated"])
def test_a_breaker_that_bars_calls_degrades(look, scene, state):
    scene.breaker("kafka", state)
    scene.breaker("registry", "closed")
    status = look()
    assert status.status == "degraded"
    found = check_of(status, "circuit breakers are closed")
    assert f"kafka {state}" in found.detail
    assert "registry" not in found.detail


def test_a_breaker_that_probes_is_told_and_does_not_degrade(look, scene):
    scene.breaker("kafka", "half-open")
    status = look()
    assert status.status == "healthy"
    assert check_of(status, "circuit breakers are closed").detail == "probing: kafka"


@pytest.mark.provokes("feed-silent")
def test_a_feed_that_is_connected_but_mute_is_critical(look, scene):
    scene.feed("feed:prices", connected=True, silent_s=61, reported_s=0.5)
    status = look()
    assert status.status == "critical"
    assert status.alerts[0].code == "feed-silent"


def test_how_long_a_feed_may_be_silent_is_a_setting(look, scene):
    scene.feed("feed:prices", silent_s=61)
    assert look("health.max_silence_s=90").status == "healthy"


@pytest.mark.provokes("market-data-stale")
def test_a_process_that_died_with_its_feed_degrades(look, scene):
    scene.feed("feed:prices", silent_s=900, reported_s=900)
    status = look()
    assert status.status == "degraded"
    assert status.alerts[0].code == "market-data-stale"


def test_a_feed_that_ended_cleanly_is_nobodys_concern(look, scene):
    scene.feed("feed:prices", connected=False, silent_s=900, reported_s=895)
    assert look().status == "healthy"


@pytest.mark.provokes("strategy-failed")
def test_strategies_are_counted_as_loaded_and_not_as_configured(look, scene):
    scene.strategies(configured=3, loaded=2, momentum="model artefact missing")
    status = look()
    assert status.status == "degraded"
    detail = check_of(status, "configured strategies are loaded").detail
    assert "2 of 3 loaded" in detail
    assert "momentum: model artefact missing" in detail


def test_configured_strategies_that_no_process_has_loaded_are_not_ready(look):
    status = look("strategies.momentum.enabled=true", "strategies.old.enabled=false")
    assert status.status == "degraded"
    assert "0 of 1 loaded" in check_of(status, "configured strategies are loaded").detail


def test_what_a_process_of_yesterday_had_loaded_is_not_loaded(look, scene):
    scene.strategies(configured=1, loaded=1, ago_s=86_400)
    assert look().status == "healthy"
    assert look("strategies.momentum.enabled=true").status == "degraded"


def test_a_detail_that_cannot_be_read_costs_only_the_reasons(look, scene, database):
    scene.strategies(configured=2, loaded=1)
    with database.begin() as connection:
        connection.exec_driver_sql("UPDATE strategy_status SET detail = 'torn {'")
    detail = check_of(look(), "configured strategies are loaded").detail
    assert "no reason given" in detail


def test_errors_that_wait_in_a_spill_file_degrade(look, home):
    folder = home / "logs"
    folder.mkdir(parents=True)
    (folder / "error_spill.jsonl").write_text('{"id": "1"}\n')
    status = look()
    assert status.status == "degraded"
    assert "error_spill.jsonl" in status.alerts[0].message


def test_an_empty_spill_file_holds_nothing_back(look, home):
    folder = home / "logs"
    folder.mkdir(parents=True)
    (folder / "error_spill.jsonl").touch()
    assert look().status == "healthy"


@pytest.mark.provokes("segment-unhealthy")
def test_a_segment_that_others_may_read_is_critical(look, segments_folder):
    segment = segments_folder / "alchemiser-weights"
    segment.write_bytes(b"weights")
    segment.chmod(0o644)
    assert look().alerts[0].code == "segment-unhealthy"


@pytest.mark.provokes("state-corrupt")
def test_a_damaged_database_is_critical_and_skips_what_needs_it(look, home):
    home.mkdir()
    (home / "state.db").write_bytes(b"this is no database at all" * 100)
    status = look()
    assert status.status == "critical"
    assert status.errors.rate_per_min is None
    assert status.alerts[0].code == "state-corrupt"
    # Whether trading may run, and what a desk lost, is known without a database.
    reasons = {check.name: check.skipped_because for check in status.checks}
    assert reasons.pop("kill switch can be read") == "nothing has traded in this home"
    assert reasons.pop("kill switch is not set") == '"kill switch can be read" was skipped'
    assert reasons.pop("losses of the day are within their limits") == "no desk is running"
    assert set(reasons.values()) == {'"state database answers" failed', None}


def test_status_for_people(look, scene, masked, file_regression):
    trouble(scene)
    file_regression.check(masked(plain_text(status_view(look()).blocks)))


def test_status_as_json(look, scene, masked, file_regression):
    trouble(scene)
    document = json_document(status_view(look()).document)
    file_regression.check(masked(document), extension=".json")


def trouble(scene):
    scene.errors("order-outcome-unknown", "paper-broker", count=2)
    scene.errors("rate-limited", "feed", count=70)
    scene.breaker("kafka", "open", ago_s=600)
    scene.feed("feed:prices", silent_s=300)
    scene.feed("consumer:alchemiser:market.ticks")
    scene.strategies(configured=2, loaded=1, momentum="model artefact missing")
