"""Spans as a collector receives them, and trading that does not notice whether it is there."""

import http.server
import logging
import sys
import threading

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from pydantic import ValidationError

from alchemiser_cli.clock import SystemClock
from alchemiser_cli.errors import ExtraMissingError
from alchemiser_cli.settings import TelemetrySettings
from alchemiser_cli.telemetry import tracing
from alchemiser_cli.telemetry.tracing import NO_TRACING, open_tracing


@pytest.fixture
def collector():
    """A collector of OTLP over HTTP: its URL, what it was sent, and where."""
    received, paths = [], []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                raise AssertionError("not asked to compress")
            paths.append(self.path)
            received.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", received, paths
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def dead_collector():
    """A URL that nobody answers at."""
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    port = server.server_port
    server.server_close()
    return f"http://127.0.0.1:{port}"


def spans_of(received):
    return [
        span
        for request in received
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def strategy_of(span):
    return {one.key: one.value.string_value for one in span.attributes}[tracing.STRATEGY_ID]


def test_a_collector_gets_the_spans_of_a_tick_and_of_its_signal(collector):
    url, received, paths = collector
    traces = open_tracing(TelemetrySettings(traces=url))
    assert traces.on
    with traces.process_tick("momentum"), traces.emit_signal("momentum"):
        pass
    with traces.process_tick("breakout"):
        pass
    traces.close()
    spans = spans_of(received)
    assert sorted((span.name, strategy_of(span)) for span in spans) == [
        ("strategy.emit_signal", "momentum"),
        ("strategy.process_tick", "breakout"),
        ("strategy.process_tick", "momentum"),
    ]
    (emitted,) = [span for span in spans if span.name == tracing.EMIT_SIGNAL]
    (tick,) = [
        span
        for span in spans
        if strategy_of(span) == "momentum" and span.name == tracing.PROCESS_TICK
    ]
    assert emitted.parent_span_id == tick.span_id
    assert set(paths) == {"/v1/traces"}
    resource = {
        one.key: one.value.string_value for one in received[0].resource_spans[0].resource.attributes
    }
    assert resource["service.name"] == "alchemiser"


def test_a_strategy_that_raises_leaves_a_span_that_says_so(collector):
    url, received, _ = collector
    traces = open_tracing(TelemetrySettings(traces=f"{url}/custom/path"))
    with pytest.raises(ZeroDivisionError), traces.process_tick("momentum"):
        raise ZeroDivisionError
    traces.close()
    (span,) = spans_of(received)
    assert span.status.code == span.status.STATUS_CODE_ERROR


def test_a_path_in_the_setting_is_kept(collector):
    url, _, paths = collector
    traces = open_tracing(TelemetrySettings(traces=f"{url}/custom/path"))
    with traces.process_tick("momentum"):
        pass
    traces.close()
    assert paths == ["/custom/path"]


@pytest.mark.slow
def test_a_dead_collector_neither_blocks_nor_speaks(dead_collector, logs, capfd):
    clock = SystemClock()
    traces = open_tracing(TelemetrySettings(traces=dead_collector))
    started_ns = clock.monotonic_ns()
    for _ in range(5_000):  # more than the queue holds
        with traces.process_tick("momentum"):
            pass
    assert clock.monotonic_ns() - started_ns < 20_000_000_000
    started_ns = clock.monotonic_ns()
    traces.close()
    assert clock.monotonic_ns() - started_ns < 8_000_000_000
    assert [one["event"] for one in logs] == ["traces_not_delivered"]
    assert capfd.readouterr() == ("", "")


def test_without_a_collector_there_is_one_object_that_does_nothing():
    traces = open_tracing(TelemetrySettings())
    assert traces is NO_TRACING
    assert not traces.on
    with traces.process_tick("momentum"), traces.emit_signal("momentum"):
        pass
    traces.close()


@pytest.mark.provokes("extra-missing")
def test_without_the_extra_the_next_step_names_it(monkeypatch):
    name = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ExtraMissingError) as caught:
        open_tracing(TelemetrySettings(traces="http://127.0.0.1:4318"))
    assert "alchemiser[trace]" in caught.value.next_step


@pytest.mark.parametrize(
    "url",
    [
        "localhost:4318",
        "grpc://localhost:4317",
        "http://",
        "http://host:port",
        "http://user:word@host",  # pragma: allowlist secret
        "http://host/?token=word",
    ],
)
def test_a_url_that_is_none_is_refused_by_the_settings(url):
    with pytest.raises(ValidationError):
        TelemetrySettings(traces=url)


def test_the_library_s_own_logger_reaches_no_terminal():
    assert logging.getLogger("opentelemetry").handlers
