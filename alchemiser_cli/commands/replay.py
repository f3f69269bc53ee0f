"""``alchemiser replay``: replay a dataset as ticks into Kafka."""

from typing import Annotated

import typer

from alchemiser_cli.commands.invocation import Invocation
from alchemiser_cli.commands.options import OutputOption, TopicOption
from alchemiser_cli.commands.parsing import column_mapping, moment_ns, replay_speed
from alchemiser_cli.commands.signals import stop_on_signal
from alchemiser_cli.market import list_datasets, open_dataset
from alchemiser_cli.pipeline.streams import replay_dataset
from alchemiser_cli.render.output import show
from alchemiser_cli.render.progress import progress_bar
from alchemiser_cli.render.stream import datasets_view, replay_view, warn_of_own_cluster
from alchemiser_cli.streaming import open_cluster

__all__ = ["app"]

app = typer.Typer(add_completion=False)


def _datasets(incomplete: str) -> list[str]:
    names = (entry.name.removesuffix("PATH") for entry in list_datasets())
    return [name for name in names if name.startswith(incomplete)]


@app.command(
    epilog="Examples: `alchemiser replay sp500 --start 2008-09-01 --end 2009-04-01`, "
    "`alchemiser replay file:trades.csv.gz --speed 60`, "
    "`alchemiser replay file:odd.csv --column time=Stamp --column price=Last`."
)
def replay(
    context: typer.Context,
    dataset: Annotated[
        str | None,
        typer.Argument(
            help="Dataset: sp500, or file:PATH of a CSV, gzipped CSV or Parquet file.",
            show_default="market.dataset of the settings",
            autocompletion=_datasets,
        ),
    ] = None,
    topic: TopicOption = None,
    speed: Annotated[
        str, typer.Option(metavar="max|N", help="As fast as possible, or N times real time.")
    ] = "max",
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Send at most N ticks.")
    ] = None,
    start: Annotated[
        str | None, typer.Option(metavar="TIME", help="First event time, in ISO 8601.")
    ] = None,
    end: Annotated[
        str | None, typer.Option(metavar="TIME", help="Stop before this event time.")
    ] = None,
    symbol: Annotated[
        str | None, typer.Option(help="The one symbol to send; names a file that has none.")
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD=COLUMN", help="Name a file's column; may be repeated."),
    ] = None,
    list_all: Annotated[bool, typer.Option("--list", help="List the datasets and exit.")] = False,
    output: OutputOption = None,
) -> None:
    """Replay a dataset as ticks into Kafka.

    Ticks go out in the order of their event times, in Avro under a registered schema, keyed by
    symbol, each with its symbol's sequence number. The whole dataset is checked before the
    first one is sent.
    """
    if list_all:
        show(datasets_view(list_datasets()), output)
        return
    invocation: Invocation = context.obj
    chosen_speed = replay_speed(speed)
    start_ns, end_ns = (moment_ns(text) if text else None for text in (start, end))
    columns = column_mapping(column or [])
    settings = invocation.start_logs()
    data = open_dataset(
        dataset or settings.market.dataset,
        columns=columns,
        symbol=symbol,
        start_ns=start_ns,
        end_ns=end_ns,
        limit=limit,
    )
    with (
        stop_on_signal() as stop,
        open_cluster(settings.kafka, settings.topics, settings.run_folder) as cluster,
    ):
        warn_of_own_cluster(cluster)
        with progress_bar(f"replaying {data.name}") as advance:
            result = replay_dataset(
                settings,
                cluster,
                data,
                invocation.clock,
                topic=topic or settings.topics.ticks,
                speed=chosen_speed,
                on_progress=advance,
                stop=stop,
            )
    show(replay_view(data, result), output)
    stop.exit_if_requested()
