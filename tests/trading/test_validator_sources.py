"""Where the validator reads, and what each kind of failure is called."""

import http.server
import threading
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alchemiser_cli.clock import NS_PER_SECOND, ManualClock
from alchemiser_cli.errors import ServiceUnreachableError, ValidationError
from alchemiser_cli.settings import TelemetrySettings
from alchemiser_cli.settings.trading import TradingSettings
from alchemiser_cli.state import StateDatabase
from alchemiser_cli.telemetry import SILENT, exposition, open_telemetry, write_textfile
from alchemiser_cli.trading.activity import STAGES, StageActivity, StageSeen
from alchemiser_cli.trading.activity_store import ActivityStore
from alchemiser_cli.trading.validator import MetricsSource, StateSource, Validator, WatchedBroker


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def database(tmp_path, clock):
    database = StateDatabase(f"sqlite:///{tmp_path / 'state.db'}", clock)
    yield database
    database.close()


@pytest.fixture
def look(clock):
    def look(*sources, advance_s=600.0):
        broker = WatchedBroker("paper", lambda: 1, lambda _: True)
        validator = Validator([broker], sources, TradingSettings(), clock)
        clock.advance(advance_s)
        return validator.look()

    return look


@pytest.fixture
def metrics(clock):
    """The exposition of a process that trades, and its telemetry."""
    telemetry = open_telemetry(TelemetrySettings())
    activity = StageActivity(telemetry, "paper", clock, service="strategy")
    activity.seen("market_data", clock.now_ns() + 60 * NS_PER_SECOND)
    activity.publish()
    return telemetry


@pytest.fixture
def served():
    """Serve one answer at a URL."""
    answer = {"status": 200, "body": b"", "asked": []}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            answer["asked"].append(self.headers.get("Authorization"))
            self.send_response(answer["status"])
            self.end_headers()
            self.wfile.write(answer["body"])

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/metrics", answer
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_state_database_tells_what_every_process_did(database, clock, look):
    store = ActivityStore(database)
    store.write(StageActivity(SILENT, "paper", clock, service="strategy").now())
    store.write(StageActivity(SILENT, "paper", clock, service="risk").now())
    report = look(StateSource(database), advance_s=10)
    assert report.sound
    known = {one.stage: one.state for one in report.stages}
    assert known["risk"] == "active"
    assert known["orders"] == "unknown"


@pytest.mark.provokes("state-unreachable")
def test_a_database_that_is_gone_is_no_verdict_on_any_stage(tmp_path, clock, look):
    (tmp_path / "file").write_text("")
    database = StateDatabase(f"sqlite:///{tmp_path / 'file' / 'state.db'}", clock)
    report = look(StateSource(database))
    (finding,) = report.findings
    assert (finding.stage, finding.issue) == ("all", "store_unavailable")
    assert {one.state for one in report.stages} == {"unknown"}


def test_one_source_that_answers_is_enough_to_find_the_fault(database, clock, look, tmp_path):
    ActivityStore(database).write(StageActivity(SILENT, "paper", clock).now())
    report = look(StateSource(database), MetricsSource(tmp_path / "none.prom"))
    assert {(one.stage, one.issue) for one in report.findings} == {
        ("all", "store_unavailable"),
        ("market_data", "no_recent_data"),
    }


def test_a_text_file_and_a_scrape_tell_the_same(metrics, tmp_path, served):
    url, answer = served
    answer["body"] = exposition(metrics.registry)
    write_textfile(metrics.registry, tmp_path / "a.prom")
    found = MetricsSource(url, token="word").read()  # noqa: S106  a made-up one
    assert found == MetricsSource(tmp_path / "a.prom").read()
    assert {one.stage for one in found} == {"market_data", "signals"}
    assert found[0].gave_ns == pytest.approx(found[0].active_ns)
    assert found[1].gave_ns is None
    assert answer["asked"] == ["Bearer word"]


