"""The report: errors over a window, what heals itself, the parts of the system, what to do."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.health.readings import NS_PER_MINUTE
from alchemiser_cli.health.report import MOST_BUCKETS, bucket_minutes, health_report
from alchemiser_cli.render.health import report_view
from alchemiser_cli.render.output import json_document, plain_text


@pytest.fixture
def report(surroundings, scene):
    def report(*assignments, hours=24.0):
        return health_report(surroundings(*assignments), scene.ago(hours * 3_600))

    return report


def busy_day(scene):
    for hour in range(1, 24, 2):
        scene.errors("broker-unreachable", "consumer", ago_s=3_600 * hour, count=hour)
        scene.errors("rate-limited", "feed", ago_s=3_500 * hour, count=3, recovered=True)
    scene.errors("order-rejected", "paper-broker", ago_s=90)
    scene.errors("broker-unreachable", "consumer", ago_s=7_000, injected=True, count=40)
    scene.breaker("kafka", "open", ago_s=600)
    scene.breaker("registry", "closed", ago_s=50_000, reason="")
    scene.feed("feed:prices", silent_s=300)
    scene.feed("consumer:alchemiser:market.ticks", silent_s=2)
    scene.strategies(configured=2, loaded=1, momentum="model artefact missing")


def test_counts_leave_out_what_was_injected_and_say_how_much_healed(report, scene):
    scene.errors("rate-limited", "feed", count=6, recovered=True)
    scene.errors("rate-limited", "feed", count=2)
    scene.errors("rate-limited", "feed", count=50, injected=True)
    totals = report().totals
    assert (totals.count, totals.recovered, totals.injected) == (8, 6, 50)
    assert totals.recovery_rate == 0.75


def test_without_errors_there_is_no_recovery_rate(report):
    assert report().totals.recovery_rate is None


def test_only_the_window_counts(report, scene):
    scene.errors("rate-limited", ago_s=3 * 3_600)
    assert report(hours=2).totals.count == 0
    assert report(hours=4).totals.count == 1


def test_the_series_holds_every_error_of_the_window_once(report, scene):
    busy_day(scene)
    found = report()
    assert sum(bucket.total for bucket in found.series) == found.totals.count
    assert sum(bucket.critical for bucket in found.series) == found.totals.criticals
    assert sum(bucket.injected for bucket in found.series) == found.totals.injected


def test_the_series_has_no_holes(report, scene):
    scene.errors("rate-limited", ago_s=3 * 3_600)
    found = report()
    width = found.bucket_minutes * NS_PER_MINUTE
    starts = [bucket.start_ns for bucket in found.series]
    assert starts == list(range(starts[0], starts[-1] + 1, width))


@given(st.integers(1, 10_000_000))
def test_a_window_of_any_length_has_few_enough_bars(minutes):
    width = bucket_minutes(minutes)
    assert width >= 1
    assert -(-minutes // width) <= MOST_BUCKETS


def test_a_breaker_that_refuses_calls_counts_as_open_until_now(report, scene):
    scene.breaker("kafka", "open", ago_s=600)
    scene.breaker("paper-broker", "isolated", ago_s=600)
    scene.breaker("registry", "closed", ago_s=600)
    open_s = {one.name: one.open_s for one in report().breakers}
    assert open_s == {"kafka": 690.0, "paper-broker": 690.0, "registry": 90.0}


def test_groups_that_were_resolved_or_only_injected_are_not_open(report, scene, database):
    scene.errors("rate-limited", "feed")
    scene.errors("order-rejected", "paper-broker")
    scene.errors("broker-unreachable", "consumer", injected=True)
    with database.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE error_group SET state = 'resolved' WHERE code = 'order-rejected'"
        )
    assert [group.code for group in report().groups] == ["rate-limited"]


def test_what_crossed_its_threshold_is_told(report, scene):
    scene.errors("rate-limited", "feed", count=600)
    rate = next(one for one in report().thresholds if one.metric == "errors_per_min")
    assert rate.value > rate.threshold


def test_segments_are_listed(report, segments_folder):
    segment = segments_folder / "alchemiser-weights"
    segment.write_bytes(b"12345")
    segment.chmod(0o600)
    assert [(one.name, one.bytes) for one in report().segments] == [("alchemiser-weights", 5)]


class TestAdvice:
    def test_a_quiet_system_needs_none(self, report):
        assert report().recommendations == []

    def test_alerts_come_first_each_code_once(self, report, scene):
        scene.errors("order-outcome-unknown", "paper-broker", count=300)
        commands = [one.command for one in report().recommendations]
        assert commands == ["alchemiser errors runbook order-outcome-unknown"]

    def test_the_most_frequent_codes_lead_to_their_runbooks(self, report, scene):
        for count, code in enumerate(
            ("order-rejected", "rate-limited", "message-undecodable", "indicator-failed"), start=1
        ):
            scene.errors(code, count=count, ago_s=7_200)
        assert [one.command.split()[-1] for one in report().recommendations] == [
            "indicator-failed",
            "message-undecodable",
            "rate-limited",
        ]

    def test_an_error_that_came_back_asks_why_the_remedy_did_not_last(
        self, report, scene, database
    ):
        scene.errors("rate-limited", "feed", ago_s=7_200)
        with database.begin() as connection:
            connection.exec_driver_sql("UPDATE error_group SET state = 'regressed'")
        assert "came back" in report().recommendations[0].because


def test_a_database_that_does_not_answer_costs_only_its_part(report, home, segments_folder):
    home.mkdir()
    (home / "state.db").write_bytes(b"this is no database at all" * 100)
    found = report()
    assert "damaged" in found.unreadable
    assert found.status.status == "critical"
    assert found.recommendations[0].command == "alchemiser errors runbook state-corrupt"
    assert "damaged" in plain_text(report_view(found).blocks)


def test_every_time_is_in_whole_numbers_or_iso(report, scene):
    busy_day(scene)
    document = msgspec.to_builtins(report())
    assert document["until"].endswith("+00:00")
    assert document["breakers"][0]["since_ns"] == scene.ago(600)
    assert document["series"][0]["start_ns"] % (60 * NS_PER_SECOND) == 0


def test_report_for_people(report, scene, masked, file_regression):
    busy_day(scene)
    file_regression.check(masked(plain_text(report_view(report()).blocks)))


def test_report_of_a_quiet_system(report, masked, file_regression):
    file_regression.check(masked(plain_text(report_view(report()).blocks)))


def test_report_as_json(report, scene, masked, file_regression):
    busy_day(scene)
    document = json_document(report_view(report(hours=3)).document)
    file_regression.check(masked(document), extension=".json")
