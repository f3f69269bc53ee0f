"""``alchemiser demo``: the whole story on real data, with nothing installed beside it."""

import shutil
from typing import TYPE_CHECKING, Annotated

import typer

from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.commands.invocation import Invocation
from alchemiser_cli.commands.options import OutputOption
from alchemiser_cli.market import open_dataset
from alchemiser_cli.pipeline.streams import round_trip
from alchemiser_cli.pipeline.trading.dataset import DatasetRun, trade_dataset
from alchemiser_cli.preflight.report import blocked, checks_of, run_preflight
from alchemiser_cli.preflight.setup import Setup
from alchemiser_cli.render.demo import demo_view
from alchemiser_cli.render.output import show
from alchemiser_cli.render.progress import progress_bar, progress_status
from alchemiser_cli.settings.signing_key import lasting_signing_key
from alchemiser_cli.streaming import own_cluster
from alchemiser_cli.trading.desk import DeskResult
from alchemiser_cli.trading.runs import Fed

if TYPE_CHECKING:
    from alchemiser_cli.rl.training import TrainingResult

__all__ = ["app"]

DATASET = "sp500"
STRATEGIES = ("momentum", "mean_reversion", "breakout")
CHART_WIDTHS = (40, 100)
TIMESTEPS = 4_000
TRAIN_AT_MOST_S = 45.0
# A small budget asks for small batches, and those for one thread: several would mostly wait for
# one another. Every setting that was chosen otherwise stays.
SMALL_BUDGET = {"timesteps": TIMESTEPS, "learning_starts": 500, "batch_size": 64, "threads": 1}

app = typer.Typer(add_completion=False)


@app.command(epilog="Examples: `alchemiser demo`, `alchemiser demo --train`.")
def demo(
    context: typer.Context,
    train: Annotated[
        bool, typer.Option("--train", help="Train a small policy, too; needs the extra `train`.")
    ] = False,
    output: OutputOption = None,
) -> None:
    """Show the whole story on real data, with nothing installed beside it.

    Checks the system, replays 20 years of the S&P 500 into an embedded Kafka of its own,
    consumes them, lets three strategies trade them on paper under risk control, and shows what
    happened. With --train, it then trains a policy on options of that market for half a minute,
    and judges it on years that it never saw.
    """
    if train:
        import alchemiser_cli.rl.training  # noqa: F401  without the extra, fail before the story

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
    traded = _traded(invocation)
    trained = _trained(invocation) if train else None
    low, high = CHART_WIDTHS
    width = max(low, min(high, shutil.get_terminal_size().columns - 12))
    seconds = (clock.monotonic_ns() - started_ns) / NS_PER_SECOND
    view = demo_view(report, dataset, trip, traded, width=width, seconds=seconds, trained=trained)
    show(view, output)


def _traded(invocation: Invocation) -> DeskResult:
    with progress_bar("trade on paper") as advance:
        run = DatasetRun(
            Fed(dataset=DATASET),
            invocation.run_id,
            names=STRATEGIES,
            key=lasting_signing_key(invocation.resolved),
            on_progress=advance,
            on_failure=invocation.journal.capture,
        )
        return trade_dataset(invocation.settings, run, invocation.clock)


def _trained(invocation: Invocation) -> "TrainingResult":
    from alchemiser_cli.render.evaluation_html import evaluation_html
    from alchemiser_cli.render.training import training_progress
    from alchemiser_cli.rl.training import TrainingRequest, TrainingWatch
    from alchemiser_cli.rl.training import train as train_policy

    settings = invocation.settings
    chosen = settings.training.model_fields_set
    small = {name: value for name, value in SMALL_BUDGET.items() if name not in chosen}
    request = TrainingRequest(DATASET, settings.options, settings.training.model_copy(update=small))
    with training_progress("train") as on_update:
        watch = TrainingWatch(on_update=on_update, time_budget_s=TRAIN_AT_MOST_S)
        return train_policy(
            settings, request, invocation.clock, watch=watch, report_html=evaluation_html
        )
