"""Generated files: written, or compared with what is there."""

import difflib
import sys
from collections.abc import Mapping
from pathlib import Path

__all__ = ["settle"]


def settle(texts: Mapping[Path, str], *, check: bool, remedy: str) -> int:
    """Write each text to its path, or with ``check`` only compare; return the exit code.

    A stale file is shown as a diff, with the ``remedy`` that refreshes it.
    """
    stale = {path: text for path, text in texts.items() if _read(path) != text}
    for path, text in stale.items():
        if check:
            sys.stderr.writelines(_difference(path, text))
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path}")
    if check and stale:
        print(f"stale: {', '.join(map(str, stale))}; run `{remedy}`", file=sys.stderr)
        return 1
    return 0


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _difference(path: Path, text: str) -> list[str]:
    before = (_read(path) or "").splitlines(keepends=True)
    after = text.splitlines(keepends=True)
    return list(difflib.unified_diff(before, after, str(path), f"{path} (generated)"))
