"""Live trading for ``alchemiser trade run``: all that the desk needs, opened and closed again."""

from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

from alchemiser_cli.commands.invocation import Invocation
from alchemiser_cli.commands.signals import StopRequest
from alchemiser_cli.health.streams import consumer_readiness, stream_telemetry
from alchemiser_cli.pipeline.streams import ConsumeLimits
from alchemiser_cli.pipeline.trading.live import LiveRun, open_kill_switch, trade_live
from alchemiser_cli.pipeline.trading.running import run_service
from alchemiser_cli.pipeline.trading.starting import NAMES, log_skipped, skipped_services
from alchemiser_cli.render.stream import warn_of_own_cluster
from alchemiser_cli.settings.signing_key import lasting_signing_key
from alchemiser_cli.streaming import ConsumerSnapshot, open_cluster
from alchemiser_cli.telemetry.tracing import open_tracing
from alchemiser_cli.trading.activity import Service as ServiceName
from alchemiser_cli.trading.brokers import PAPER
from alchemiser_cli.trading.control import DeskStatus
from alchemiser_cli.trading.desk import DeskResult
from alchemiser_cli.trading.kill_switch import require_inactive

if TYPE_CHECKING:
    from alchemiser_cli.streaming import Start

__all__ = ["trade_on_ticks"]


def trade_on_ticks(
    invocation: Invocation,
    stack: ExitStack,
    stop: StopRequest,
    *,
    broker: str,
    names: list[str] | None,
    service: ServiceName | None,
    start: "Start",
    until_idle: float | None,
    halted: bool,
    market_time: bool,
    metrics: int | None,
) -> DeskResult | DeskStatus | dict[str, str]:
    """Trade live, all services or one; everything that it opens is closed with ``stack``.

    Where no service starts, it returns why.

    Raises:
        AlchemiserError: as ``trade_live`` and ``run_service``.
    """
    settings, clock = invocation.settings, invocation.clock
    skipped = skipped_services(settings, broker, service)
    if len(skipped) == len(NAMES) and broker in {PAPER, *settings.brokers}:
        log_skipped(broker, skipped)
        return skipped
    if not halted:
        with closing(open_kill_switch(settings, clock)) as kill_switch:
            require_inactive(kill_switch)  # before a cluster starts for nothing
    topic = settings.topics.ticks
    last: list[ConsumerSnapshot | None] = [None]
    cluster = stack.enter_context(
        open_cluster(settings.kafka, settings.topics, settings.run_folder)
    )
    warn_of_own_cluster(cluster)
    telemetry = stack.enter_context(
        stream_telemetry(
            settings,
            clock,
            lambda: consumer_readiness(last[0]),
            invocation.journal.capture,
            metrics,
        )
    )

    stack.enter_context(invocation.alerting(telemetry))

    def seen(snapshot: ConsumerSnapshot) -> None:
        last[0] = snapshot

    run = LiveRun(
        invocation.run_id,
        topic,
        ConsumeLimits(start, None, until_idle),
        broker=broker,
        names=names,
        halted=halted,
        market_time=market_time,
        key=lasting_signing_key(invocation.resolved),
        stop=stop,
        on_failure=invocation.journal.capture,
        on_snapshot=seen,
        database=invocation.state,
        telemetry=telemetry,
        tracing=stack.enter_context(closing(open_tracing(settings.telemetry))),
    )
    log_skipped(broker, skipped)
    if service is None:
        return trade_live(settings, cluster, run, clock)
    return run_service(settings, cluster, service, run, clock)
