"""``alchemiser demo``: the whole story on real data, with nothing installed beside it."""

import shutil

import typer

from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.commands.invocation import Invocation
from alchemiser_cli.commands.options import OutputOption
from alchemiser_cli.market import open_dataset
from alchemiser_cli.pipeline import round_trip
from alchemiser_cli.preflight.report import blocked, checks_of, run_preflight
from alchemiser_cli.preflight.setup import Setup
from alchemiser_cli.render.demo import demo_view
from alchemiser_cli.render.output import show
from alchemiser_cli.render.progress import progress_bar, progress_status
from alchemiser_cli.streaming import own_cluster

__all__ = ["app"]

DATASET = "sp500"
CHART_WIDTHS = (40, 100)

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: `alchemiser demo`.")
def demo(context: typer.Context, output: OutputOption = None) -> None:
    """Show the whole story on real data, with nothing installed beside it.

    Checks the system, replays 20 years of the S&P 500 into an embedded Kafka of its own,
    consumes them, and shows what happened.
    """
    invocation: Invocation = context.obj
    invocation.assign("kafka.mode=embedded")
    settings = invocation.start_logs()
    clock = invocation.clock
    started_ns = clock.monotonic_ns()
    with own_cluster(settings.kafka, settings.topics) as cluster:
        setup = Setup(invocation.resolved, clock, given_cluster=cluster)
        with progress_status("checking") as status:
            report = run_preflight(
                setup, checks_of(setup), on_result=lambda result: status(result.name)
            )
        if not report.success:
            raise blocked(report)
        dataset = open_dataset(DATASET)
        with progress_bar("replay and consume") as advance:
            trip = round_trip(
                settings, cluster, dataset, clock, lambda _stage, done, total: advance(done, total)
            )
    low, high = CHART_WIDTHS
    width = max(low, min(high, shutil.get_terminal_size().columns - 12))
    seconds = (clock.monotonic_ns() - started_ns) / NS_PER_SECOND
    show(demo_view(report, dataset, trip, width=width, seconds=seconds), output)
