"""Write the shell completions: `python -m tools.generate_completions [--check]`."""

import argparse
import sys
from pathlib import Path

from typer import completion

from tools.generated import settle

__all__ = ["completion_texts", "main"]

SHELLS = ("bash", "zsh", "fish")
PROGRAM = "alchemiser"


def completion_texts() -> dict[Path, str]:
    """Return the text of each completion script by its path, as Typer itself would install it."""
    return {
        Path("completions") / f"{PROGRAM}.{shell}": completion.get_completion_script(  # type: ignore[attr-defined]  # Typer exports it by use only
            prog_name=PROGRAM, complete_var=f"_{PROGRAM.upper()}_COMPLETE", shell=shell
        )
        + "\n"
        for shell in SHELLS
    }


def main(arguments: list[str] | None = None) -> int:
    """Write the scripts, or with ``--check`` fail when one is stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only compare")
    check = parser.parse_args(arguments).check
    return settle(completion_texts(), check=check, remedy="make completions")


if __name__ == "__main__":
    sys.exit(main())
