"""A strategy's definition: a TOML file in ``strategies/`` that says what it is."""

import difflib
import hashlib
import math
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from alchemiser_cli.errors import StrategyMalformedError, StrategyNotFoundError
from alchemiser_cli.settings.trading import StrategySettings

__all__ = [
    "StrategyDefinition",
    "artefact_name",
    "definition_names",
    "digest_of",
    "find_definition",
    "malformed",
    "read_definition",
]

FOLDER = "strategies"
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: str
    version: int
    symbols: tuple[str, ...]
    description: str = ""
    model: str | None = None
    parameters: dict[str, Any] = {}


class StrategyDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """What a strategy is: its kind, version, symbols and parameters, and where that stands.

    A symbol that ends in ``*`` stands for all with that beginning. ``model`` is the artefact that
    it acts on, as ``artefact_name`` writes it. ``parameters`` are as the file gives them; their
    kind knows which there are.
    """

    name: str
    kind: str
    version: int
    symbols: tuple[str, ...]
    description: str = ""
    model: str | None = None
    parameters: Mapping[str, Any] = {}
    file: Path | None = None

    def with_settings(self, settings: StrategySettings) -> "StrategyDefinition":
        """Return it with the model and symbols of the settings, where those are set.

        Raises:
            StrategyMalformedError: ``strategy-malformed``: the settings' model is no name.
        """
        model = self.model if settings.model is None else settings.model
        return msgspec.structs.replace(
            self,
            symbols=settings.symbols or self.symbols,
            model=None if model is None else _model_of(model, self.name, self.file),
        )


def artefact_name(model: str) -> str:
    """Return ``x`` for ``x``, ``models/x`` and ``strategies/models/x``: they name one artefact.

    Raises:
        ValueError: No artefact can be called so, and no path may lead out of the models' folder.
    """
    name = model.strip("/").removeprefix("strategies/").removeprefix("models/")
    if _MODEL.fullmatch(name) is None:
        raise ValueError(f"{model!r} is no name of a model")
    return name


def digest_of(parts: Mapping[str, Any]) -> str:
    """Return 16 hexadecimal digits of the SHA-256 over ``parts`` in their sorted JSON form."""
    return hashlib.sha256(msgspec.json.encode(parts, order="sorted")).hexdigest()[:16]


def find_definition(name: str, home: Path | None) -> StrategyDefinition:
    """Return the definition of ``name``.

    It is looked up in ``./configs/strategies``, in ``configs/strategies`` of the home, and among
    those that come with the package; the first one counts.

    Raises:
        StrategyNotFoundError: ``strategy-not-found``, naming what there is.
        StrategyMalformedError: ``strategy-malformed``.
    """
    if _NAME.fullmatch(name):
        for folder in _folders(home):
            if (file := folder / f"{name}.toml").is_file():
                return read_definition(file)
    known = definition_names(home)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]}? " if near else ""
    raise StrategyNotFoundError(
        f"there is no strategy {name!r}",
        why=f"There are, in configs/strategies: {', '.join(known) or 'none'}.",
        next_step=f"{hint}Name one of these, or write configs/strategies/NAME.toml.",
        context={"strategy": name, "known": known},
    )


def definition_names(home: Path | None = None) -> list[str]:
    """Return the names of all definitions that can be found, sorted."""
    stems = {file.stem for folder in _folders(home) for file in folder.glob("*.toml")}
    return sorted(stem for stem in stems if _NAME.fullmatch(stem))


def read_definition(file: Path) -> StrategyDefinition:
    """Read one definition; its name is the file's.

    Raises:
        StrategyMalformedError: ``strategy-malformed``, saying what is wrong.
    """
    name = file.stem
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise malformed(name, file, str(error)) from None
    _refuse_unknown(name, file, values, _File.__struct_fields__)
    try:
        found = msgspec.convert(values, _File)
    except msgspec.ValidationError as error:
        raise malformed(name, file, str(error)) from None
    problem = _problem(found)
    if problem:
        raise malformed(name, file, problem)
    return StrategyDefinition(
        name=name,
        kind=found.kind,
        version=found.version,
        symbols=found.symbols,
        description=found.description,
        model=None if found.model is None else _model_of(found.model, name, file),
        parameters=found.parameters,
        file=file,
    )


def malformed(
    name: str, file: Path | None, why: str, next_step: str | None = None
) -> StrategyMalformedError:
    """Return the error for a definition that cannot be used."""
    where = f" ({file})" if file is not None else ""
    return StrategyMalformedError(
        f"the definition of the strategy {name!r} cannot be used{where}",
        why=why if why.endswith(".") else f"{why}.",
        next_step=next_step or f"Correct {file or f'configs/strategies/{name}.toml'}.",
        context={"strategy": name, "file": str(file)},
    )


def unknown_key(key: str, known: Iterable[str], what: str) -> tuple[str, str]:
    """Return why a key is refused and what to write instead."""
    names = sorted(known)
    near = difflib.get_close_matches(key, names, n=1, cutoff=0.5)
    next_step = f"Did you mean {near[0]}?" if near else f"Known are {', '.join(names)}."
    return f"{key!r} is no {what}", next_step


def _refuse_unknown(name: str, file: Path, values: Mapping[str, Any], known: Iterable[str]) -> None:
    for key in values.keys() - set(known):
        raise malformed(name, file, *unknown_key(key, known, "key of a definition"))


def _problem(found: _File) -> str | None:
    if found.version < 1:
        return "version must be 1 or more"
    if not found.symbols:
        return "symbols must name one symbol at least"
    if any(not one or "*" in one[:-1] for one in found.symbols):
        return "a symbol is a name, or a beginning with * at its end"
    if not all(_is_plain(value) for value in found.parameters.values()):
        return "a parameter is a finite number, a text, true or false, or a list of these"
    return None


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(_is_plain(one) for one in value)
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, str | int | bool)


def _model_of(model: str, name: str, file: Path | None) -> str:
    try:
        return artefact_name(model)
    except ValueError as error:
        next_step = "Give NAME, models/NAME or strategies/models/NAME."
        raise malformed(name, file, str(error), next_step) from None


def _folders(home: Path | None) -> list[Path]:
    package = Path(__file__).resolve().parents[2]
    folders = [Path("configs")]
    if home is not None:
        folders.append(home / "configs")
    # An installed wheel carries them inside the package; a checkout has them beside it.
    folders += [package / "configs", package.parent / "configs"]
    return [folder / FOLDER for folder in folders]
