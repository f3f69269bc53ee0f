"""Verifying a model: files, observations, finite weights, and the canary's actions once more."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np

from alchemiser_cli.errors import AlchemiserError, ModelIncompatibleError
from alchemiser_cli.rl.artefacts.loading import Artefact
from alchemiser_cli.rl.artefacts.passport import OPTIONS, Passport
from alchemiser_cli.rl.artefacts.reading import check_files, corrupt, refuse_other_observations
from alchemiser_cli.rl.artefacts.tensors import Array

__all__ = ["TOLERANCE", "Proof", "Prove", "Verification", "network_of", "verify_artefact"]

# Takes named weights and observations (n, ...) float32, returns actions (n, ...).
Prove = Callable[[Mapping[str, Array], Array], Array]

# Between machines and versions of PyTorch the order of sums differs; actions lie in [-1, 1].
TOLERANCE = 1e-4


class Proof(msgspec.Struct, frozen=True):
    """One thing that was verified, and what was found."""

    name: str
    result: Literal["passed", "failed", "skipped"]
    detail: str


@dataclass(frozen=True)
class Verification:
    """All proofs of one model; ``failure`` is the error of the first that failed."""

    model: str
    weights_hash: str
    proofs: tuple[Proof, ...]
    failure: AlchemiserError | None = None

    @property
    def passed(self) -> bool:
        """Whether nothing failed."""
        return self.failure is None

    def refuse(self) -> None:
        """Raise the error of the first proof that failed, if one did.

        Raises:
            ModelCorruptError: ``model-corrupt``.
            ModelIncompatibleError: ``model-incompatible``.
        """
        if self.failure is not None:
            raise self.failure


def verify_artefact(
    artefact: Artefact,
    prove: Prove | None = None,
    *,
    observation_schema_hash: str | None = None,
    tolerance: float = TOLERANCE,
) -> Verification:
    """Prove that a model is whole and does here what it did where it was trained.

    ``prove`` acts with the weights on the canary's observations; its actions may differ from the
    canary's by ``tolerance``. What is not given is skipped.
    """
    proven = list(_proofs(artefact, prove, observation_schema_hash, tolerance))
    return Verification(
        artefact.folder.name,
        artefact.passport.weights_hash,
        tuple(proof for proof, _ in proven),
        next((error for _, error in proven if error is not None), None),
    )


def network_of(passport: Passport) -> Prove:
    """Return what acts as the model's own network does; PyTorch is loaded when it first acts."""

    def prove(weights: Mapping[str, Array], observations: Array) -> Array:
        from alchemiser_cli.rl.td3.acting import prove_with
        from alchemiser_cli.rl.td3.presets import Architecture

        architecture = msgspec.convert(passport.architecture, Architecture)
        return prove_with(architecture)(weights, observations)

    return prove


Proven = tuple[Proof, AlchemiserError | None]


def _proofs(
    artefact: Artefact, prove: Prove | None, expected: str | None, tolerance: float
) -> Iterator[Proven]:
    yield _files(artefact)
    yield _observations(artefact, expected)
    finite = _finite(artefact)
    yield finite
    if prove is None or finite[1] is not None:
        why = "no network was given" if prove is None else "the weights are not finite"
        yield Proof("canary", "skipped", why), None
    else:
        yield _canary(artefact, prove, tolerance)


def _files(artefact: Artefact) -> Proven:
    checked = check_files(artefact.folder, artefact.passport)
    if checked.faults:
        error = corrupt(artefact.folder.name, checked.faults)
        return Proof("files", "failed", error.why), error
    said = f"{checked.files} files match the passport"
    if checked.extra:
        said += f"; not in the passport and never read: {', '.join(checked.extra)}"
    return Proof("files", "passed", said), None


def _observations(artefact: Artefact, expected: str | None) -> Proven:
    if expected is None:
        return Proof("observations", "skipped", "no environment was given"), None
    environment = artefact.passport.environment
    if environment != OPTIONS:
        return Proof("observations", "skipped", f"those of {environment}"), None
    try:
        refuse_other_observations(artefact.passport, expected)
    except ModelIncompatibleError as error:
        return Proof("observations", "failed", error.why), error
    return Proof("observations", "passed", f"schema {expected[:12]}"), None


def _finite(artefact: Artefact) -> Proven:
    bad = [name for name, array in artefact.weights.items() if not np.isfinite(array).all()]
    if bad:
        fault = f"NaN or infinite numbers are in {', '.join(sorted(bad))}"
        error = corrupt(artefact.folder.name, (fault,))
        return Proof("weights", "failed", error.why), error
    counts = f"{artefact.parameters:,} finite numbers in {len(artefact.weights)} tensors"
    return Proof("weights", "passed", counts), None


def _canary(artefact: Artefact, prove: Prove, tolerance: float) -> Proven:
    observations, wanted = artefact.canary
    try:
        given = np.asarray(prove(artefact.weights, observations))
    except Exception as error:  # noqa: BLE001  what a network raises is its own
        return _unproven(artefact, f"The network raised {type(error).__name__}: {error}", error)
    if given.shape != wanted.shape:
        return _unproven(artefact, f"Actions of shape {given.shape} came, not {wanted.shape}")
    difference = float(np.max(np.abs(given.astype(np.float64) - wanted.astype(np.float64))))
    if not difference <= tolerance:  # NaN is a difference, too
        text = f"The actions differ by up to {difference:.2g}; {tolerance:g} is allowed"
        return _unproven(artefact, text)
    said = f"{len(wanted)} actions again, within {difference:.1g} of {tolerance:g} allowed"
    return Proof("canary", "passed", said), None


def _unproven(artefact: Artefact, why: str, cause: Exception | None = None) -> Proven:
    error = ModelIncompatibleError(
        f"model {artefact.folder.name} does not act here as it did when it was saved",
        why=f"{why}.",
        next_step="Compare the versions in its passport with those installed here: "
        f"alchemiser model inspect {artefact.folder.name}",
        context={"model": artefact.folder.name},
    )
    error.__cause__ = cause
    return Proof("canary", "failed", error.why), error
