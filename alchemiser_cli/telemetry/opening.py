"""Turning telemetry on: from here on the Prometheus library is loaded."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alchemiser_cli.clock import Clock
    from alchemiser_cli.settings import TelemetrySettings
    from alchemiser_cli.state import StateDatabase
    from alchemiser_cli.telemetry.process import ProcessTelemetry
    from alchemiser_cli.telemetry.system import SystemTelemetry

__all__ = ["open_system_telemetry", "open_telemetry"]


def open_telemetry(settings: "TelemetrySettings") -> "ProcessTelemetry":
    """Return instruments that count in this process, with a registry to expose."""
    from alchemiser_cli.telemetry.process import ProcessTelemetry

    return ProcessTelemetry(settings)


def open_system_telemetry(database: "StateDatabase", clock: "Clock") -> "SystemTelemetry":
    """Return a registry of what the state database knows of all processes."""
    from alchemiser_cli.telemetry.system import SystemTelemetry

    return SystemTelemetry(database, clock)
