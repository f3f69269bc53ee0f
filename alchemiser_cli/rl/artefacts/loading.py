"""Loading a model: every hash is checked before anything is read, and nothing is unpickled."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from alchemiser_cli.errors import AlchemiserError
from alchemiser_cli.rl.artefacts.files import checked_file
from alchemiser_cli.rl.artefacts.names import model_names, promoted_name
from alchemiser_cli.rl.artefacts.passport import STRATEGY, Passport
from alchemiser_cli.rl.artefacts.reading import (
    CANARY,
    WEIGHTS,
    check_files,
    corrupt,
    read_header,
    read_passport,
    refuse_other_observations,
)
from alchemiser_cli.rl.artefacts.tensors import (
    Array,
    Canary,
    canary_of,
    tensors_of,
    weights_hash,
)

__all__ = ["Artefact", "ModelSummary", "list_models", "load_artefact"]


@dataclass(frozen=True, eq=False)
class Artefact:
    """A model whose files matched its passport; ``extra`` are files that it does not know."""

    folder: Path
    passport: Passport
    weights: dict[str, Array]
    canary: Canary
    extra: tuple[str, ...] = ()

    @property
    def parameters(self) -> int:
        """How many numbers the weights have."""
        return sum(array.size for array in self.weights.values())


class ModelSummary(msgspec.Struct, frozen=True):
    """One model of a list: its passport, or why that cannot be read. ``bytes`` is of all files.

    ``kind`` is None where the passport does not even say that. A strategy's model has a passport
    of its own, which ``trading`` reads: it is None here, without a fault.
    """

    name: str
    kind: str | None
    passport: Passport | None
    fault: str | None
    bytes: int
    promoted: bool


def load_artefact(
    models_folder: Path, model: str, *, observation_schema_hash: str | None = None
) -> Artefact:
    """Return the model ``NAME`` or ``models/NAME`` with its weights and canary.

    With ``observation_schema_hash``, a model that was made for other observations is refused.

    Raises:
        ModelNotFoundError: ``model-not-found``.
        ModelCorruptError: ``model-corrupt``.
        ModelIncompatibleError: ``model-incompatible``.
    """
    folder, passport = read_passport(models_folder, model)
    checked = check_files(folder, passport)
    if checked.faults:
        raise corrupt(folder.name, checked.faults)
    if observation_schema_hash is not None:
        refuse_other_observations(passport, observation_schema_hash)
    try:
        weights = tensors_of(checked_file(folder, WEIGHTS, passport.sha256[WEIGHTS]))
        canary = canary_of(tensors_of(checked_file(folder, CANARY, passport.sha256[CANARY])))
    except ValueError as error:
        raise corrupt(folder.name, (str(error),)) from error
    if weights_hash(weights) != passport.weights_hash:
        raise corrupt(folder.name, ("the tensors do not have the hash in the passport",))
    return Artefact(folder, passport, weights, canary, checked.extra)


def list_models(models_folder: Path) -> list[ModelSummary]:
    """Return every model in the order of its name; passports are read, other files are not."""
    promoted = promoted_name(models_folder)
    found = []
    for name in model_names(models_folder):
        kind, passport, fault = None, None, None
        try:
            kind = read_header(models_folder, name)[1].kind or None
            if kind != STRATEGY:
                _, passport = read_passport(models_folder, name)
        except AlchemiserError as error:
            fault = f"{error.code}: {error.why}"
        size = _size(models_folder / name)
        found.append(ModelSummary(name, kind, passport, fault, size, name == promoted))
    return found


def _size(folder: Path) -> int:
    try:
        return sum(one.lstat().st_size for one in folder.iterdir())
    except OSError:
        return 0
