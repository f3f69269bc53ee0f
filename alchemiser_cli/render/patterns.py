"""Patterns of the journal: each with its figures and its sentence, and how many tests were made."""

import msgspec

from alchemiser_cli.clock import NS_PER_SECOND, iso_from_ns
from alchemiser_cli.errors.patterns import Pattern, PatternReport
from alchemiser_cli.errors.patterns.tested import times_text
from alchemiser_cli.render.blocks import Block, Cell, TableBlock, TextBlock, View

__all__ = ["patterns_view"]

DAY_NS = 86_400 * NS_PER_SECOND
_RIGHT = frozenset({"support", "effect", "p", "q"})


def patterns_view(report: PatternReport) -> View:
    """Return what stands, the surest first, and how many tests it was picked from."""
    document = msgspec.to_builtins(report)
    del document["first_day"]
    document["since"] = iso_from_ns(report.first_day * DAY_NS)
    blocks: list[Block] = []
    if report.patterns:
        columns = ("kind", "test", "code", "other", "support", "effect", "p", "q")
        rows = [_row(one) for one in report.patterns]
        sentences = "\n".join(one.sentence for one in report.patterns)
        blocks = [TextBlock(sentences), TableBlock(columns, rows, right=_RIGHT)]
    blocks.append(TextBlock(_summary(report), style="" if report.patterns else "green"))
    return View(document, blocks)


def _row(one: Pattern) -> tuple[Cell | str, ...]:
    return (
        one.kind,
        one.test,
        Cell(one.code, "bold"),
        one.other or "-",
        f"{one.support:,} of {one.of:,}",
        f"{one.effect_name} {times_text(one.effect)}",
        f"{one.p_value:.1g}",
        f"{one.q_value:.1g}",
    )


def _summary(report: PatternReport) -> str:
    made = ", ".join(f"{count:,} of {kind}" for kind, count in report.tests.items() if count)
    passed = f"{report.passed:,}" if report.passed else "none"
    tests = _many(sum(report.tests.values()), "test") + (f" ({made})" if made else "")
    lines = [f"{tests}, {passed} passed (false-discovery rate below {report.level:g})."]
    if hidden := report.passed - len(report.patterns):
        lines.append(f"{hidden:,} that passed say less than another that is shown.")
    kinds = report.tested + report.rare + report.left_out
    lines.append(
        f"Looked at {_many(report.errors, 'error')} in {_many(report.episodes, 'episode')} of "
        f"{_many(kinds, 'kind')} over {_many(report.days, 'day')}."
    )
    if report.rare:
        lines.append(f"Too rare to test, with fewer than 5 episodes: {_many(report.rare, 'kind')}.")
    if report.left_out:
        lines.append(f"Not tested, for 60 have more episodes: {_many(report.left_out, 'kind')}.")
    return "\n".join(lines)


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
