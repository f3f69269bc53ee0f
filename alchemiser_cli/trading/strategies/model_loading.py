"""Reading a strategy's model: every hash is checked before skops is asked, nothing is unpickled."""

import hashlib
import math
import os
import stat
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec

from alchemiser_cli.errors import StrategyModelError
from alchemiser_cli.trading.signals import ModelStamp
from alchemiser_cli.trading.strategies.model_passport import (
    MODEL_FILE,
    PASSPORT_FILE,
    SCHEMA_VERSION,
    StrategyPassport,
)
from alchemiser_cli.trading.strategies.probability import WinModel, logistic
from alchemiser_cli.trading.strategies.rule import Rule, feature_schema_hash

__all__ = ["TRUSTED", "load_win_model", "read_strategy_passport", "unusable"]

# Types that skops may build beside those of its own list; a file that holds another is refused.
TRUSTED: tuple[str, ...] = ()
LARGEST_FILE = 16_777_216
SAME = 1e-9  # how far a probability may be from the one that the training noted


def load_win_model(
    models_folder: Path, model: str, strategy: str, kind: str, rule: Rule, rule_digest: str
) -> WinModel:
    """Return the model ``model`` for the strategy ``strategy``, once it was proven to fit.

    Its file has the SHA-256 of the passport, it was trained on the features and the rule that it
    is to judge, with this minor version of scikit-learn, and it gives the probabilities that the
    training noted.

    Raises:
        StrategyModelError: ``strategy-model-unusable``, saying which of these fails.
    """
    folder = models_folder / model
    passport = read_strategy_passport(folder, strategy)
    again = f"Train it again: alchemiser train strategy {strategy}"
    features = tuple(rule.features)
    if (passport.feature_schema_hash, passport.features) != (
        feature_schema_hash(kind, rule),
        features,
    ):
        raise unusable(strategy, folder, "It was trained on other features", again)
    if passport.rule_hash != rule_digest:
        why = "It was trained for the rule with other parameters or of another version"
        raise unusable(strategy, folder, why, again)
    content = _content(folder, MODEL_FILE, strategy)
    if hashlib.sha256(content).hexdigest() != passport.sha256.get(MODEL_FILE):
        why = f"{MODEL_FILE} has another SHA-256 than its passport says"
        raise unusable(strategy, folder, why, "Restore the folder from where it was trained.")
    weights, bias = _coefficients(content, passport, strategy, folder)
    stamp = ModelStamp(
        name=passport.name,
        version=passport.version,
        hash=passport.sha256[MODEL_FILE],
        feature_schema_hash=passport.feature_schema_hash,
    )
    for row, expected in zip(passport.inputs, passport.probabilities, strict=True):
        total = bias + sum(one * value for one, value in zip(weights, row, strict=True))
        if not abs(logistic(total) - expected) <= SAME:
            why = "It does not give the probabilities that its training noted"
            raise unusable(strategy, folder, why, again)
    return WinModel(stamp, rule.features, weights, bias)


def read_strategy_passport(folder: Path, strategy: str) -> StrategyPassport:
    """Return the passport of a strategy's model; no other file is read.

    Raises:
        StrategyModelError: ``strategy-model-unusable``.
    """
    if folder.is_symlink() or not folder.is_dir():
        why = f"{folder} is a link" if folder.is_symlink() else f"{folder} does not exist"
        raise unusable(strategy, folder, why, f"Train it: alchemiser train strategy {strategy}")
    content = _content(folder, PASSPORT_FILE, strategy)
    try:
        passport = msgspec.json.decode(content, type=StrategyPassport)
    except msgspec.DecodeError as error:
        why = f"Its passport is not that of a strategy's model: {error}"
        next_step = f"Name a model that was made by: alchemiser train strategy {strategy}"
        raise unusable(strategy, folder, why, next_step) from None
    if passport.schema_version > SCHEMA_VERSION:
        why = f"Its passport has version {passport.schema_version}, newer than {SCHEMA_VERSION}"
        raise unusable(strategy, folder, why, "Install the alchemiser that trained it.")
    whole = (
        len(passport.inputs) == len(passport.probabilities)
        and all(len(row) == len(passport.features) for row in passport.inputs)
    )  # fmt: skip
    if not whole:
        why = "Its passport contradicts itself"
        raise unusable(strategy, folder, why, "Restore the folder from where it was trained.")
    return passport


