"""The metrics of this process, in a registry of its own."""

import platform
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client import Counter as PrometheusCounter
from prometheus_client import Gauge as PrometheusGauge
from prometheus_client import Histogram as PrometheusHistogram

from alchemiser_cli import __version__
from alchemiser_cli.settings import TelemetrySettings
from alchemiser_cli.telemetry.instruments import Counter, Gauge, Histogram, refuse_misuse
from alchemiser_cli.telemetry.names import BUILD_INFO, METRICS, STATE_UP, Metric

__all__ = ["ProcessTelemetry", "register_build_info"]


class ProcessTelemetry:
    """Counts what happens in this process since it started; safe to share between threads.

    ``registry`` is what ``exposition`` takes. It is never the library's global one, so that a
    program which uses alchemiser as a library keeps its own metrics apart.
    """

    def __init__(self, settings: TelemetrySettings) -> None:
        """Register every metric, with the buckets that the settings give."""
        self.registry = CollectorRegistry()
        self._metrics: dict[str, Any] = {}
        register_build_info(self.registry)
        for metric in METRICS:
            # A process does not scrape: whether the database answers is the system's view.
            if metric not in (BUILD_INFO, STATE_UP):
                self._metrics[metric.name] = _registered(metric, settings, self.registry)

    def counter(self, metric: Metric, /, **labels: str) -> Counter:
        """Return the counter of ``metric`` with these labels."""
        counter: Counter = self._bound(metric, "counter", labels)
        return counter

    def gauge(self, metric: Metric, /, **labels: str) -> Gauge:
        """Return the gauge of ``metric`` with these labels."""
        gauge: Gauge = self._bound(metric, "gauge", labels)
        return gauge

    def histogram(self, metric: Metric, /, **labels: str) -> Histogram:
        """Return the histogram of ``metric`` with these labels."""
        histogram: Histogram = self._bound(metric, "histogram", labels)
        return histogram

    def _bound(self, metric: Metric, kind: str, labels: dict[str, str]) -> Any:
        refuse_misuse(metric, kind, labels)
        found = self._metrics[metric.name]
        return found.labels(**labels) if labels else found


def register_build_info(registry: CollectorRegistry) -> None:
    """Add the gauge that says which version runs."""
    gauge = PrometheusGauge(BUILD_INFO.name, BUILD_INFO.help, BUILD_INFO.labels, registry=registry)
    gauge.labels(version=__version__, python=platform.python_version()).set(1)


def _registered(metric: Metric, settings: TelemetrySettings, registry: CollectorRegistry) -> Any:
    if metric.kind == "counter":
        return PrometheusCounter(metric.name, metric.help, metric.labels, registry=registry)
    if metric.kind == "gauge":
        return PrometheusGauge(metric.name, metric.help, metric.labels, registry=registry)
    buckets = getattr(settings.buckets, metric.setting) or metric.buckets
    return PrometheusHistogram(
        metric.name, metric.help, metric.labels, registry=registry, buckets=buckets
    )