def test_the_newest_word_of_two_sources_counts(metrics, database, clock, look, tmp_path):
    ActivityStore(database).write(StageActivity(SILENT, "paper", clock).now())
    write_textfile(metrics.registry, tmp_path / "a.prom")
    report = look(StateSource(database), MetricsSource(tmp_path / "a.prom"), advance_s=61)
    assert {one.stage: one.age_s for one in report.stages}["market_data"] == pytest.approx(
        1, abs=0.1
    )


@pytest.mark.provokes("service-unreachable")
def test_metrics_that_cannot_be_fetched_are_an_unavailable_store(served, look):
    url, answer = served
    answer["status"] = 503
    (finding,) = look(MetricsSource(url)).findings
    assert finding.issue == "store_unavailable"
    assert "HTTP 503" in finding.detail
    with pytest.raises(ServiceUnreachableError):
        MetricsSource("http://127.0.0.1:1/metrics", timeout_s=1).read()


@pytest.mark.provokes("validation-failed")
@pytest.mark.parametrize(
    "body",
    [
        b"<html><body>Bad gateway</body></html>",
        b"\xff\xfe\x00",
        b'trading_last_activity_timestamp_unix{stage="risk"} 1\n',
        b'trading_last_activity_timestamp_unix{stage="risk",broker="paper"',
    ],
)
def test_metrics_that_cannot_be_read_are_called_that(tmp_path, look, body):
    file = tmp_path / "a.prom"
    file.write_bytes(body)
    (finding,) = look(MetricsSource(file)).findings
    assert (finding.stage, finding.issue) == ("all", "metrics_parse_error")


@given(body=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_any_bytes_are_metrics_or_a_coded_error(tmp_path_factory, body):
    file = tmp_path_factory.mktemp("metrics") / "a.prom"
    file.write_bytes(body)
    with suppress(ValidationError):
        assert MetricsSource(file).read() == []


@pytest.mark.parametrize(
    ("active", "gave", "said"),
    [
        (float("nan"), None, "the time of its last work is nan"),
        (float("inf"), None, "the time of its last work is inf"),
        (-5.0, None, "the time of its last work is not after 1970"),
        (0.0, None, "the time of its last work is not after 1970"),
        (60.0, None, "the time of its last work is 60 s in the future"),
        (1.0, 60.0, "the time of its last output is 60 s in the future"),
        (-200.0, -100.0, "its last output is 100 s newer than its last work"),
    ],
)
def test_times_that_cannot_be_are_a_validation_error(clock, look, active, gave, said):
    def at(value):
        special = value != value or value in (float("inf"), 0.0, -5.0)  # noqa: PLR0124  NaN
        return value if special else clock.now_ns() + value * NS_PER_SECOND

    class Source:
        name = "source"

        def read(self):
            seen = {stage: at(1.0) for stage in STAGES} | {"risk": at(active)}
            return [
                StageSeen(
                    broker="paper",
                    stage=stage,
                    active_ns=value,
                    gave_ns=at(gave) if gave is not None and stage == "risk" else None,
                )
                for stage, value in seen.items()
            ]

    report = look(Source(), advance_s=0)
    (finding,) = report.findings
    assert (finding.stage, finding.issue, finding.detail) == ("risk", "validation_error", said)
    assert {one.stage: one.state for one in report.stages}["risk"] == "unknown"


def test_a_clock_that_is_a_little_ahead_is_no_error(clock, look):
    class Source:
        name = "source"

        def read(self):
            at_ns = clock.now_ns() + 4 * NS_PER_SECOND
            return [StageSeen(broker="paper", stage="market_data", active_ns=at_ns)]

    assert look(Source(), advance_s=0).sound


def test_a_stage_that_nobody_knows_is_a_validation_error(look):
    class Source:
        name = "source"

        def read(self):
            return [StageSeen(broker="paper", stage="clearing", active_ns=1.0)]

    (finding,) = look(Source(), advance_s=0).findings
    assert (finding.stage, finding.issue) == ("all", "validation_error")
    assert "'clearing'" in finding.detail
