"""Spans of what strategies do, for an OpenTelemetry collector; nothing at all while it is off.

Source: https://opentelemetry.io/docs/specs/otlp/, OTLP over HTTP with Protobuf.
"""

import logging
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from alchemiser_cli import __version__
from alchemiser_cli.errors import ExtraMissingError
from alchemiser_cli.logs import get_logger
from alchemiser_cli.settings import TelemetrySettings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
    from opentelemetry.trace import Tracer

__all__ = ["EMIT_SIGNAL", "NO_TRACING", "PROCESS_TICK", "STRATEGY_ID", "Tracing", "open_tracing"]

PROCESS_TICK = "strategy.process_tick"
EMIT_SIGNAL = "strategy.emit_signal"
STRATEGY_ID = "strategy.id"

TRACES_PATH = "/v1/traces"
# A collector that does not answer costs a thread of its own so long, and nobody else.
EXPORT_TIMEOUT_S = 5.0
# What is not delivered at the end of a process, after so long, is given up.
CLOSING_TIMEOUT_S = 2.0

_log = get_logger("monitoring", "telemetry.tracing")

# The library tells of every failed delivery; we tell once, and nothing reaches standard error.
logging.getLogger("opentelemetry").addHandler(logging.NullHandler())


class Tracing(Protocol):
    """Where spans come from; who works per tick asks ``on`` first, and calls nothing while False.

    A span is a context manager; those opened within one another are each other's children.
    """

    on: bool

    def process_tick(self, strategy_id: str) -> AbstractContextManager[object]:
        """Return the span ``strategy.process_tick``, with ``strategy.id``."""
        ...

    def emit_signal(self, strategy_id: str) -> AbstractContextManager[object]:
        """Return the span ``strategy.emit_signal``, with ``strategy.id``."""
        ...

    def close(self) -> None:
        """Deliver what waits, for a few seconds at most."""
        ...


class _NoTracing:
    """Spans that are none."""

    __slots__ = ()
    on = False

    def process_tick(self, strategy_id: str) -> AbstractContextManager[object]:  # noqa: ARG002  as the protocol has it
        return nullcontext()

    def emit_signal(self, strategy_id: str) -> AbstractContextManager[object]:  # noqa: ARG002  as the protocol has it
        return nullcontext()

    def close(self) -> None:
        pass


NO_TRACING: Tracing = _NoTracing()


def open_tracing(settings: TelemetrySettings) -> Tracing:
    """Return what makes spans: ``NO_TRACING`` unless ``telemetry.traces`` names a collector.

    A collector that is away or slow never stops the caller: spans wait in a queue of 2,048, from
    which a thread delivers them, and the newest ones are dropped where it is full.

    Raises:
        ExtraMissingError: ``extra-missing``: the extra ``trace`` is not installed.
    """
    if settings.traces is None:
        return NO_TRACING
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError as error:
        raise ExtraMissingError(
            f"the package {error.name} is not installed",
            why="telemetry.traces is set, and spans need OpenTelemetry's exporter.",
            next_step="Run: pip install 'alchemiser[trace]', or unset telemetry.traces.",
            context={"package": error.name or "", "extra": "trace"},
        ) from error
    endpoint = _endpoint(settings.traces)
    exporter = OTLPSpanExporter(endpoint=endpoint, timeout=EXPORT_TIMEOUT_S)
    resource = Resource.create({"service.name": "alchemiser", "service.version": __version__})
    # Ours alone: the library's global provider belongs to the program that we may be part of.
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    told = _told_once(exporter, endpoint)
    provider.add_span_processor(BatchSpanProcessor(told))
    return _OpenTelemetry(provider, told)


class _OpenTelemetry:
    """Spans of the library."""

    on = True

    def __init__(self, provider: "TracerProvider", exporter: "SpanExporter") -> None:
        self._provider = provider
        self._exporter = exporter
        self._tracer: Tracer = provider.get_tracer("alchemiser", __version__)

    def process_tick(self, strategy_id: str) -> AbstractContextManager[object]:
        return self._tracer.start_as_current_span(
            PROCESS_TICK, attributes={STRATEGY_ID: strategy_id}
        )

    def emit_signal(self, strategy_id: str) -> AbstractContextManager[object]:
        return self._tracer.start_as_current_span(
            EMIT_SIGNAL, attributes={STRATEGY_ID: strategy_id}
        )

    def close(self) -> None:
        # The library's own shutdown tries a collector that is away for as long as it exports.
        closing = threading.Thread(target=self._provider.shutdown, name="traces", daemon=True)
        closing.start()
        closing.join(CLOSING_TIMEOUT_S)
        self._exporter.shutdown()
        closing.join(CLOSING_TIMEOUT_S)


def _endpoint(url: str) -> str:
    """Return where spans are posted: a URL without a path gets the protocol's own."""
    return url if urlsplit(url).path.strip("/") else url.rstrip("/") + TRACES_PATH


def _told_once(exporter: "SpanExporter", endpoint: str) -> "SpanExporter":
    """Wrap ``exporter``: it logs when deliveries begin to fail, and when they succeed again."""
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    class ToldOnce(SpanExporter):
        def __init__(self) -> None:
            self._failing = False
            self._ended = False

        def export(self, spans: "Sequence[ReadableSpan]") -> "SpanExportResult":
            result = exporter.export(spans)
            failed = result is not SpanExportResult.SUCCESS
            if failed and not self._failing:
                _log.warning("traces_not_delivered", collector=endpoint, spans=len(spans))
            elif self._failing and not failed:
                _log.info("traces_delivered_again", collector=endpoint)
            self._failing = failed
            return result

        def shutdown(self) -> None:
            if not self._ended:
                self._ended = True
                exporter.shutdown()

        def force_flush(self, timeout_millis: int = 30_000) -> bool:
            return exporter.force_flush(timeout_millis)

    return ToldOnce()
