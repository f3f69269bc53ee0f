"""Checks of the model artefacts that enabled strategies act on: policies, and those of rules."""

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from alchemiser_cli.checks import Check, SkipCheck
from alchemiser_cli.errors import (
    AlchemiserError,
    ModelCorruptError,
    ModelIncompatibleError,
    ModelNotFoundError,
)
from alchemiser_cli.preflight.setup import LIVE, Setup

if TYPE_CHECKING:
    from alchemiser_cli.trading.strategies import StrategyDefinition

__all__ = ["checks"]

POLICY = "policy"  # the kind of strategies that act on one


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


class _Named(NamedTuple):
    """An enabled strategy, the model that it acts on, and its definition where that is readable."""

    strategy: str
    model: str
    definition: "StrategyDefinition | None"


def _named(setup: Setup) -> Iterator[_Named]:
    from alchemiser_cli.trading.strategies import find_definition

    for name, chosen in setup.settings.strategies.items():
        if not chosen.enabled:
            continue
        definition = None
        with suppress(AlchemiserError):  # the check of the strategies says what is wrong with it
            definition = find_definition(name, setup.settings.home)
        model = chosen.model or (definition.model if definition is not None else None)
        if model:
            yield _Named(name, model, definition)


def _exist(setup: Setup) -> str:
    from alchemiser_cli.rl.artefacts import model_folder

    named = list(_named(setup))
    if not named:
        raise SkipCheck("no enabled strategy names a model")
    missing = []
    for one in named:
        try:
            folder = model_folder(setup.settings.models_folder, one.model)
        except ModelNotFoundError as error:
            missing.append((one.strategy, f"names {one.model!r}: {error.what}"))
        else:
            if not folder.is_dir():
                missing.append((one.strategy, f"names {folder}"))
    if missing:
        raise ModelNotFoundError(
            f"{len(missing)} model(s) missing",
            why="; ".join(f"strategy {strategy!r} {text}" for strategy, text in missing),
            next_step="Put the artefact there, correct strategies.NAME.model, or disable it.",
            context={"strategies": [strategy for strategy, _ in missing]},
        )
    return f"{len(named)} models"


def _verify(setup: Setup) -> str:
    from alchemiser_cli.pipeline.models import check_model

    faults = []
    for model in sorted({one.model for one in _named(setup)}):
        try:
            checked = check_model(setup.settings.models_folder, model)[1]
        except ModelCorruptError as error:
            faults.append(f"{model}: {error.why}")
        except ModelIncompatibleError:
            continue  # the next check says so
        else:
            faults += [f"{model}: {fault}" for fault in checked.faults]
    if faults:
        raise ModelCorruptError(
            f"{len(faults)} file(s) do not match their passport",
            why="; ".join(faults),
            next_step="Restore the artefact from where it was trained; do not edit its files.",
            context={"faults": faults},
        )
    return "every file matches its passport"


def _fit(setup: Setup) -> str:
    named = list(_named(setup))
    for one in named:
        _refuse_unfit(setup, one)
    return f"{len(named)} models go with their strategies"


def _refuse_unfit(setup: Setup, one: _Named) -> None:
    """Refuse a policy for other observations, a strategy's model for another rule, or the other."""
    from alchemiser_cli.pipeline.models import read_strategy_model, refuse_other_rule
    from alchemiser_cli.rl.artefacts import (
        STRATEGY,
        read_header,
        read_passport,
        refuse_other_observations,
    )
    from alchemiser_cli.rl.observation import observation_schema_hash
    from alchemiser_cli.trading.strategies import BUILT_IN_KINDS

    models, definition = setup.settings.models_folder, one.definition
    kind = None if definition is None else definition.kind
    if read_header(models, one.model)[1].kind == STRATEGY:
        if kind == POLICY:
            raise _other_kind(one, "A policy's strategy needs a trained policy.")
        _, passport = read_strategy_model(models, one.model)
        if definition is not None and kind in BUILT_IN_KINDS:
            refuse_other_rule(passport, definition)
    else:
        if kind in BUILT_IN_KINDS:
            raise _other_kind(one, "A rule's strategy needs a model that judges its trades.")
        refuse_other_observations(read_passport(models, one.model)[1], observation_schema_hash())


def _other_kind(one: _Named, why: str) -> ModelIncompatibleError:
    return ModelIncompatibleError(
        f"the strategy {one.strategy!r} cannot act on a model of this kind: {one.model}",
        why=why,
        next_step="See the kind of each model: alchemiser model list",
        context={"strategy": one.strategy, "model": one.model},
    )
