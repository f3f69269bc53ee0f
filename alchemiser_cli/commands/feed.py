"""``alchemiser feed``: live feeds of market data into Kafka."""

from contextlib import ExitStack
from typing import Annotated

import typer

from alchemiser_cli.commands.invocation import Invocation
from alchemiser_cli.commands.options import MetricsOption, OutputOption, TopicOption
from alchemiser_cli.commands.signals import stop_on_signal
from alchemiser_cli.errors import MarketDataError
from alchemiser_cli.errors.context import operation
from alchemiser_cli.health.streams import feed_readiness, stream_telemetry
from alchemiser_cli.market.feeds import FeedClient, FeedTick, list_feeds, plan_feed
from alchemiser_cli.render.feed import feed_view, feeds_view
from alchemiser_cli.render.output import show
from alchemiser_cli.render.progress import progress_bar
from alchemiser_cli.render.stream import warn_of_own_cluster
from alchemiser_cli.state.stream_progress import ProgressReporter
from alchemiser_cli.streaming import FeedLimits, open_cluster, run_feed

__all__ = ["app"]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Run live feeds of market data into Kafka.",
)


@app.command(name="list", epilog="Example: `alchemiser --set plugins=binance feed list`.")
def list_all(context: typer.Context, output: OutputOption = None) -> None:
    """List the feeds of the settings, and the venues that plugins speak.

    A plugin's venues are listed once the plugin is installed and named in the setting `plugins`.
    """
    invocation: Invocation = context.obj
    show(feeds_view(list_feeds(invocation.settings)), output)


@app.command(
    epilog="Example: `alchemiser --set plugins=binance feed run binance --symbols BTCUSDT "
    "--max-ticks 1000`."
)
def run(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Feed of the settings, or venue of a plugin.")
    ],
    symbols: Annotated[
        str,
        typer.Option(
            metavar="A,B", help="Symbols, as the venue writes them.", show_default="the feed's"
        ),
    ] = "",
    max_ticks: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="End after N ticks.")
    ] = None,
    until_idle: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", min=0.1, help="End when no tick came for so long."),
    ] = None,
    topic: TopicOption = None,
    metrics: MetricsOption = None,
    output: OutputOption = None,
) -> None:
    """Run a live feed and publish its ticks.

    The feed connects again by itself, polls by REST meanwhile, and ends with an error only when
    its budget of attempts is used up. Each message carries the header alchemiser.origin: live,
    replayed (fetched after a reconnection) or polled. Runs until interrupted unless a limit ends
    it; the summary comes in either case.
    """
    invocation: Invocation = context.obj
    settings = invocation.start_logs()
    invocation.start_heartbeat(lasting=True)
    wanted = [symbol.strip() for symbol in symbols.split(",") if symbol.strip()]
    plan = plan_feed(settings, name, wanted)

    def journalled(error: MarketDataError) -> None:
        with operation("receive ticks", component=f"feed:{name}"):
            invocation.journal.capture(error)

    clock = invocation.clock
    with ExitStack() as stack:
        stop = stack.enter_context(stop_on_signal())
        cluster = stack.enter_context(
            open_cluster(settings.kafka, settings.topics, settings.run_folder)
        )
        progress = stack.enter_context(ProgressReporter(invocation.state, f"feed:{name}", clock))
        telemetry = stack.enter_context(
            stream_telemetry(
                settings, clock, lambda: feed_readiness(feed), invocation.journal.capture, metrics
            )
        )
        stack.enter_context(invocation.alerting(telemetry))
        feed = FeedClient(
            plan.name, plan.venue, plan.settings, clock, telemetry=telemetry, on_error=journalled
        )
        warn_of_own_cluster(cluster)
        with progress_bar(f"feed {name}") as advance:
            sent = 0

            def seen(item: FeedTick) -> None:
                nonlocal sent
                sent += 1
                progress.seen(item.tick.event_time_ns)
                if sent % 100 == 0:
                    advance(sent, max_ticks)

            result = run_feed(
                settings,
                cluster,
                clock,
                feed,
                topic=topic or settings.topics.ticks,
                limits=FeedLimits(max_ticks, until_idle),
                on_tick=seen,
                stop=stop,
                telemetry=telemetry,
            )
    show(feed_view(result), output)
    stop.exit_if_requested()
