"""Names on the command line of trading: brokers, strategies, runs; completed with what there is."""

from contextlib import suppress
from typing import Annotated

import typer

from alchemiser_cli.commands.model_names import models_folder

__all__ = ["BrokerOption", "StrategyOption", "TradingRunArgument"]


def _strategies(context: typer.Context, incomplete: str) -> list[str]:
    from alchemiser_cli.errors import AlchemiserError
    from alchemiser_cli.trading.strategies import definition_names

    names: list[str] = []
    with suppress(AlchemiserError):  # settings that cannot be resolved complete nothing
        models_folder(context)  # takes the home that was given
        names = definition_names(context.obj.settings.home)
    return [name for name in names if name.startswith(incomplete)]


def _runs(context: typer.Context, incomplete: str) -> list[str]:
    from alchemiser_cli.errors import AlchemiserError
    from alchemiser_cli.trading.runs import list_runs

    ids: list[str] = []
    with suppress(AlchemiserError):
        models_folder(context)
        ids = [record.run_id for record in list_runs(context.obj.settings.trading_folder)]
    return [name for name in ids if name.startswith(incomplete)]


BrokerOption = Annotated[str, typer.Option(metavar="NAME", help="Broker, as the settings name it.")]

StrategyOption = Annotated[
    list[str] | None,
    typer.Option(
        "--strategy",
        metavar="NAME",
        help="Strategy to run; may be repeated.",
        show_default="those of the settings",
        autocompletion=_strategies,
    ),
]

TradingRunArgument = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="Id of a run, or the begin of one; see `alchemiser trade runs`.",
        autocompletion=_runs,
    ),
]
