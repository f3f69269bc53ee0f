"""What the benchmarks measured."""

import msgspec

from alchemiser_cli.errors.journal.accuracy import TemplateScore
from alchemiser_cli.errors.journal.measure import CaptureCost
from alchemiser_cli.render.blocks import TableBlock, View

__all__ = ["capture_cost_view", "template_score_view"]


def template_score_view(score: TemplateScore) -> View:
    """Return the accuracy, the speed and the largest groups."""
    figures = [
        ("grouping accuracy", f"{score.grouping_accuracy:.3f}"),
        ("messages", str(score.messages)),
        ("groups", str(score.groups)),
        ("true groups", str(score.true_groups)),
        ("messages per second", f"{score.messages_per_s:.0f}"),
    ]
    groups = [(str(one.count), one.template) for one in score.largest]
    title = f"{score.message_column} against {score.truth_column}"
    return View(
        msgspec.to_builtins(score),
        [
            TableBlock(("figure", "value"), figures, title=title, right=frozenset({"value"})),
            TableBlock(("count", "largest groups"), groups, right=frozenset({"count"})),
        ],
    )


def capture_cost_view(cost: CaptureCost) -> View:
    """Return the cost of a capture beside that of a log record."""
    rows = [
        ("capture, median", f"{cost.capture_us:.1f} µs"),
        ("capture, 99 of 100", f"{cost.capture_p99_us:.1f} µs"),
        ("capture of a critical error, written through", f"{cost.critical_us:.1f} µs"),
        ("logging to a file, median", f"{cost.logging_us:.1f} µs"),
        ("dropped", str(cost.dropped)),
    ]
    return View(
        msgspec.to_builtins(cost),
        [TableBlock(("figure", "value"), rows, right=frozenset({"value"}))],
    )
