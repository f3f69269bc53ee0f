"""How a running consumer or feed is, where Prometheus and an orchestrator can ask for it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import msgspec

from alchemiser_cli.clock import Clock
from alchemiser_cli.market.feeds import FeedClient, FeedCounts
from alchemiser_cli.notifications.courier import Courier
from alchemiser_cli.settings import Environment, Settings
from alchemiser_cli.streaming import ConsumerSnapshot
from alchemiser_cli.telemetry import SILENT, Telemetry

__all__ = [
    "StreamReadiness",
    "consumer_readiness",
    "courier_readiness",
    "feed_readiness",
    "stream_telemetry",
]


class StreamReadiness(msgspec.Struct, frozen=True):
    """What /readyz tells of a stream."""

    status: Literal["healthy", "degraded"]
    detail: str
    stream: ConsumerSnapshot | FeedCounts | None


def consumer_readiness(now: ConsumerSnapshot | None) -> StreamReadiness:
    """Tell how a consumer is: degraded while it joins, waits, is paused, or symbols are stale."""
    if now is None or not now.partitions:
        return StreamReadiness("degraded", "it has no partition yet", now)
    if now.waiting_for:
        return StreamReadiness("degraded", f"it waits for {now.waiting_for}", now)
    if now.paused:
        return StreamReadiness("degraded", "callbacks are slower than the topic", now)
    if now.stale:
        return StreamReadiness("degraded", f"silent: {', '.join(now.stale[:5])}", now)
    return StreamReadiness("healthy", "it consumes", now)


def feed_readiness(feed: FeedClient) -> StreamReadiness:
    """Tell how a feed is: degraded whenever its ticks do not come live."""
    if feed.phase == "live":
        return StreamReadiness("healthy", "ticks come live", feed.counts)
    return StreamReadiness("degraded", f"the feed is {feed.phase}", feed.counts)


def courier_readiness(courier: Courier | None) -> StreamReadiness:
    """Tell how a courier is: degraded while a part of its passes cannot be done."""
    if courier is None or courier.last is None:
        return StreamReadiness("degraded", "it has made no pass yet", None)
    if courier.last.troubles:
        return StreamReadiness("degraded", "; ".join(courier.last.troubles), None)
    return StreamReadiness("healthy", "it delivers", None)


@contextmanager
def stream_telemetry(
    settings: Settings,
    clock: Clock,
    readiness: Callable[[], StreamReadiness],
    capture: Callable[[BaseException], object],
    port: int | None,
) -> Iterator[Telemetry]:
    """Serve /metrics, /readyz and /healthz on ``port`` while the block runs; None: nothing.

    Yields what the stream counts with. ``capture`` is told of defects while answering.

    Raises:
        PortInUseError: ``port-in-use``; SettingInvalidError ``setting-invalid``;
            CredentialsMissingError ``credentials-missing``; ProductionPolicyError
            ``production-policy``.
    """
    if port is None:
        yield SILENT
        return
    from alchemiser_cli.health.serve import serve_health
    from alchemiser_cli.telemetry import open_telemetry

    def captured(error: BaseException) -> str:
        return str(getattr(capture(error), "id", "in the journal"))

    telemetry = open_telemetry(settings.telemetry)
    with serve_health(
        settings.health.model_copy(update={"port": port}),
        readiness,
        captured,
        telemetry.registry,
        production=settings.environment is Environment.PRODUCTION,
        clock=clock,
    ):
        yield telemetry
