"""Fill the generated regions of the documentation: `python -m tools.generate_docs [--check]`.

A region stands between ``<!-- generated: NAME -->`` and ``<!-- /generated -->``; the names are
those of ``tools.doc_regions.REGIONS``. A region whose numbers alone differ counts as fresh.
"""

import argparse
import re
import sys
from pathlib import Path

from tools.doc_regions import REGIONS, masked, region
from tools.generated import settle

__all__ = ["filled", "main"]

_REGION = re.compile(
    r"(?P<open><!-- generated: (?P<name>[^\n]+?) -->\n)(?P<body>.*?)(?P<close><!-- /generated -->)",
    re.DOTALL,
)
_MEASURED = ("demo", "output")


def filled(text: str) -> str:
    """Return ``text`` with every region as the program is now."""
    return _REGION.sub(_fill, text)


def main(arguments: list[str] | None = None) -> int:
    """Fill the regions, or with ``--check`` fail when one is stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only compare")
    check = parser.parse_args(arguments).check
    pages = [Path("README.md"), *sorted(Path("docs").rglob("*.md"))]
    texts = {page: filled(page.read_text(encoding="utf-8")) for page in pages if page.is_file()}
    return settle(texts, check=check, remedy="make docs")


def _fill(match: re.Match[str]) -> str:
    name, before = match["name"], match["body"]
    kind = name.partition(":")[0]
    if kind not in REGIONS:
        raise SystemExit(f"no generated region is called {name!r}; there are {', '.join(REGIONS)}")
    after = region(name)
    if kind in _MEASURED and masked(before) == masked(after):
        after = before
    return f"{match['open']}{after}{match['close']}"


if __name__ == "__main__":
    sys.exit(main())
