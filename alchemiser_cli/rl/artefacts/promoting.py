"""Promoting a model: it becomes the one that ``promoted`` means, if its evaluation allows that."""

from pathlib import Path

import msgspec

from alchemiser_cli.clock import Clock, iso_from_ns
from alchemiser_cli.errors import ModelNotPromotableError
from alchemiser_cli.logs import get_logger
from alchemiser_cli.rl.artefacts.files import append_line, locked_folder, write_file
from alchemiser_cli.rl.artefacts.loading import load_artefact
from alchemiser_cli.rl.artefacts.names import PROMOTED_FILE, promoted_name
from alchemiser_cli.rl.artefacts.passport import STRATEGY, Passport, Promotion
from alchemiser_cli.rl.artefacts.reading import read_header
from alchemiser_cli.rl.artefacts.saving import write_passport

__all__ = ["PROMOTIONS", "PromotionOutcome", "promote"]

PROMOTIONS = "promotions.jsonl"
_LOG = get_logger("audit", "models")


class PromotionOutcome(msgspec.Struct, frozen=True):
    """A model's promotion, and which model was the promoted one before."""

    model: str
    promotion: Promotion
    previous: str | None
    passport: Passport


def promote(
    models_folder: Path,
    model: str,
    clock: Clock,
    *,
    by: str,
    override: str | None = None,
    observation_schema_hash: str | None = None,
) -> PromotionOutcome:
    """Make ``model`` the promoted one, recorded in its passport and in ``promotions.jsonl``.

    A model whose evaluation does not allow it is refused, unless ``override`` gives the reason to
    do it all the same. The record is written first: there is no promotion without one.

    Raises:
        ModelNotFoundError: ``model-not-found``.
        ModelCorruptError: ``model-corrupt``.
        ModelIncompatibleError: ``model-incompatible``, as ``load_artefact``.
        ModelNotPromotableError: ``model-not-promotable``, also for a strategy's model.
        HomeNotWritableError: ``home-not-writable``.
        DiskFullError: ``disk-full``.
    """
    folder, header = read_header(models_folder, model)
    if header.kind == STRATEGY:
        raise _of_strategy(folder.name)
    # Looked at before the lock is taken, which would make the folder of models.
    load_artefact(models_folder, model, observation_schema_hash=observation_schema_hash)
    with locked_folder(models_folder):
        artefact = load_artefact(models_folder, model)
        passport, name = artefact.passport, artefact.folder.name
        reason = (override or "").strip() or None
        if not passport.promotable and reason is None:
            raise _refused(passport, blank=override is not None)
        promotion = Promotion(
            at=iso_from_ns(clock.now_ns()),
            by=by,
            overridden=not passport.promotable,
            reason=reason,
        )
        previous = promoted_name(models_folder)
        record = {
            "model": name,
            "weights_hash": passport.weights_hash,
            "previous": previous,
            **msgspec.structs.asdict(promotion),
        }
        append_line(models_folder / PROMOTIONS, msgspec.json.encode(record))
        passport = msgspec.structs.replace(passport, promotion=promotion)
        write_passport(artefact.folder, passport)
        alias = {"name": name, "weights_hash": passport.weights_hash, "at": promotion.at}
        write_file(models_folder / PROMOTED_FILE, msgspec.json.encode(alias) + b"\n")
    _LOG.warning(
        "model_promoted_against_verdict" if promotion.overridden else "model_promoted", **record
    )
    return PromotionOutcome(name, promotion, previous, passport)


def _refused(passport: Passport, *, blank: bool) -> ModelNotPromotableError:
    verdict = passport.verdict
    if verdict is None:
        why = "It was not evaluated."
    else:
        words = " ".join(_sentence(reason) for reason in verdict.reasons)
        why = words or "Its evaluation says so without a reason."
    return ModelNotPromotableError(
        f"model {passport.name} is not promotable",
        why=f"{why} An override needs a reason." if blank else why,
        next_step="Evaluate it (alchemiser train evaluate), train a better one, or give a reason "
        "that is recorded: --override REASON",
        context={"model": passport.name, "reasons": [] if verdict is None else [*verdict.reasons]},
    )


def _of_strategy(name: str) -> ModelNotPromotableError:
    return ModelNotPromotableError(
        f"model {name} belongs to a strategy, and only a policy is promoted",
        why="A strategy acts on the model that its definition or its settings name.",
        next_step=f"To act on it: --set strategies.NAME.model={name}",
        context={"model": name},
    )


def _sentence(reason: str) -> str:
    """Write the name of a finding, as evaluations give reasons, as a sentence."""
    return f"{reason.replace('_', ' ').capitalize()}." if reason.isidentifier() else reason
