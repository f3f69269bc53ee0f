"""What a scrape and the text file hold, judged by Prometheus' own tools."""

import os
import shutil
import stat
import subprocess
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import insert

from alchemiser_cli.errors import DiskFullError, HomeNotWritableError
from alchemiser_cli.settings import TelemetrySettings
from alchemiser_cli.state import StateDatabase, circuit_breaker, error_group
from alchemiser_cli.telemetry import (
    METRICS,
    exposition,
    negotiated,
    open_system_telemetry,
    open_telemetry,
    write_textfile,
)
from alchemiser_cli.telemetry import names as n
from alchemiser_cli.testing.postgresql import postgresql_programs, temporary_postgresql

LABELS = {
    n.ERRORS: {"code": "usage", "component": "c", "severity": "low", "injected": "false"},
    n.RECOVERIES: {"code": "usage", "outcome": "recovered"},
    n.BREAKER_STATE: {"breaker": "orders"},
    n.BREAKER_OPENED: {"breaker": "orders"},
    n.BREAKER_OPEN_SECONDS: {"breaker": "orders"},
    n.CONSUMED: {"topic": "market.ticks"},
    n.PROCESSED: {"topic": "market.ticks"},
    n.FAILED: {"topic": "market.ticks"},
    n.HANDLER_SECONDS: {"topic": "market.ticks"},
    n.CONSUMER_LAG: {"topic": "market.ticks"},
    n.SEQUENCE_GAPS: {"topic": "market.ticks"},
    n.SEQUENCE_DUPLICATES: {"topic": "market.ticks"},
    n.SEQUENCE_REORDERED: {"topic": "market.ticks"},
    n.STALE_SYMBOLS: {"topic": "market.ticks"},
    n.TICKS_IMPLAUSIBLE: {"rule": "crossed-book"},
    n.ENQUEUE_DELAY_SECONDS: {"topic": "market.ticks"},
    n.EMIT_LATENCY_SECONDS: {"topic": "market.ticks"},
    n.TRANSIT_SECONDS: {"topic": "market.ticks"},
    n.DEAD_LETTERS: {"topic": "market.ticks", "reason": "wrong-magic"},
    n.QUARANTINED: {"topic": "market.ticks", "rule": "crossed-book"},
    n.MODEL_LOADS: {"strategy_id": "momentum"},
    n.MODEL_LOAD_FAILURES: {"strategy_id": "momentum"},
    n.INFERENCES: {"strategy_id": "momentum"},
    n.INFERENCE_SECONDS: {"strategy": "momentum"},
    n.STRATEGIES_CONFIGURED: {"broker": "paper"},
    n.STRATEGIES_LOADED: {"broker": "paper"},
    n.STRATEGY_FAILURES: {"strategy_id": "momentum", "reason": "hung"},
    n.STRATEGY_DISABLED: {"strategy_id": "momentum"},
    n.STRATEGY_TICKS_SKIPPED: {"broker": "paper"},
    n.WS_CONNECTED: {"feed": "spot", "symbol": "BTCUSDT"},
    n.WS_LAST_MESSAGE_AGE: {"feed": "spot", "symbol": "BTCUSDT"},
    n.WS_RECONNECT_ATTEMPTS: {"feed": "spot"},
    n.WS_REST_FALLBACK_RATIO: {"feed": "spot"},
    n.FEED_TICKS: {"feed": "spot", "origin": "live"},
    n.FEED_NOT_DELIVERED: {"feed": "spot", "reason": "duplicate"},
    n.SHM_GENERATION: {"segment": "policy"},
    n.SHM_AGE_SECONDS: {"segment": "policy"},
    n.SHM_READ_RETRIES: {"segment": "policy"},
    n.SHM_CHECKSUM_FAILURES: {"segment": "policy"},
    n.SHM_PUBLISHED: {"segment": "policy"},
    n.ENVIRONMENT_FAULTS: {"event": "trading_env_obs_nan_or_inf"},
    n.TRADING_LAST_ACTIVITY: {"service": "desk", "stage": "risk", "broker": "paper"},
    n.TRADING_LAST_OUTPUT: {"service": "desk", "stage": "risk", "broker": "paper"},
    n.VALIDATOR_WARNINGS: {"stage": "risk", "broker": "paper", "issue": "no_recent_data"},
    n.TRADE_REJECTS: {"broker": "paper", "reason": "trading_halted"},
    n.TRADE_APPROVALS: {"broker": "paper"},
    n.DAILY_PNL: {"broker": "paper"},
    n.MAX_DAILY_LOSS: {"broker": "paper"},
    n.HIT_RATIO: {"broker": "paper"},
    n.SLIPPAGE: {"broker": "paper"},
    n.CALIBRATION_ERROR: {"broker": "paper"},
    n.NOTIFICATIONS_SENT: {"channel": "mail", "kind": "alert"},
    n.NOTIFICATIONS_FAILED: {"channel": "mail"},
    n.NOTIFICATIONS_HELD: {"channel": "mail"},
    n.INCIDENTS_OPEN: {"severity": "high"},
}
OF_THE_PROCESS = [metric for metric in METRICS if metric not in (n.BUILD_INFO, n.STATE_UP)]
GROUP = {
    "fingerprint": "f",
    "code": "circuit-open",
    "component": "orders",
    "template": "t",
    "severity": "high",
    "state": "open",
    "state_changed_ns": 0,
    "opened_ns": 0,
    "first_seen_ns": 0,
    "last_seen_ns": 0,
    "count": 7,
    "injected": 2,
    "recovered": 3,
}
BREAKER = {
    "name": "orders",
    "state": "closed",
    "changed_at_ns": 0,
    "open_until_ns": 0,
    "opened_count": 4,
    "open_total_ns": 90_000_000_000,
    "probes": 0,
    "reason": "",
    "version": 1,
}


