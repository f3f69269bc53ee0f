"""What several commands of ``alchemiser train`` share: their options, and the request of a run."""

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from alchemiser_cli.errors import UsageError

if TYPE_CHECKING:
    from alchemiser_cli.rl.training import TrainingRequest
    from alchemiser_cli.settings import Settings

__all__ = [
    "DatasetOption",
    "Preset",
    "SymbolOption",
    "TimestepsOption",
    "request_of",
    "resumed_request",
]


class Preset(StrEnum):
    """Sizes of the network."""

    SMALL = "small"
    BASE = "base"


DatasetOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="sp500, file:PATH, or heston:SEED for a generated market.",
        show_default="market.dataset of the settings",
    ),
]
SymbolOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="The one instrument to take of a file that holds several."),
]
TimestepsOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        help="Environment steps.",
        show_default="training.timesteps of the settings",
    ),
]


def request_of(
    settings: "Settings",
    *,
    dataset: str | None,
    symbol: str | None,
    timesteps: int | None = None,
    seed: int | None = None,
    preset: Preset | None = None,
    env: str | None = None,
) -> "TrainingRequest":
    """Return what to train; what is None comes from the settings.

    Raises:
        UsageError: ``usage`` where a Gymnasium environment and a dataset are both asked for.
    """
    from alchemiser_cli.rl.training import GYM, TrainingRequest, gym_training

    if env is not None and (dataset or symbol):
        raise UsageError(
            "--env cannot be given together with --dataset or --symbol",
            why="A Gymnasium environment brings its own world.",
            next_step="Give one of them.",
        )
    given = {"seed": seed, "preset": preset and preset.value, "timesteps": timesteps}
    chosen = {name: value for name, value in given.items() if value is not None}
    training = settings.training.model_copy(update=chosen)
    if env is not None:
        return TrainingRequest(GYM + env, settings.options, gym_training(training))
    return TrainingRequest(
        dataset or settings.market.dataset, settings.options, training, symbol=symbol
    )


def resumed_request(
    settings: "Settings", run: str, timesteps: int | None, given: Mapping[str, object]
) -> "TrainingRequest":
    """Return what the run ``run`` was begun with, lasting ``timesteps`` where that is not None.

    Raises:
        UsageError: ``usage`` where one of the options ``given`` is not None.
        RunNotFoundError: ``run-not-found``.
    """
    from alchemiser_cli.rl.runs import open_run
    from alchemiser_cli.rl.training import TrainingRequest

    unwanted = [name for name, value in given.items() if value is not None]
    if unwanted:
        raise UsageError(
            f"{', '.join(unwanted)} cannot be given together with --resume",
            why="A run goes on with what it was begun with; only --timesteps may be another.",
            next_step="Leave it out, or start a new run.",
        )
    request = TrainingRequest.of(open_run(settings.runs_folder, run))
    return request if timesteps is None else request.lasting(timesteps)
