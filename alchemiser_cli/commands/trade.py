"""``alchemiser trade``: trade on paper under risk control, stop it, and explain it."""

import shutil
from contextlib import ExitStack
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from alchemiser_cli.commands import trade_control, trade_explaining
from alchemiser_cli.commands.invocation import Invocation
from alchemiser_cli.commands.options import FailOn, FailOnOption, MetricsOption, OutputOption
from alchemiser_cli.commands.parsing import moment_ns, start_position
from alchemiser_cli.commands.signals import stop_on_signal
from alchemiser_cli.commands.trade_names import BrokerOption, StrategyOption
from alchemiser_cli.errors import UsageError
from alchemiser_cli.exits import ExitCode
from alchemiser_cli.render.output import show
from alchemiser_cli.render.progress import progress_bar
from alchemiser_cli.settings.signing_key import lasting_signing_key

if TYPE_CHECKING:
    from alchemiser_cli.trading.runs import Fed

__all__ = ["app"]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Trade on paper under risk control, stop it, and explain it.",
)


class Service(StrEnum):
    """One service of trading, for a process of its own."""

    STRATEGY = "strategy"
    RISK = "risk"
    BROKER = "broker"


@app.command(
    epilog="Examples: `alchemiser trade run --dataset sp500 --strategy momentum`, "
    "`alchemiser trade run --until-idle 60`, `alchemiser trade run --service risk`."
)
def run(
    context: typer.Context,
    dataset: Annotated[
        str | None,
        typer.Option(
            metavar="D",
            help="Trade on a dataset's past with an account of its own: sp500, or file:PATH.",
            show_default="live, on the ticks in Kafka",
        ),
    ] = None,
    symbol: Annotated[str | None, typer.Option(help="The one symbol of the dataset.")] = None,
    start: Annotated[
        str | None, typer.Option(metavar="TIME", help="First event time of the dataset.")
    ] = None,
    end: Annotated[
        str | None, typer.Option(metavar="TIME", help="Stop before this event time.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="At most N ticks of the dataset.")
    ] = None,
    strategy: StrategyOption = None,
    broker: BrokerOption = "paper",
    service: Annotated[
        Service | None,
        typer.Option(help="Run one service only; the others run elsewhere.", show_default="all"),
    ] = None,
    position: Annotated[
        str,
        typer.Option(
            "--from", metavar="earliest|latest|committed|TIME", help="Where live ticks begin."
        ),
    ] = "committed",
    until_idle: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", min=0.1, help="End when no tick came for so long."),
    ] = None,
    halted: Annotated[
        bool,
        typer.Option("--halted", help="Start although the kill switch is set, to flatten."),
    ] = False,
    market_time: Annotated[
        bool,
        typer.Option(
            "--market-time", help="Take the newest tick's time for now: for ticks of the past."
        ),
    ] = False,
    metrics: MetricsOption = None,
    fail_on: FailOnOption = FailOn.ERROR,
    output: OutputOption = None,
) -> None:
    """Trade: ticks, strategies, risk, orders, fills; each decision on record.

    Live, it consumes the ticks in Kafka and goes on where the broker's audit trail ended; it runs
    until interrupted unless a limit ends it. With --dataset it trades on the past, with an
    account, a trail and a kill switch of its own, and can be fed again with `trade replay`.

    Exits with 6 while the kill switch is set. Refused signals and disabled strategies are
    warnings: --fail-on warning turns them into exit code 3.
    """
    from alchemiser_cli.render.trade import run_view
    from alchemiser_cli.render.trade_status import service_view, skipped_view
    from alchemiser_cli.trading.desk import DeskResult

    invocation: Invocation = context.obj
    settings = invocation.start_logs()
    invocation.start_heartbeat(lasting=dataset is None)
    with ExitStack() as stack:
        stop = stack.enter_context(stop_on_signal())
        if dataset is not None or symbol or start or end or limit:
            from alchemiser_cli.pipeline.trading.dataset import DatasetRun, trade_dataset

            _not_with_a_dataset(service, until_idle, metrics)
            advance = stack.enter_context(progress_bar("trading on the past"))
            past = DatasetRun(
                _fed(dataset, symbol, start, end, limit),
                invocation.run_id,
                broker=broker,
                names=strategy,
                key=lasting_signing_key(invocation.resolved),
                on_progress=advance,
                on_failure=invocation.journal.capture,
                stop=stop,
            )
            result = trade_dataset(settings, past, invocation.clock)
        else:
            from alchemiser_cli.commands.trade_live import trade_on_ticks

            outcome = trade_on_ticks(
                invocation,
                stack,
                stop,
                broker=broker,
                names=strategy,
                service=None if service is None else service.value,
                start=start_position(position),
                until_idle=until_idle,
                halted=halted,
                market_time=market_time,
                metrics=metrics,
            )
            if not isinstance(outcome, DeskResult):
                view = skipped_view(outcome) if isinstance(outcome, dict) else service_view(outcome)
                show(view, output)
                stop.exit_if_requested()
                return
            result = outcome
    width = max(40, min(100, shutil.get_terminal_size().columns - 12))
    show(run_view(result, width=width), output)
    stop.exit_if_requested()
    if fail_on is FailOn.WARNING and (result.denied or result.disabled):
        raise typer.Exit(ExitCode.DEGRADED)


@app.command(epilog="Examples: `alchemiser trade runs`, `alchemiser trade runs -o json`.")
def runs(context: typer.Context, output: OutputOption = None) -> None:
    """List the trading runs, the newest first: what each was fed, and what it did."""
    from alchemiser_cli.render.trade_status import runs_view
    from alchemiser_cli.trading.runs import list_runs

    invocation: Invocation = context.obj
    show(runs_view(list_runs(invocation.settings.trading_folder)), output)


for group in (trade_control, trade_explaining):
    app.add_typer(group.app)


def _fed(
    dataset: str | None,
    symbol: str | None,
    start: str | None,
    end: str | None,
    limit: int | None,
) -> "Fed":
    from alchemiser_cli.trading.runs import Fed

    start_ns, end_ns = (moment_ns(text) if text else None for text in (start, end))
    return Fed(dataset=dataset, symbol=symbol, start_ns=start_ns, end_ns=end_ns, limit=limit)


def _not_with_a_dataset(
    service: Service | None, until_idle: float | None, metrics: int | None
) -> None:
    given = {"--service": service, "--until-idle": until_idle, "--metrics": metrics}
    wrong = [name for name, value in given.items() if value is not None]
    if wrong:
        raise UsageError(
            f"{' and '.join(wrong)} does not go with a dataset",
            why="A dataset is traded on in one process, and ends by itself.",
            next_step="Leave it out, or replay the dataset into Kafka and trade live.",
        )
