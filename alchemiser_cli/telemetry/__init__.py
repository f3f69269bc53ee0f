"""Prometheus metrics: names, buckets, instruments and exposition.

This package loads no Prometheus library before ``open_telemetry`` or ``open_system_telemetry``
is called (it takes a tenth of a second).
"""

from alchemiser_cli.telemetry.exposition import exposition, negotiated, write_textfile
from alchemiser_cli.telemetry.instruments import (
    SILENT,
    Counter,
    Gauge,
    Histogram,
    SilentTelemetry,
    Telemetry,
)
from alchemiser_cli.telemetry.names import METRICS, Metric
from alchemiser_cli.telemetry.opening import open_system_telemetry, open_telemetry

__all__ = [
    "METRICS",
    "SILENT",
    "Counter",
    "Gauge",
    "Histogram",
    "Metric",
    "SilentTelemetry",
    "Telemetry",
    "exposition",
    "negotiated",
    "open_system_telemetry",
    "open_telemetry",
    "write_textfile",
]
