"""What a replay sent and what a consumer saw."""

import sys

import msgspec

from alchemiser_cli.clock import iso_from_ns
from alchemiser_cli.market import Dataset, DatasetEntry
from alchemiser_cli.render.blocks import Cell, TableBlock, TextBlock, View
from alchemiser_cli.streaming import Cluster, ConsumeResult, ReplayResult

__all__ = ["consume_view", "datasets_view", "replay_view", "warn_of_own_cluster"]

_RIGHT = frozenset({"partition", "committed", "lag", "value"})


def datasets_view(entries: list[DatasetEntry]) -> View:
    """Return the datasets that can be replayed."""
    rows = [
        (entry.name, entry.description, f"alchemiser[{entry.extra}]" if entry.extra else "-")
        for entry in entries
    ]
    document = {"datasets": [msgspec.to_builtins(entry) for entry in entries]}
    return View(document, [TableBlock(("dataset", "what it holds", "needs"), rows)])


def replay_view(dataset: Dataset, result: ReplayResult) -> View:
    """Return what was sent, and of what."""
    document = {
        "dataset": dataset.name,
        "description": dataset.description,
        "provenance": msgspec.to_builtins(dataset.provenance),
        **msgspec.to_builtins(result),
    }
    rows = [
        ("dataset", dataset.name),
        ("topic", result.topic),
        ("ticks sent", f"{result.sent:,}"),
        ("symbols", f"{result.symbols:,}"),
        ("first event", _moment(result.first_event_time_ns)),
        ("last event", _moment(result.last_event_time_ns)),
        ("bytes", f"{result.bytes:,}"),
        ("rate", f"{result.throughput_per_s:,.0f}/s"),
    ]
    note = TextBlock(dataset.description, style="dim")
    return View(document, [TableBlock(("replay", "value"), rows, right=_RIGHT), note])


def consume_view(result: ConsumeResult) -> View:
    """Return the summary of a consumer, with its partitions."""
    counts: list[tuple[str, Cell | str]] = [
        ("group", result.group),
        ("consumed", f"{result.consumed:,}"),
        ("processed", f"{result.processed:,}"),
        ("failed", _count(result.failed)),
        ("dead-lettered", _count(result.dead_lettered)),
        ("quarantined", _count(result.quarantined)),
        ("sequence gaps", _count(result.gaps)),
        ("duplicates", _count(result.duplicates)),
        ("reordered", f"{result.reordered:,}"),
        *(
            (name, _count(number))
            for name, number in (("conflated", result.conflated), ("rejoined", result.rejoined))
            if number
        ),
        ("rate", f"{result.throughput_per_s:,.0f}/s"),
        ("latency p50", _milliseconds(result.latency_ms.p50)),
        ("latency p99", _milliseconds(result.latency_ms.p99)),
    ]
    partitions = [
        (
            one.topic,
            str(one.partition),
            "-" if one.committed_offset is None else str(one.committed_offset),
            "-" if one.lag is None else str(one.lag),
        )
        for one in result.partitions
    ]
    return View(
        msgspec.to_builtins(result),
        [
            TableBlock(("consumer", "value"), counts, right=_RIGHT),
            TableBlock(("topic", "partition", "committed", "lag"), partitions, right=_RIGHT),
        ],
    )


def warn_of_own_cluster(cluster: Cluster) -> None:
    """Say on standard error that the embedded Kafka of a command ends with it."""
    if cluster.origin == "own":
        sys.stderr.write(
            "note: no embedded Kafka is served, so this command uses one of its own, which ends\n"
            "  with it. To share one between terminals: alchemiser broker serve\n"
        )


def _count(number: int) -> Cell:
    return Cell(f"{number:,}", "yellow" if number else "")


def _milliseconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} ms"


def _moment(at_ns: int | None) -> str:
    return "-" if at_ns is None else iso_from_ns(at_ns)[:19] + "Z"
