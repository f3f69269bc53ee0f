"""Models of both kinds, which lie in one folder: policies, and those of rules' strategies.

The ``kind`` in a model's passport decides who reads the rest: ``rl`` or ``trading``. Libraries of
learning are loaded by ``verify_model`` only.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec

from alchemiser_cli.errors import (
    ModelCorruptError,
    ModelIncompatibleError,
    StrategyModelError,
    StrategyNotFoundError,
)
from alchemiser_cli.rl.artefacts import (
    STRATEGY,
    Artefact,
    FileCheck,
    Header,
    ModelSummary,
    Proof,
    Verification,
    check_files,
    compare_files,
    corrupt,
    load_artefact,
    network_of,
    read_header,
    read_passport,
    refuse_newer,
    verify_artefact,
)
from alchemiser_cli.rl.artefacts import list_models as list_policies
from alchemiser_cli.rl.observation import observation_schema_hash
from alchemiser_cli.settings import Settings
from alchemiser_cli.trading.strategies import StrategyDefinition, find_definition
from alchemiser_cli.trading.strategies.kinds import rule_hash, rule_of
from alchemiser_cli.trading.strategies.model_loading import load_win_model, read_strategy_passport
from alchemiser_cli.trading.strategies.model_passport import (
    MODEL_FILE,
    SCHEMA_VERSION,
    StrategyPassport,
)
from alchemiser_cli.trading.strategies.rule import feature_schema_hash

__all__ = [
    "ListedModel",
    "StrategyModel",
    "check_model",
    "list_models",
    "open_model",
    "read_strategy_model",
    "refuse_other_rule",
    "verify_model",
]


class ListedModel(NamedTuple):
    """One model of a list, with the passport of its kind: ``summary`` has that of a policy."""

    summary: ModelSummary
    strategy: StrategyPassport | None = None


@dataclass(frozen=True)
class StrategyModel:
    """A strategy's model whose files matched its passport; ``extra`` are files it does not know."""

    folder: Path
    passport: StrategyPassport
    extra: tuple[str, ...] = ()


def list_models(models_folder: Path) -> list[ListedModel]:
    """Return every model of every kind in the order of its name; only passports are read."""
    found = []
    for summary in list_policies(models_folder):
        strategy = None
        if summary.kind == STRATEGY:
            try:
                _, strategy = read_strategy_model(models_folder, summary.name)
            except (ModelCorruptError, ModelIncompatibleError) as error:
                fault = f"{error.code}: {error.why}"
                summary = msgspec.structs.replace(summary, fault=fault)  # noqa: PLW2901
        found.append(ListedModel(summary, strategy))
    return found


def open_model(models_folder: Path, model: str) -> Artefact | StrategyModel:
    """Return a model of either kind, after every file's SHA-256 was checked.

    Raises:
        ModelNotFoundError: ``model-not-found``.
        ModelCorruptError: ``model-corrupt``.
        ModelIncompatibleError: ``model-incompatible``: a newer alchemiser wrote it.
    """
    _, header = read_header(models_folder, model)
    if header.kind != STRATEGY:
        return load_artefact(models_folder, model)
    folder, passport = read_strategy_model(models_folder, model)
    checked = _check_strategy_files(folder, passport)
    if checked.faults:
        raise corrupt(folder.name, checked.faults)
    return StrategyModel(folder, passport, checked.extra)


def read_strategy_model(models_folder: Path, model: str) -> tuple[Path, StrategyPassport]:
    """Return the folder and the passport of a strategy's model; no other file is read.

    Raises:
        ModelNotFoundError: ``model-not-found``.
        ModelCorruptError: ``model-corrupt``.
        ModelIncompatibleError: ``model-incompatible``: a newer alchemiser wrote it.
    """
    folder, header = read_header(models_folder, model)
    refuse_newer(folder.name, header, SCHEMA_VERSION)
    try:
        return folder, read_strategy_passport(folder, folder.name)
    except StrategyModelError as error:
        raise corrupt(folder.name, (error.why.rstrip("."),)) from error


