"""``alchemiser trade why``, ``why-not`` and ``replay``: what was decided, and why."""

from typing import Annotated

import typer

from alchemiser_cli.commands.invocation import Invocation
from alchemiser_cli.commands.options import OutputOption
from alchemiser_cli.commands.parsing import since_ns
from alchemiser_cli.commands.signals import stop_on_signal
from alchemiser_cli.commands.trade_names import TradingRunArgument
from alchemiser_cli.exits import ExitCode
from alchemiser_cli.render.output import show
from alchemiser_cli.render.progress import progress_bar

__all__ = ["app"]

app = typer.Typer(add_completion=False)

TrailOption = Annotated[
    str | None,
    typer.Option(
        "--trail", metavar="NAME", help="Look in this audit trail.", show_default="the newest"
    ),
]


@app.command(
    epilog="Examples: `alchemiser trade why o-3f2a`, `alchemiser trade why o-3f2a -o json`."
)
def why(
    context: typer.Context,
    order: Annotated[
        str,
        typer.Argument(metavar="ORDER", help="Id of an order or signal, or the begin of one."),
    ],
    trail: TrailOption = None,
    output: OutputOption = None,
) -> None:
    """Explain an order: the tick, what was seen, what was wanted, each limit, order and fills."""
    from alchemiser_cli.render.why import order_view
    from alchemiser_cli.trading.why.finding import find_order

    invocation: Invocation = context.obj
    show(order_view(find_order(invocation.settings.audit_folder, order, trail)), output)


@app.command(
    "why-not",
    epilog="Examples: `alchemiser trade why-not SPX --at 2008-10-10`, "
    "`alchemiser trade why-not SPX --at 10m --window 600`.",
)
def why_not(
    context: typer.Context,
    symbol: Annotated[str, typer.Argument(help="Symbol that was not traded.")],
    at: Annotated[
        str, typer.Option(metavar="TIME", help="When: ISO 8601, or an age as in 30m, 2h, 7d.")
    ],
    window: Annotated[
        float, typer.Option(metavar="SECONDS", min=1.0, help="How far around it to look.")
    ] = 86_400.0,
    trail: TrailOption = None,
    output: OutputOption = None,
) -> None:
    """Show what was refused and what was held around a time, the nearest first."""
    from alchemiser_cli.render.why import refusals_view
    from alchemiser_cli.trading.why import explain_refusals
    from alchemiser_cli.trading.why.finding import newest_records

    invocation: Invocation = context.obj
    at_ns = since_ns(at, invocation.clock.now_ns())
    records = newest_records(invocation.settings.audit_folder, trail)
    show(refusals_view(explain_refusals(records, symbol, at_ns, window_s=window)), output)


@app.command(
    "replay",
    epilog="Examples: `alchemiser trade replay 20181231T`, "
    "`alchemiser trade replay 20181231T -o json`.",
)
def replay_run(
    context: typer.Context, run: TradingRunArgument, output: OutputOption = None
) -> None:
    """Feed a run's inputs to the same strategies and models again, and compare each decision.

    Exits with 1 where a decision differs. Nothing of the run is changed.
    """
    from alchemiser_cli.pipeline.trading.replaying import replay_run as replayed
    from alchemiser_cli.render.trade_status import replay_view

    invocation: Invocation = context.obj
    settings = invocation.start_logs()
    with stop_on_signal() as stop, progress_bar("trading again") as advance:
        comparison = replayed(settings, run, invocation.clock, on_progress=advance, stop=stop)
    show(replay_view(comparison), output)
    if not comparison.same:
        raise typer.Exit(ExitCode.FAILED)
    stop.exit_if_requested()