@pytest.fixture
def busy():
    """A process whose every metric has moved."""
    telemetry = open_telemetry(TelemetrySettings())
    for metric in OF_THE_PROCESS:
        labels = LABELS.get(metric, {})
        if metric.kind == "counter":
            telemetry.counter(metric, **labels).inc()
        elif metric.kind == "gauge":
            telemetry.gauge(metric, **labels).set(1)
        else:
            telemetry.histogram(metric, **labels).observe(0.02)
    return telemetry


def values(content):
    families = text_string_to_metric_families(content.decode())
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def value(content, name, **labels):
    return values(content)[name, *sorted(labels.items())]


def promtool(content):
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed (Debian package prometheus)")
    done = subprocess.run(
        [program, "check", "metrics"], input=content, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout.decode(), done.stderr.decode()) == (0, "", "")


def test_promtool_accepts_the_metrics_of_a_process(busy):
    promtool(exposition(busy.registry))


def test_promtool_accepts_the_metrics_of_the_system(database, clock):
    with database.begin() as connection:
        connection.execute(insert(error_group).values(GROUP))
        connection.execute(insert(circuit_breaker).values(BREAKER))
    system = open_system_telemetry(database, clock)
    system.set_health("degraded")
    promtool(exposition(system.registry))


def test_every_metric_stands_in_the_text_with_its_help_and_kind(busy):
    text = exposition(busy.registry).decode()
    for metric in [*OF_THE_PROCESS, n.BUILD_INFO]:
        assert f"# HELP {metric.name} {metric.help}\n" in text
        assert f"# TYPE {metric.name} {metric.kind}\n" in text
    assert "_created" not in text


def test_each_telemetry_has_a_registry_of_its_own(busy):
    other = open_telemetry(TelemetrySettings())
    busy.counter(n.CONSUMED, topic="t").inc(5)
    assert (n.CONSUMED.name, ("topic", "t")) not in values(exposition(other.registry))
    ours = {metric.name.removesuffix("_total") for metric in METRICS}
    assert not ours & {family.name for family in REGISTRY.collect()}


def test_threads_lose_no_increment(busy):
    counter = busy.counter(n.CONSUMED, topic="threads")
    threads = [
        threading.Thread(target=lambda: [counter.inc() for _ in range(2_000)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert value(exposition(busy.registry), n.CONSUMED.name, topic="threads") == 8_000


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_any_label_survives_the_text_format(topic):
    telemetry = open_telemetry(TelemetrySettings())
    telemetry.counter(n.CONSUMED, topic=topic).inc(3)
    content, kind = negotiated(telemetry.registry, "application/openmetrics-text; version=1.0.0")
    assert kind.startswith("application/openmetrics-text")
    found = [
        sample
        for family in openmetrics_families(content.decode())
        for sample in family.samples
        if sample.name == n.CONSUMED.name
    ]
    assert [(sample.labels["topic"], sample.value) for sample in found] == [(topic, 3)]


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "text/plain"),
        ("*/*", "text/plain"),
        ("application/openmetrics-text; version=1.0.0,text/plain;q=0.5", "application/openm"),
        ("text/plain; version=1.0.0; escaping=underscores", "text/plain"),
        ("application/openmetrics-text; version=x", "text/plain"),
        ("application/openmetrics-text; version=1.0.0\r\n X-Evil: 1", "text/plain"),
        ("application/openmetrics-text; version=", "application/openm"),
    ],
)
def test_the_format_is_negotiated(busy, accept, kind):
    content, chosen = negotiated(busy.registry, accept)
    assert chosen.startswith(kind)
    assert "\n" not in chosen
    if kind == "text/plain":
        assert b"_created" not in content
    else:
        assert content.endswith(b"# EOF\n")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.text(max_size=60))
