"""Check what ruff, mypy and import-linter cannot: `python -m tools.static_checks`.

A line is exempt from a rule with ``# allow RULE: reason``.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from tools.rules import RULES
from tools.source import Finding, Source, read_sources

__all__ = ["check", "main"]

PAGES = PurePosixPath("alchemiser_cli/errors/runbook_pages")


def check(root: Path) -> list[Finding]:
    """Return all findings below ``root``, in the order of their place."""
    findings: list[Finding] = []
    codes: dict[str, Finding] = {}
    for source in read_sources(root):
        found = [finding for rule in RULES for finding in rule(source)]
        findings += [finding for finding in found if not source.allows(finding)]
        codes |= dict(_declared_codes(source))
    findings += _runbooks(root, codes)
    return sorted(set(findings))


def main() -> int:
    """Print the findings; fail when one is more than a note."""
    findings = check(Path(__file__).resolve().parents[1])
    for finding in findings:
        print(finding)
    violations = [finding for finding in findings if not finding.note]
    print(f"static checks: {len(violations)} violations, {len(findings) - len(violations)} notes")
    return 1 if violations else 0


def _declared_codes(source: Source) -> Iterator[tuple[str, Finding]]:
    """Yield each error code that a class declares, with the finding that its page is missing."""
    if not source.within("alchemiser_cli"):
        return
    for kind in ast.walk(source.tree):
        if not (isinstance(kind, ast.ClassDef) and kind.name.endswith("Error")):
            continue
        for statement in kind.body:
            match statement:
                case ast.Assign(
                    targets=[ast.Name(id="code")], value=ast.Constant(value=str() as code)
                ):
                    message = f"{kind.name} has no page {PAGES / code}.md"
                    yield code, Finding(source.path, kind.lineno, "runbook-missing", message)


def _runbooks(root: Path, codes: dict[str, Finding]) -> Iterator[Finding]:
    """Compare the codes with their pages, both ways."""
    pages = {page.stem for page in (root / PAGES).glob("*.md")}
    for code, missing in codes.items():
        if code not in pages:
            yield missing
    for page in pages - codes.keys():
        message = "no error declares this code"
        yield Finding(PAGES / f"{page}.md", 1, "runbook-orphaned", message)


if __name__ == "__main__":
    sys.exit(main())
