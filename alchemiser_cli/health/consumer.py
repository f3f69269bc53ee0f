"""How a running consumer is, and where Prometheus and an orchestrator can ask for it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import msgspec

from alchemiser_cli.clock import Clock
from alchemiser_cli.settings import Environment, Settings
from alchemiser_cli.streaming import ConsumerSnapshot
from alchemiser_cli.telemetry import SILENT, Telemetry

__all__ = ["ConsumerHealth", "ConsumerReadiness"]


class ConsumerReadiness(msgspec.Struct, frozen=True):
    """What /readyz tells: degraded while it joins, waits, is paused, or symbols are stale."""

    status: Literal["healthy", "degraded"]
    detail: str
    consumer: ConsumerSnapshot | None


class ConsumerHealth:
    """Keeps the last snapshot of a consumer, and serves it while asked to."""

    def __init__(
        self, settings: Settings, clock: Clock, capture: Callable[[BaseException], object]
    ) -> None:
        """Serve on ``health.host``; ``capture`` is told of defects while answering."""
        self._settings = settings
        self._clock = clock
        self._capture = capture
        self.snapshot: ConsumerSnapshot | None = None
        self.telemetry: Telemetry = SILENT

    def readiness(self) -> ConsumerReadiness:
        """Return how the consumer was a moment ago."""
        now = self.snapshot
        if now is None or not now.partitions:
            return ConsumerReadiness("degraded", "it has no partition yet", now)
        if now.waiting_for:
            return ConsumerReadiness("degraded", f"it waits for {now.waiting_for}", now)
        if now.paused:
            return ConsumerReadiness("degraded", "callbacks are slower than the topic", now)
        if now.stale:
            return ConsumerReadiness("degraded", f"{len(now.stale)} symbols are silent", now)
        return ConsumerReadiness("healthy", "it consumes", now)

    @contextmanager
    def served(self, port: int) -> Iterator[str]:
        """Serve /metrics, /readyz and /healthz while the block runs; yield their URL.

        Raises:
            PortInUseError: ``port-in-use``; SettingInvalidError ``setting-invalid``;
                CredentialsMissingError ``credentials-missing``; ProductionPolicyError
                ``production-policy``.
        """
        from alchemiser_cli.health.serve import serve_health
        from alchemiser_cli.telemetry import open_telemetry

        telemetry = open_telemetry(self._settings.telemetry)
        with serve_health(
            self._settings.health.model_copy(update={"port": port}),
            self.readiness,
            self._captured,
            telemetry.registry,
            production=self._settings.environment is Environment.PRODUCTION,
            clock=self._clock,
        ) as address:
            self.telemetry = telemetry
            yield address.url

    def _captured(self, error: BaseException) -> str:
        return str(getattr(self._capture(error), "id", "in the journal"))
