"""Dead letters: the list, one of them in full, counts by reason, and what a redrive did."""

from collections.abc import Sequence

import msgspec

from alchemiser_cli.clock import iso_from_ns
from alchemiser_cli.render.blocks import Block, Cell, TableBlock, TextBlock, View
from alchemiser_cli.render.foreign_text import (
    base64_text,
    hex_dump,
    lossy_text,
    printable,
    quoted,
)
from alchemiser_cli.streaming.dead_letters import (
    DeadLetter,
    DeadLetterListing,
    Failure,
    ListedLetter,
    ReasonCount,
    RedriveResult,
)

__all__ = ["letter_view", "letters_view", "reasons_view", "redrive_view"]

NS_PER_MS = 1_000_000
SHOWN_STEPS = 100
PREVIEWED_BYTES = 12

_RIGHT = frozenset({"redrives", "count", "bytes", "redriven"})
_OUTCOMES = {
    "sent": Cell("sent", "green"),
    "planned": Cell("would be sent", "cyan"),
    "already": Cell("sent before", "dim"),
    "loop": Cell("refused: it loops", "red"),
    "elsewhere": Cell("not of this topic", "yellow"),
}


def letters_view(listing: DeadLetterListing, topic: str, dlq: str) -> View:
    """Return the newest dead letters of ``topic``, which lie in ``dlq``."""
    document = {
        "topic": topic,
        "dead_letter_topic": dlq,
        "total": listing.total,
        "redriven": listing.redriven,
        "dead_letters": [_row(one) for one in listing.letters],
    }
    if not listing.letters:
        return View(document, [TextBlock(f"No dead letter in {dlq} matches.", style="green")])
    rows = [
        (
            Cell(one.letter.id, "bold"),
            _moment_ms(one.letter.timestamp_ms),
            _source(one.letter.failure),
            _what(one.letter.failure),
            str(one.letter.failure.redrives),
            _state(one.redriven_at_ns),
            _preview(one.letter),
        )
        for one in listing.letters
    ]
    columns = ("id", "at", "from", "what", "redrives", "state", "value")
    shown, total = len(listing.letters), listing.total
    note = TextBlock(f"{shown:,} of {total:,} dead letters of {topic}.", style="dim")
    return View(document, [TableBlock(columns, rows, right=_RIGHT), note])


def reasons_view(counts: Sequence[ReasonCount], topic: str, dlq: str) -> View:
    """Return how many dead letters there are of each family, code and reason."""
    document = {
        "topic": topic,
        "dead_letter_topic": dlq,
        "total": sum(one.count for one in counts),
        "reasons": [msgspec.to_builtins(one) for one in counts],
    }
    if not counts:
        return View(document, [TextBlock(f"No dead letter in {dlq} matches.", style="green")])
    rows = [
        (
            _kind(one.code, one.reason),
            one.family,
            f"{one.count:,}",
            f"{one.redriven:,}",
            _moment_ms(one.first_ms),
            _moment_ms(one.last_ms),
            one.example,
        )
        for one in counts
    ]
    columns = ("what", "family", "count", "redriven", "first", "last", "newest")
    return View(document, [TableBlock(columns, rows, right=_RIGHT)])


def letter_view(one: ListedLetter) -> View:
    """Return one dead letter in full."""
    letter, told = one.letter, one.letter.failure
    facts: list[tuple[str, Cell | str]] = [
        ("from", _source(told)),
        ("at", _moment_ms(letter.timestamp_ms)),
        ("what", _kind(told.code, told.reason)),
        ("exception", printable(told.exception or "-")),
        ("message", printable(told.message or "-")),
        ("stage", printable(told.stage or "-")),
        ("group", printable(told.group or "-")),
        ("deliveries", "-" if told.deliveries is None else str(told.deliveries)),
        ("first failed", printable(told.first_failed_at or "-")),
        ("redrives", str(told.redrives)),
        ("state", _state(one.redriven_at_ns)),
        ("written by", told.family),
        ("key", "-" if letter.key is None else quoted(letter.key)),
        ("bytes", f"{letter.size:,}"),
    ]
    headers = [
        (printable(name), "-" if value is None else quoted(value, limit=200))
        for name, value in letter.headers
        if not name.endswith("stacktrace")
    ]
    blocks: list[Block] = [TableBlock(("dead letter", letter.id), facts), _value(letter)]
    if headers:
        blocks.append(TableBlock(("header", "value"), headers, title="Headers"))
    if told.stacktrace:
        lines = (printable(line) for line in told.stacktrace.splitlines())
        blocks.append(TextBlock("\n".join(lines), style="dim"))
    steps = _next_steps(one)
    blocks.append(TextBlock("Next:\n" + "\n".join(f"  {step}" for step in steps)))
    document = {
        **_row(one),
        "stage": told.stage,
        "group": told.group,
        "deliveries": told.deliveries,
        "schema_id": told.schema_id,
        "stacktrace": told.stacktrace,
        "value_base64": base64_text(letter.value),
        "headers": [
            {"name": name, "text": lossy_text(value), "base64": base64_text(value)}
            for name, value in letter.headers
        ],
        "next_steps": steps,
    }
    return View(document, blocks)


