"""``alchemiser consume``: consume ticks and say what was seen."""

from typing import Annotated

import typer

from alchemiser_cli.commands.invocation import Invocation
from alchemiser_cli.commands.options import FailOn, FailOnOption, OutputOption, TopicOption
from alchemiser_cli.commands.parsing import start_position
from alchemiser_cli.commands.signals import stop_on_signal
from alchemiser_cli.errors import AlchemiserError
from alchemiser_cli.errors.context import operation
from alchemiser_cli.exits import ExitCode
from alchemiser_cli.market import Tick
from alchemiser_cli.pipeline import ConsumeLimits, consume_ticks
from alchemiser_cli.render.output import show
from alchemiser_cli.render.progress import progress_bar
from alchemiser_cli.render.stream import consume_view, warn_of_own_cluster
from alchemiser_cli.state.stream_progress import ProgressReporter
from alchemiser_cli.streaming import Received, open_cluster

__all__ = ["app"]

app = typer.Typer(add_completion=False)


@app.command(
    epilog="Examples: `alchemiser consume --from earliest --until-idle 5`, "
    "`alchemiser consume --group desk --max-messages 1000 -o json`."
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
    fail_on: FailOnOption = FailOn.ERROR,
    output: OutputOption = None,
) -> None:
    """Consume ticks and say what was seen.

    Each message is decoded and checked on its own: one that cannot be read or handled is
    counted and logged, and the rest of its batch goes on. Only what is finished is committed.
    Runs until interrupted unless a limit ends it; the summary comes in either case. Failed
    messages and sequence gaps are warnings: --fail-on warning turns them into exit code 3.
    """
    invocation: Invocation = context.obj
    limits = ConsumeLimits(start_position(start), max_messages, until_idle)
    settings = invocation.start_logs()
    if group is not None:
        settings = settings.with_consumer_group(group)
    topic = topic or settings.topics.ticks
    stream = f"consumer:{settings.consumer.group}:{topic}"
    with (
        stop_on_signal() as stop,
        open_cluster(settings.kafka, settings.topics, settings.run_folder) as cluster,
        ProgressReporter(invocation.state, stream, invocation.clock) as progress,
    ):
        warn_of_own_cluster(cluster)

        async def accept(tick: Tick, _received: Received) -> None:
            progress.seen(tick.event_time_ns)

        async def journalled(received: Received, error: AlchemiserError) -> None:
            place = {"topic": received.topic, "partition": received.partition}
            with operation("consume", component="consumer", **place, offset=received.offset):
                invocation.journal.capture(error)

        with progress_bar("consuming") as advance:
            result = consume_ticks(
                settings,
                cluster,
                invocation.clock,
                accept,
                topic=topic,
                limits=limits,
                on_failed=journalled,
                on_progress=advance,
                stop=stop,
            )
    show(consume_view(result), output)
    stop.exit_if_requested()
    if fail_on is FailOn.WARNING and (result.failed or result.gaps):
        raise typer.Exit(ExitCode.DEGRADED)
