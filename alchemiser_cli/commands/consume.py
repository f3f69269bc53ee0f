"""``alchemiser consume``: consume ticks and say what was seen."""

from contextlib import ExitStack
from typing import Annotated

import typer

from alchemiser_cli.commands.invocation import Invocation
from alchemiser_cli.commands.options import (
    FailOn,
    FailOnOption,
    MetricsOption,
    OutputOption,
    TopicOption,
)
from alchemiser_cli.commands.parsing import start_position
from alchemiser_cli.commands.signals import stop_on_signal
from alchemiser_cli.errors import AlchemiserError
from alchemiser_cli.errors.context import operation
from alchemiser_cli.exits import ExitCode
from alchemiser_cli.health.streams import consumer_readiness, stream_telemetry
from alchemiser_cli.market import Tick
from alchemiser_cli.pipeline.streams import ConsumeLimits, consume_ticks
from alchemiser_cli.render.consuming import consuming, print_tick
from alchemiser_cli.render.output import show, show_last
from alchemiser_cli.render.stream import consume_view, warn_of_own_cluster
from alchemiser_cli.state.stream_progress import ProgressReporter
from alchemiser_cli.streaming import ConsumerSnapshot, Received, StopConsuming, open_cluster

__all__ = ["app"]

app = typer.Typer(add_completion=False)


@app.command(
    epilog="Examples: `alchemiser consume --from earliest --until-idle 5`, "
    "`alchemiser consume --group desk --max-messages 1000 -o json`, "
    "`alchemiser consume --print | jq .price`."
)
def consume(
    context: typer.Context,
    topic: TopicOption = None,
    group: Annotated[
        str | None,
        typer.Option(help="Consumer group.", show_default="consumer.group of the settings"),
    ] = None,
    start: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="earliest|latest|committed|TIME",
            help="Where to begin; TIME is in ISO 8601.",
        ),
    ] = "committed",
    max_messages: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="End after N messages.")
    ] = None,
    until_idle: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", min=0.1, help="End when no message came for so long."),
    ] = None,
    print_ticks: Annotated[
        bool, typer.Option("--print", help="Write each tick as one line of JSON.")
    ] = False,
    metrics: MetricsOption = None,
    fail_on: FailOnOption = FailOn.ERROR,
    output: OutputOption = None,
) -> None:
    """Consume ticks and say what was seen.

    Each message is decoded and judged on its own. One that cannot be read or handled goes to
    TOPIC.dlq, an implausible one to TOPIC.quarantine, and the rest goes on. Only what is finished
    is committed. Runs until interrupted unless a limit ends it; the summary comes in either case,
    as the last line behind the ticks of --print. Failed or quarantined messages and sequence gaps
    are warnings: --fail-on warning turns them into exit code 3.
    """
    invocation: Invocation = context.obj
    limits = ConsumeLimits(start_position(start), max_messages, until_idle)
    settings = invocation.start_logs()
    invocation.start_heartbeat(lasting=True)
    if group is not None:
        settings = settings.with_consumer_group(group)
    topic = topic or settings.topics.ticks
    stream = f"consumer:{settings.consumer.group}:{topic}"
    clock = invocation.clock
    last: list[ConsumerSnapshot | None] = [None]
    with ExitStack() as stack:
        stop = stack.enter_context(stop_on_signal())
        cluster = stack.enter_context(
            open_cluster(settings.kafka, settings.topics, settings.run_folder)
        )
        progress = stack.enter_context(ProgressReporter(invocation.state, stream, clock))
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
        draw = stack.enter_context(
            consuming(clock, settings.consumer.group, topic, visible=not print_ticks)
        )

        async def accept(tick: Tick, received: Received) -> None:
            progress.seen(tick.event_time_ns)
            if print_ticks:
                try:
                    print_tick(tick, received)
                except OSError as error:  # as in `consume --print | head`
                    raise StopConsuming from error

        def journalled(received: Received, error: AlchemiserError) -> None:
            place = {"topic": received.topic, "partition": received.partition}
            with operation("consume", component="consumer", **place, offset=received.offset):
                invocation.journal.capture(error)

        def told(snapshot: ConsumerSnapshot) -> None:
            last[0] = snapshot
            draw(snapshot)

        result = consume_ticks(
            settings,
            cluster,
            clock,
            accept,
            topic=topic,
            limits=limits,
            on_failed=journalled,
            on_outage=invocation.journal.capture,
            on_snapshot=told,
            stop=stop,
            telemetry=telemetry,
        )
    present = show_last if print_ticks else show
    present(consume_view(result), output)
    stop.exit_if_requested()
    if fail_on is FailOn.WARNING and (result.failed or result.quarantined or result.gaps):
        raise typer.Exit(ExitCode.DEGRADED)