def redrive_view(result: RedriveResult) -> View:
    """Return how many letters came to what, and the first of those that could have been sent."""
    counts = {name: result.count(name) for name in _OUTCOMES}  # type: ignore[arg-type]  # its keys
    document = {
        "topic": result.topic,
        "dry_run": result.dry_run,
        "counts": counts,
        "letters": [msgspec.to_builtins(step) for step in result.steps],
    }
    if not result.steps:
        return View(document, [TextBlock("No dead letter was chosen.", style="green")])
    telling = [step for step in result.steps if step.outcome != "already"]
    rows = [
        (
            Cell(step.id, "bold"),
            _OUTCOMES[step.outcome],
            printable(step.topic) + ("" if step.partition is None else f"[{step.partition}]"),
            _kind(step.code, step.reason),
            str(step.redrives),
            "-" if step.sent is None else f"{step.sent.partition}-{step.sent.offset}",
        )
        for step in telling[:SHOWN_STEPS]
    ]
    said = [f"{counts[name]:,} {cell.text}" for name, cell in _OUTCOMES.items() if counts[name]]
    if len(telling) > SHOWN_STEPS:
        said.append(f"of which the first {SHOWN_STEPS} are shown")
    note = TextBlock(", ".join(said) + ("; nothing was sent." if result.dry_run else "."))
    columns = ("id", "outcome", "to", "what", "redrives", "lies at")
    table = [TableBlock(columns, rows, right=_RIGHT)] if rows else []
    return View(document, [*table, note])


def _row(one: ListedLetter) -> dict[str, object]:
    letter, told = one.letter, one.letter.failure
    return {
        "id": letter.id,
        "at": _iso_ms(letter.timestamp_ms),
        "source": {"topic": told.topic, "partition": told.partition, "offset": told.offset},
        "code": told.code,
        "reason": told.reason,
        "family": told.family,
        "exception": told.exception,
        "message": told.message,
        "redrives": told.redrives,
        "first_failed_at": told.first_failed_at,
        "redriven_at": None if one.redriven_at_ns is None else iso_from_ns(one.redriven_at_ns),
        "key": lossy_text(letter.key),
        "bytes": letter.size,
        "tick": None if letter.tick is None else msgspec.to_builtins(letter.tick),
    }


def _next_steps(one: ListedLetter) -> list[str]:
    identity, code = one.letter.id, one.letter.failure.code
    steps = [f"alchemiser errors runbook {printable(code)}"] if code else []
    if one.redriven_at_ns is None:
        steps.append(f"alchemiser dlq redrive {identity} --dry-run")
    return steps or ["nothing: it was sent back"]


def _value(letter: DeadLetter) -> Block:
    if letter.tick is not None:
        fields = msgspec.structs.asdict(letter.tick).items()
        rows = [(name, printable(str(value))) for name, value in fields if value is not None]
        return TableBlock(("tick", "value"), rows, title="Value")
    if not letter.value:
        return TextBlock("Value: " + _preview(letter))
    return TextBlock("Value, which is not a tick:\n" + hex_dump(letter.value))


def _preview(letter: DeadLetter) -> str:
    if letter.tick is not None:
        return printable(f"{letter.tick.symbol} {letter.tick.price:g} #{letter.tick.sequence}")
    if letter.value is None:
        return "none (a tombstone)"
    return quoted(letter.value, limit=PREVIEWED_BYTES) if letter.value else "empty"


def _kind(code: str | None, reason: str | None) -> str:
    return printable(" / ".join(part for part in (code, reason) if part) or "-")


def _what(told: Failure) -> str:
    kind = _kind(told.code, told.reason)
    return kind if told.family == "alchemiser" else f"{kind} ({told.family})"


def _source(told: Failure) -> str:
    if told.topic is None:
        return "-"
    partition = "?" if told.partition is None else told.partition
    offset = "?" if told.offset is None else told.offset
    return printable(f"{told.topic}[{partition}]@{offset}")


def _state(redriven_at_ns: int | None) -> Cell:
    if redriven_at_ns is None:
        return Cell("open", "yellow")
    return Cell(f"redriven {iso_from_ns(redriven_at_ns)[:19]}Z", "dim")


def _moment_ms(at_ms: int) -> str:
    moment = _iso_ms(at_ms)
    return "-" if moment is None else moment[:19] + "Z"


def _iso_ms(at_ms: int) -> str | None:
    """Return the time, or None for a number that is none: any producer may stamp anything."""
    try:
        return iso_from_ns(at_ms * NS_PER_MS)
    except (OverflowError, ValueError, OSError):
        return None