def check_model(models_folder: Path, model: str) -> tuple[Header, FileCheck]:
    """Compare the files of a model of either kind with its passport; nothing is loaded.

    Raises:
        ModelNotFoundError: ``model-not-found``.
        ModelCorruptError: ``model-corrupt``: its passport cannot be read.
        ModelIncompatibleError: ``model-incompatible``: a newer alchemiser wrote it.
    """
    _, header = read_header(models_folder, model)
    if header.kind == STRATEGY:
        return header, _check_strategy_files(*read_strategy_model(models_folder, model))
    return header, check_files(*read_passport(models_folder, model))


def refuse_other_rule(passport: StrategyPassport, definition: StrategyDefinition) -> None:
    """Refuse a strategy's model that was trained for another rule, or for other parameters of it.

    Raises:
        ModelIncompatibleError: ``model-incompatible``.
        StrategyMalformedError: ``strategy-malformed``.
    """
    rule, _ = rule_of(definition)
    features = feature_schema_hash(definition.kind, rule)
    if (passport.rule_hash, passport.feature_schema_hash) != (rule_hash(definition), features):
        raise ModelIncompatibleError(
            f"model {passport.name} was trained for another rule",
            why=f"Kind, version or parameters of the strategy {definition.name!r} are not those of "
            "its training.",
            next_step=f"Train it again: alchemiser train strategy {definition.name}",
            context={"model": passport.name, "strategy": definition.name},
        )


def verify_model(settings: Settings, model: str) -> Verification:
    """Prove that a model is whole and does here what it did where it was trained.

    A policy acts on its canary's observations once more. A strategy's model goes with the rule of
    its strategy, and gives the probabilities again that its training noted.

    Raises:
        ModelNotFoundError: ``model-not-found``.
        ModelCorruptError: ``model-corrupt``.
        ModelIncompatibleError: ``model-incompatible``: a newer alchemiser wrote it.
    """
    found = open_model(settings.models_folder, model)
    if isinstance(found, Artefact):
        network = network_of(found.passport)
        return verify_artefact(found, network, observation_schema_hash=observation_schema_hash())
    proven = list(_proofs(settings, found))
    return Verification(
        found.folder.name,
        found.passport.sha256[MODEL_FILE],
        tuple(proof for proof, _ in proven),
        next((error for _, error in proven if error is not None), None),
    )


Proven = tuple[Proof, ModelIncompatibleError | None]


def _proofs(settings: Settings, model: StrategyModel) -> Iterator[Proven]:
    passport = model.passport
    said = f"{len(passport.sha256) + 1} files match the passport"
    if model.extra:
        said += f"; not in the passport and never read: {', '.join(model.extra)}"
    yield Proof("files", "passed", said), None
    try:
        definition = find_definition(passport.strategy, settings.home)
    except StrategyNotFoundError:
        why = f"there is no strategy {passport.strategy} here"
        yield Proof("rule", "skipped", why), None
        yield Proof("probabilities", "skipped", why), None
        return
    try:
        refuse_other_rule(passport, definition)
    except ModelIncompatibleError as error:
        yield Proof("rule", "failed", error.why), error
        yield Proof("probabilities", "skipped", "it was trained for another rule"), None
        return
    said = f"{definition.kind} of the strategy {definition.name}, version {definition.version}"
    yield Proof("rule", "passed", said), None
    yield _probabilities(settings, model, definition)


def _probabilities(
    settings: Settings, model: StrategyModel, definition: StrategyDefinition
) -> Proven:
    rule, _ = rule_of(definition)
    name, digest = model.folder.name, rule_hash(definition)
    try:
        load_win_model(settings.models_folder, name, definition.name, definition.kind, rule, digest)
    except StrategyModelError as error:
        failure = ModelIncompatibleError(
            f"model {name} does not judge here as it did when it was trained",
            why=error.why,
            next_step=error.next_step,
            context={"model": name},
        )
        return Proof("probabilities", "failed", error.why), failure
    said = f"{len(model.passport.probabilities)} probabilities again, as the training noted them"
    return Proof("probabilities", "passed", said), None


def _check_strategy_files(folder: Path, passport: StrategyPassport) -> FileCheck:
    return compare_files(folder, passport.sha256, (MODEL_FILE,))
