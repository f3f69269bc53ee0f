"""Where experiments are found: files NAME.json or NAME.toml under configs/experiments."""

import difflib
import re
from pathlib import Path

from alchemiser_cli.errors import ExperimentNotFoundError

__all__ = ["experiment_names", "find_experiment", "shipped_experiments"]

FOLDER = "experiments"

_NAME = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")
_ENDINGS = (".json", ".toml")


def find_experiment(named: str, home: Path | None) -> Path:
    """Return the file of an experiment given by its path or by its name.

    A name is looked up in ``./configs/experiments``, in ``configs/experiments`` of the home, and
    among those that come with the package; the first one counts.

    Raises:
        ExperimentNotFoundError: ``experiment-not-found``, naming what there is.
    """
    if named.endswith(_ENDINGS) and Path(named).is_file():
        return Path(named)
    if _NAME.fullmatch(named):
        for folder in _folders(home):
            for ending in _ENDINGS:
                if (file := folder / f"{named}{ending}").is_file():
                    return file
    known = experiment_names(home)
    near = difflib.get_close_matches(named, known, n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]}? " if near else ""
    raise ExperimentNotFoundError(
        f"there is no experiment {named!r}",
        why=f"There are, in configs/{FOLDER}: {', '.join(known) or 'none'}.",
        next_step=f"{hint}Name one of these, or a file that ends in .json or .toml.",
        context={"experiment": named, "known": known},
    )


def experiment_names(home: Path | None = None) -> list[str]:
    """Return the names of all experiments that can be found, sorted."""
    return sorted({name for folder in _folders(home) for name in _names(folder)})


def shipped_experiments() -> dict[str, Path]:
    """Return the files of the experiments that come with the package, by name, sorted."""
    found: dict[str, Path] = {}
    for folder in _package_folders():
        for name, file in _names(folder).items():
            found.setdefault(name, file)
    return dict(sorted(found.items()))


def _names(folder: Path) -> dict[str, Path]:
    files = [file for ending in _ENDINGS for file in folder.glob(f"*{ending}")]
    return {file.stem: file for file in files if _NAME.fullmatch(file.stem)}


def _folders(home: Path | None) -> list[Path]:
    folders = [Path("configs")]
    if home is not None:
        folders.append(home / "configs")
    return [*(folder / FOLDER for folder in folders), *_package_folders()]


def _package_folders() -> list[Path]:
    package = Path(__file__).resolve().parents[2]
    # An installed wheel carries them inside the package; a checkout has them beside it.
    return [folder / "configs" / FOLDER for folder in (package, package.parent)]
