"""What the benchmarks measured."""

from typing import TYPE_CHECKING

import msgspec

from alchemiser_cli.errors.journal.accuracy import TemplateScore
from alchemiser_cli.render.blocks import TableBlock, View

if TYPE_CHECKING:
    from alchemiser_cli.streaming.measure import (
        ConsumerLatency,
        ConsumerMemory,
        ConsumerSpeed,
    )

__all__ = ["consumer_view", "template_score_view"]


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


def consumer_view(
    speed: "ConsumerSpeed", latency: "ConsumerLatency", memory: "ConsumerMemory | None"
) -> View:
    """Return the consumer's two paths beside the baselines, its latency and its memory."""
    rows = [
        ("A: consume(500), AvroDeserializer, gather", speed.gather_per_s),
        ("B: consume(500), values unread", speed.bare_per_s),
        ("callback a tick", speed.ticks_per_s),
        ("columns a batch", speed.columns_per_s),
    ]
    ways = [
        (name, f"{rate:,.0f}/s", f"{rate / rows[0][1]:.2f}", f"{rate / rows[1][1]:.2f}")
        for name, rate in rows
    ]
    figures = [
        (f"latency p50 at {latency.rate_per_s:,}/s", f"{latency.p50_ms:.2f} ms"),
        (f"latency p99 at {latency.rate_per_s:,}/s", f"{latency.p99_ms:.2f} ms"),
    ]
    if memory is not None:
        tenth = memory.messages // 10
        figures += [
            (f"memory after {tenth:,} messages", f"{memory.early_mb:.1f} MB"),
            (f"memory after {memory.messages:,} messages", f"{memory.late_mb:.1f} MB"),
        ]
    right = frozenset({"rate", "to A", "to B", "value"})
    document = {"speed": speed, "latency": latency, "memory": memory}
    return View(
        {name: msgspec.to_builtins(part) for name, part in document.items()},
        [
            TableBlock(("way", "rate", "to A", "to B"), ways, right=right),
            TableBlock(("figure", "value"), figures, right=right),
        ],
    )
