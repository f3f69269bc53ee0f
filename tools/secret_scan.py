"""Look for secrets in every file that git would commit: `python -m tools.secret_scan`.

A value that only looks like a secret carries ``pragma: allowlist secret`` on its line.
"""

import subprocess
import sys
from pathlib import Path

from detect_secrets import pre_commit_hook

__all__ = ["candidates", "main"]

BASELINE = ".secrets.baseline"
# Hashes of third parties and generated text, not written by hand.
SKIPPED = {BASELINE, "LICENSE"}


def candidates(root: Path) -> list[str]:
    """Return the files below ``root`` that are tracked, or would be by `git add --all`."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    names = sorted(set(listed.split("\0")) - SKIPPED)
    return [name for name in names if (root / name).is_file()]


def main(root: Path | None = None) -> int:
    """Scan, and fail when something looks like a secret."""
    root = root or Path.cwd()
    files = candidates(root)
    code: int = pre_commit_hook.main(["--baseline", BASELINE, *files])
    print(f"secret scan: {len(files)} files, {'nothing found' if code == 0 else 'failed'}")
    return code


if __name__ == "__main__":
    sys.exit(main())