def unusable(strategy: str, folder: Path, why: str, next_step: str) -> StrategyModelError:
    """Return the error for a model that a strategy must not act on."""
    return StrategyModelError(
        f"the model {folder.name} of the strategy {strategy!r} cannot be used",
        why=f"{why}.",
        next_step=next_step,
        context={"strategy": strategy, "model": folder.name, "folder": str(folder)},
    )


def _content(folder: Path, name: str, strategy: str) -> bytes:
    """Read a regular file that lies in ``folder`` itself; what is returned is what is hashed."""
    next_step = "Restore the folder from where it was trained."
    try:
        descriptor = os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST_FILE:
                raise unusable(strategy, folder, f"{name} is no file of a model", next_step)
            return file.read(LARGEST_FILE + 1)
    except OSError as error:
        why = f"{name} cannot be read: {error.strerror}"
        raise unusable(strategy, folder, why, next_step) from None


def _coefficients(
    content: bytes, passport: StrategyPassport, strategy: str, folder: Path
) -> tuple[tuple[float, ...], float]:
    """Return weights and bias on features that are not standardised."""
    pipeline = _unpacked(content, passport, strategy, folder)
    again = f"Train it again: alchemiser train strategy {strategy}"
    try:
        scaler, regression = (pipeline.named_steps[name] for name in ("scaler", "regression"))
        classes = [int(one) for one in regression.classes_]
        scaled = [
            float(one) / float(scale)
            for one, scale in zip(regression.coef_[0], scaler.scale_, strict=True)
        ]
        bias = float(regression.intercept_[0]) - sum(
            one * float(mean) for one, mean in zip(scaled, scaler.mean_, strict=True)
        )
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        why = f"It is no logistic regression on standardised features ({error})"
        raise unusable(strategy, folder, why, again) from None
    sound = (
        classes == [0, 1]
        and len(scaled) == len(passport.features)
        and math.isfinite(bias)
        and all(math.isfinite(one) for one in scaled)
    )
    if not sound:
        why = "Its coefficients are not finite, or not those of its features"
        raise unusable(strategy, folder, why, again)
    return tuple(scaled), bias


def _unpacked(content: bytes, passport: StrategyPassport, strategy: str, folder: Path) -> Any:
    try:
        # Neither library carries types.
        import skops.io  # type: ignore[import-untyped]
        from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
        from sklearn.pipeline import Pipeline  # type: ignore[import-untyped]
        from sklearn.preprocessing import StandardScaler  # type: ignore[import-untyped]
    except ModuleNotFoundError as error:
        why = f"The package {error.name} is not installed"
        raise unusable(strategy, folder, why, "pip install 'alchemiser[train]'") from None
    here, there = metadata.version("scikit-learn"), passport.versions.get("scikit-learn", "unknown")
    if _minor(here) != _minor(there):
        why = f"It was trained with scikit-learn {there}, and {here} is installed"
        next_step = (
            f"Train it again (alchemiser train strategy {strategy}), or install "
            f"scikit-learn {there}."
        )
        raise unusable(strategy, folder, why, next_step)
    try:
        foreign = set(skops.io.get_untrusted_types(data=content)) - set(TRUSTED)
        found: Any = None if foreign else skops.io.loads(content, trusted=list(TRUSTED))
    except Exception as error:  # what a damaged file raises is skops' own
        why = f"skops cannot read it ({type(error).__name__}: {error})"
        next_step = "Restore the folder from where it was trained."
        raise unusable(strategy, folder, why, next_step) from error
    if foreign:
        why = f"It holds types that nobody trusts: {', '.join(sorted(foreign))}"
        raise unusable(strategy, folder, why, "Leave it alone, and tell security.")
    steps = [type(step) for _, step in found.steps] if type(found) is Pipeline else []
    if steps != [StandardScaler, LogisticRegression]:
        why = "It is no logistic regression on standardised features"
        raise unusable(strategy, folder, why, f"Train it: alchemiser train strategy {strategy}")
    return found


def _minor(version: str) -> list[str]:
    return version.split(".")[:2]
