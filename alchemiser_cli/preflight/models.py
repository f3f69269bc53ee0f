"""Checks of the model artefacts that enabled strategies name."""

from collections.abc import Iterator
from functools import partial

from alchemiser_cli.checks import Check, SkipCheck
from alchemiser_cli.errors import (
    ModelCorruptError,
    ModelIncompatibleError,
    ModelNotFoundError,
)
from alchemiser_cli.preflight.setup import LIVE, Setup

__all__ = ["checks"]


def checks(setup: Setup) -> list[Check]:
    """Return the checks of the category ``models``."""
    check = partial(setup.check, "models")
    exist, verify = "strategies' models exist", "strategies' models verify"
    return [
        check(exist, "model-not-found", lambda: _exist(setup), blocks_in=LIVE),
        check(
            verify,
            "model-corrupt",
            lambda: _verify(setup),
            blocks_in=LIVE,
            needs=(exist,),
        ),
        check(
            "strategies' models fit",
            "model-incompatible",
            lambda: _fit(setup),
            blocks_in=LIVE,
            needs=(verify,),
        ),
    ]


def _named(setup: Setup) -> Iterator[tuple[str, str]]:
    """Yield each enabled strategy and the model that it names."""
    for strategy, settings in setup.settings.strategies.items():
        if settings.enabled and settings.model:
            yield strategy, settings.model


def _exist(setup: Setup) -> str:
    from alchemiser_cli.rl.artefacts import model_folder

    named = list(_named(setup))
    if not named:
        raise SkipCheck("no enabled strategy names a model")
    missing = []
    for strategy, model in named:
        try:
            folder = model_folder(setup.settings.models_folder, model)
        except ModelNotFoundError as error:
            missing.append((strategy, f"names {model!r}: {error.what}"))
        else:
            if not folder.is_dir():
                missing.append((strategy, f"names {folder}"))
    if missing:
        raise ModelNotFoundError(
            f"{len(missing)} model(s) missing",
            why="; ".join(f"strategy {strategy!r} {text}" for strategy, text in missing),
            next_step="Put the artefact there, correct strategies.NAME.model, or disable it.",
            context={"strategies": [strategy for strategy, _ in missing]},
        )
    return f"{len(named)} models"


def _verify(setup: Setup) -> str:
    from alchemiser_cli.rl.artefacts import check_files, read_passport

    faults = []
    for model in _models(setup):
        try:
            folder, passport = read_passport(setup.settings.models_folder, model)
        except ModelCorruptError as error:
            faults.append(f"{model}: {error.why}")
        except ModelIncompatibleError:
            continue  # the next check says so
        else:
            faults += [f"{folder.name}: {fault}" for fault in check_files(folder, passport).faults]
    if faults:
        raise ModelCorruptError(
            f"{len(faults)} file(s) do not match their passport",
            why="; ".join(faults),
            next_step="Restore the artefact from where it was trained; do not edit its files.",
            context={"faults": faults},
        )
    return "every file matches its passport"


def _fit(setup: Setup) -> str:
    from alchemiser_cli.rl.artefacts import read_passport, refuse_other_observations
    from alchemiser_cli.rl.observation import observation_schema_hash

    expected, models = observation_schema_hash(), _models(setup)
    for model in models:
        _, passport = read_passport(setup.settings.models_folder, model)
        refuse_other_observations(passport, expected)
    return f"{len(models)} models take the observations of this version"


def _models(setup: Setup) -> list[str]:
    return sorted({model for _, model in _named(setup)})
