"""``alchemiser train strategy``: a model that judges the trades of a rule."""

from contextlib import suppress
from typing import Annotated

import typer

from alchemiser_cli.commands.invocation import Invocation
from alchemiser_cli.commands.options import OutputOption
from alchemiser_cli.render.output import show
from alchemiser_cli.render.progress import progress_status

__all__ = ["app"]

app = typer.Typer(add_completion=False)


def _names(context: typer.Context, incomplete: str) -> list[str]:
    from alchemiser_cli.errors import AlchemiserError
    from alchemiser_cli.trading.strategies.definition import definition_names

    invocation: Invocation = context.obj
    names: list[str] = []
    with suppress(AlchemiserError):  # settings that cannot be resolved complete nothing
        names = definition_names(invocation.settings.home)
    return [name for name in names if name.startswith(incomplete)]


@app.command(
    epilog="Examples: `alchemiser train strategy momentum`, "
    "`alchemiser train strategy breakout --dataset file:bars.csv --folds 4`."
)
def strategy(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="Strategy of configs/strategies.", autocompletion=_names
        ),
    ],
    dataset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="sp500, or file:PATH.",
            show_default="market.dataset of the settings",
        ),
    ] = None,
    folds: Annotated[
        int, typer.Option(min=1, max=100, help="Folds, each after all that was trained on.")
    ] = 5,
    seed: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            max=2**32 - 1,
            help="Seed of everything random.",
            show_default="training.seed of the settings",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--name",
            metavar="MODEL",
            help="Name to save the model under.",
            show_default="the strategy's model, or its name",
        ),
    ] = None,
    output: OutputOption = None,
) -> None:
    """Train a model that judges whether a rule's trades win, and save it.

    A logistic regression on what the rule sees, judged walk-forward beside the base rate: each
    fold lies after all that was trained on, and trades that reach into it are left out. The model
    goes to HOME/models with its passport; nothing in it is pickled. The strategy acts on it once
    its definition or strategies.NAME.model names it.
    """
    from alchemiser_cli.market import open_dataset
    from alchemiser_cli.render.strategy_training import strategy_training_view
    from alchemiser_cli.trading.strategies.training import train_strategy

    invocation: Invocation = context.obj
    settings = invocation.start_logs()
    chosen = dataset or settings.market.dataset
    with progress_status("training"):
        trained = train_strategy(
            settings,
            name,
            open_dataset(chosen),
            invocation.clock,
            dataset=chosen,
            folds=folds,
            seed=settings.training.seed if seed is None else seed,
            model=model,
        )
    show(strategy_training_view(trained), output)
