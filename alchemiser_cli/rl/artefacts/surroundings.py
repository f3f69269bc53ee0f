"""What a model was made with: versions of the libraries, and the revision of the source."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import alchemiser_cli

__all__ = ["git_revision", "library_versions"]

_LIBRARIES = ("torch", "numpy", "stable-baselines3", "gymnasium")
_GIT_TIMEOUT_S = 5.0


def library_versions() -> dict[str, str]:
    """Return the versions of Python, alchemiser and the installed libraries of learning."""
    found = {"python": platform.python_version(), "alchemiser": alchemiser_cli.__version__}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def git_revision(package: Path | None = None) -> str | None:
    """Return the commit of the source of ``package``, with ``-dirty`` where it was changed since.

    None where the package is not under version control, so that a virtual environment inside
    another project is not taken for it, and where there is no git. The package is alchemiser's by
    default.
    """
    package = package or Path(alchemiser_cli.__file__).parent
    if _git(package, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    # With every tag excluded, git describes a commit by its whole name.
    return _git(package, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=_GIT_TIMEOUT_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
