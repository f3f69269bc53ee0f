"""What the core counts with: bound instruments that do nothing until someone listens.

A core function takes ``telemetry: Telemetry = SILENT`` and binds its instruments once, outside
its loop; counting is then one method call, and no Prometheus library is loaded.
"""

from typing import Protocol

from alchemiser_cli.telemetry.names import Metric

__all__ = ["SILENT", "Counter", "Gauge", "Histogram", "SilentTelemetry", "Telemetry"]


class Counter(Protocol):
    """A number that only grows."""

    def inc(self, amount: float = 1, /) -> None:
        """Add ``amount``, which is not negative."""
        ...


class Gauge(Protocol):
    """A number that goes up and down."""

    def set(self, value: float, /) -> None:
        """Become ``value``."""
        ...


class Histogram(Protocol):
    """A distribution over buckets."""

    def observe(self, amount: float, /) -> None:
        """Count one observation, in the metric's unit."""
        ...


class Telemetry(Protocol):
    """Where instruments come from; labels are those of the metric, all of them.

    Each method raises ValueError for a metric of another kind or with other labels.
    """

    def counter(self, metric: Metric, /, **labels: str) -> Counter:
        """Return the counter of ``metric`` with these labels."""
        ...

    def gauge(self, metric: Metric, /, **labels: str) -> Gauge:
        """Return the gauge of ``metric`` with these labels."""
        ...

    def histogram(self, metric: Metric, /, **labels: str) -> Histogram:
        """Return the histogram of ``metric`` with these labels."""
        ...


class _Nothing:
    __slots__ = ()

    def inc(self, amount: float = 1, /) -> None:
        """Count nothing."""

    def set(self, value: float, /) -> None:
        """Keep nothing."""

    def observe(self, amount: float, /) -> None:
        """Observe nothing."""


_NOTHING = _Nothing()


class SilentTelemetry:
    """Instruments that do nothing, for when nobody listens."""

    def counter(self, metric: Metric, /, **labels: str) -> Counter:
        """Return an instrument that does nothing."""
        return _checked(metric, "counter", labels)

    def gauge(self, metric: Metric, /, **labels: str) -> Gauge:
        """Return an instrument that does nothing."""
        return _checked(metric, "gauge", labels)

    def histogram(self, metric: Metric, /, **labels: str) -> Histogram:
        """Return an instrument that does nothing."""
        return _checked(metric, "histogram", labels)


SILENT = SilentTelemetry()


def _checked(metric: Metric, kind: str, labels: dict[str, str]) -> _Nothing:
    # A wrong use shows in every test, not first where telemetry is on.
    refuse_misuse(metric, kind, labels)
    return _NOTHING


def refuse_misuse(metric: Metric, kind: str, labels: dict[str, str]) -> None:
    """Raise ValueError where ``metric`` is of another kind or has other labels."""
    if metric.kind != kind:
        raise ValueError(f"{metric.name} is a {metric.kind}, not a {kind}")
    if labels.keys() != set(metric.labels):
        raise ValueError(f"{metric.name} has the labels {metric.labels}, not {tuple(labels)}")
