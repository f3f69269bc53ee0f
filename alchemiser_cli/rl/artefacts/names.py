"""Where models lie: the one place that turns what a user wrote into a folder."""

import re
from pathlib import Path

import msgspec

from alchemiser_cli.errors import ModelNotFoundError

__all__ = ["PROMOTED", "model_folder", "model_names", "promoted_name"]

PROMOTED = "promoted"
PROMOTED_FILE = f"{PROMOTED}.json"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class _Promoted(msgspec.Struct):
    name: str


def model_folder(models_folder: Path, model: str) -> Path:
    """Return the folder of a model given as ``NAME`` or ``models/NAME``; it need not exist.

    Settings may also say ``strategies/models/NAME``. ``promoted`` means the model that was
    promoted last.

    Raises:
        ModelNotFoundError: ``model-not-found`` for what no model can be called, so that no path
            leads out of ``models_folder``; also for ``promoted`` where none was.
    """
    name = model.removeprefix("strategies/").removeprefix("models/").rstrip("/")
    if name == PROMOTED:
        promoted = promoted_name(models_folder)
        if promoted is None:
            raise ModelNotFoundError(
                "no model was promoted",
                why=f"There is no readable {models_folder / PROMOTED_FILE}.",
                next_step="Choose a model (alchemiser model list), then: alchemiser model promote",
            )
        name = promoted
    if not _is_name(name):
        raise ModelNotFoundError(
            f"{model!r} is no name of a model",
            why="A name has up to 100 letters, digits, points, hyphens and underscores.",
            next_step="Give NAME or models/NAME; see which there are: alchemiser model list",
        )
    return models_folder / name


def model_names(models_folder: Path) -> list[str]:
    """Return the names of the folders that can be models, whatever their state, in order."""
    try:
        return sorted(one.name for one in models_folder.iterdir() if _can_be_model(one))
    except OSError:
        return []


def promoted_name(models_folder: Path) -> str | None:
    """Return which model was promoted last, or None."""
    try:
        content = (models_folder / PROMOTED_FILE).read_bytes()
        name = msgspec.json.decode(content, type=_Promoted).name
    except (OSError, msgspec.DecodeError):
        return None
    return name if _is_name(name) else None


def _can_be_model(path: Path) -> bool:
    return _is_name(path.name) and path.is_dir()


def _is_name(name: str) -> bool:
    reserved = name == PROMOTED or name.endswith(".json")
    return _NAME.fullmatch(name) is not None and not reserved