def test_no_accept_header_breaks_a_scrape(busy, accept):
    for header in (
        accept,
        f"application/openmetrics-text;{accept}",
        f"text/plain;version={accept}",
    ):
        assert negotiated(busy.registry, header)[0]


def test_the_system_counts_failures_of_all_processes_by_kind(database, clock):
    system = open_system_telemetry(database, clock)
    with database.begin() as connection:
        for number in range(2):
            row = {**GROUP, "fingerprint": str(number)}
            connection.execute(insert(error_group).values(row))
    content = exposition(system.registry)
    labels = {"code": "circuit-open", "component": "orders", "severity": "high"}
    assert value(content, n.ERRORS.name, **labels, injected="false") == 10
    assert value(content, n.ERRORS.name, **labels, injected="true") == 4
    recovered = {"code": "circuit-open", "outcome": "recovered"}
    assert value(content, n.RECOVERIES.name, **recovered) == 6
    assert value(content, n.STATE_UP.name) == 1


def test_a_postgresql_database_gives_the_same_exposition(database, clock):
    pytest.importorskip("psycopg", reason="the extra `postgres` is not installed")
    programs = postgresql_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed")
    with temporary_postgresql(programs) as url:
        server = StateDatabase(url, clock)
        texts = []
        for each in (server, database):
            with each.begin() as connection:
                connection.execute(insert(error_group).values(GROUP))
                connection.execute(insert(circuit_breaker).values(BREAKER))
            texts.append(exposition(open_system_telemetry(each, clock).registry))
        server.close()
    assert texts[0] == texts[1]


@pytest.mark.parametrize(("state", "level"), n.BREAKER_LEVELS.items())
def test_a_breaker_shows_its_state_and_the_running_outage(database, clock, state, level):
    row = {**BREAKER, "state": state, "changed_at_ns": clock.now_ns()}
    with database.begin() as connection:
        connection.execute(insert(circuit_breaker).values(row))
    system = open_system_telemetry(database, clock)
    clock.advance(5)
    content = exposition(system.registry)
    assert value(content, "breaker_state", breaker="orders") == level
    assert value(content, "breaker_open_total", breaker="orders") == 4
    seconds = value(content, "breaker_open_seconds_total", breaker="orders")
    assert seconds == (95 if state in ("open", "isolated") else 90)


def test_a_database_that_is_gone_costs_only_its_own_metrics(database, clock, tmp_path):
    (tmp_path / "state.db").write_bytes(b"not a database" * 1_000)
    system = open_system_telemetry(database, clock)
    system.set_health("critical")
    content = exposition(system.registry)
    assert value(content, n.STATE_UP.name) == 0
    assert value(content, n.HEALTH_STATUS.name) == 2


def test_unknown_health_is_not_shown_as_healthy(database, clock):
    content = exposition(open_system_telemetry(database, clock).registry)
    assert n.HEALTH_STATUS.name not in {key[0] for key in values(content)}


def test_the_text_file_is_whole_and_readable_by_node_exporter(busy, tmp_path):
    file = tmp_path / "alchemiser.prom"
    file.write_text("old")
    umask = os.umask(0o077)
    try:
        write_textfile(busy.registry, file)
    finally:
        os.umask(umask)
    assert file.read_bytes() == exposition(busy.registry)
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert list(tmp_path.glob("*.prom")) == [file]
    assert not list(tmp_path.glob(".alchemiser*"))


@pytest.mark.provokes("home-not-writable")
def test_a_text_file_whose_folder_is_missing_is_a_coded_error(busy, tmp_path):
    with pytest.raises(HomeNotWritableError):
        write_textfile(busy.registry, tmp_path / "gone" / "alchemiser.prom")


@pytest.mark.provokes("disk-full")
def test_a_full_disk_leaves_the_old_text_file(busy, tmp_path):
    file = tmp_path / "alchemiser.prom"
    file.write_text("old")
    (tmp_path / f".alchemiser.prom.{os.getpid()}").symlink_to("/dev/full")
    with pytest.raises(DiskFullError):
        write_textfile(busy.registry, file)
    assert file.read_text() == "old"
