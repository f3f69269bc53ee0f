"""Notifications: incidents, messages and what became of them, channels, silences, passes."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from alchemiser_cli.clock import NS_PER_SECOND, duration_text, iso_from_ns
from alchemiser_cli.notifications.alert import Level
from alchemiser_cli.notifications.courier import PassResult
from alchemiser_cli.notifications.incident_rows import Incident
from alchemiser_cli.notifications.messages import Delivery, DeliveryState
from alchemiser_cli.notifications.proving import Answer, ChannelStanding
from alchemiser_cli.notifications.silences import Silence
from alchemiser_cli.render.blocks import Block, Cell, TableBlock, TextBlock, View
from alchemiser_cli.render.foreign_text import printable

__all__ = [
    "acknowledged_view",
    "channels_view",
    "incidents_view",
    "outbox_view",
    "passes_view",
    "proofs_view",
    "silence_view",
    "silences_view",
]

SHORT_ID = 8

_SEVERITIES: Mapping[str, str] = {
    "critical": "bold red",
    "high": "red",
    "medium": "yellow",
    "low": "",
}
_STATES: Mapping[str, str] = {
    "sent": "green",
    "queued": "cyan",
    "sending": "cyan",
    "failed": "bold red",
    "held": "yellow",
    "digested": "dim",
    "cancelled": "dim",
}
_NO_CHANNEL = (
    "No channel is configured, so nobody is told of anything.\n"
    "Add one: --set notifications.desk.url=mailto://USER:PASSWORD@HOST?to=DESK@HOST"
)


def passes_view(result: PassResult) -> View:
    """Return what one pass of a courier did, or all of a run."""
    rows = [
        (name, f"{count:,}")
        for name, count in (
            ("alerts read", result.alerts),
            ("messages queued", result.queued),
            ("messages held back", result.held),
            ("digests and audit heads queued", result.digests),
            ("messages sent", result.sent),
            ("to be tried again", result.retried),
            ("given up", result.failed),
            ("incidents kept silent", result.silenced),
            ("incidents resolved", result.resolved),
        )
    ]
    blocks: list[Block] = [TableBlock(("courier", "number"), rows, right=frozenset({"number"}))]
    if result.troubles:
        lines = "\n".join(f"  {printable(one)}" for one in result.troubles)
        blocks.append(TextBlock(f"Not all of the work could be done:\n{lines}", style="red"))
    return View(msgspec.to_builtins(result), blocks)


def proofs_view(answers: Sequence[Answer]) -> View:
    """Return what each channel answered to a test."""
    document = {"channels": [msgspec.to_builtins(one) for one in answers]}
    if not answers:
        return View(document, [TextBlock(_NO_CHANNEL, style="yellow")])
    rows = [
        (
            Cell(one.channel, "bold"),
            Cell("taken", "green") if one.taken else Cell("not taken", "bold red"),
            f"{one.seconds:.1f} s",
            printable(one.error) or "-",
        )
        for one in answers
    ]
    columns = ("channel", "test", "answered in", "why")
    return View(document, [TableBlock(columns, rows, right=frozenset({"answered in"}))])


def outbox_view(rows: Sequence[Delivery], counts: Mapping[tuple[str, DeliveryState], int]) -> View:
    """Return messages, the newest first; ``counts`` has all there are, by channel and state."""
    totals: Counter[str] = Counter()
    for (_, state), count in counts.items():
        totals[state] += count
    document = {
        "counts": dict(totals),
        "messages": [_message(one) for one in rows],
    }
    if not rows:
        return View(document, [TextBlock("No message matches.", style="green")])
    cells = [
        (
            Cell(one.id[:SHORT_ID], "bold"),
            _moment(one.queued_ns),
            one.channel,
            one.kind,
            Cell(one.severity, _SEVERITIES[one.severity]),
            Cell(one.state, _STATES[one.state]),
            str(one.attempts),
            printable(one.subject),
            printable(one.error) or "-",
        )
        for one in rows
    ]
    columns = ("id", "queued", "channel", "kind", "severity", "state", "tries", "subject", "why")
    said = ", ".join(f"{count:,} {state}" for state, count in sorted(totals.items()))
    blocks: list[Block] = [
        TableBlock(columns, cells, right=frozenset({"tries"})),
        TextBlock(f"{len(rows):,} shown. In all: {said}.", style="dim"),
    ]
    return View(document, blocks)


def incidents_view(found: Sequence[Incident], now_ns: int) -> View:
    """Return incidents in the order given."""
    document = {"incidents": [_incident(one) for one in found]}
    if not found:
        return View(document, [TextBlock("No incident is open.", style="green")])
    cells = [
        (
            Cell(one.id[:SHORT_ID], "bold"),
            Cell(one.severity, _SEVERITIES[one.severity]),
            Cell(one.state, "green" if one.state == "resolved" else ""),
            one.code,
            printable(one.component),
            f"{one.count:,}",
            duration_text((now_ns - one.opened_ns) / NS_PER_SECOND),
            printable(one.acknowledged_by or "") or "-",
            printable(", ".join(one.course.told)) or "-",
            printable(_what(one)),
        )
        for one in found
    ]
    columns = (
        "id",
        "severity",
        "state",
        "code",
        "component",
        "count",
        "open for",
        "taken on by",
        "told",
        "what",
    )
    return View(document, [TableBlock(columns, cells, right=frozenset({"count", "open for"}))])


def acknowledged_view(one: Incident) -> View:
    """Return who has taken an incident on."""
    if one.acknowledged_by is None:
        text = f"The incident {one.id[:SHORT_ID]} is over: there is nothing to acknowledge."
    else:
        text = (
            f"{printable(one.acknowledged_by)} has taken on {one.id[:SHORT_ID]}: {one.code} in "
            f"{printable(one.component)}.\nNobody is told of it any more, but that it is over.\n"
            f"Next: alchemiser errors runbook {one.code}"
        )
    return View(_incident(one), [TextBlock(text)])


def channels_view(found: Sequence[ChannelStanding]) -> View:
    """Return the channels of the settings, and how each of them stands."""
    document = {
        "channels": [
            {
                **msgspec.to_builtins(one),
                "last_at": None if one.last_ns is None else iso_from_ns(one.last_ns),
            }
            for one in found
        ]
    }
    if not found:
        return View(document, [TextBlock(_NO_CHANNEL, style="yellow")])
    rows = [
        (
            Cell(one.channel, "bold"),
            _proof(one),
            ", ".join(one.severities),
            "never" if one.age_s is None else f"{duration_text(one.age_s)} ago",
            f"{one.waiting:,}",
            f"{one.held:,}",
            f"{one.failed:,}",
            printable(one.error) or "-",
        )
        for one in found
    ]
    columns = ("channel", "state", "takes", "delivered", "waiting", "held", "given up", "error")
    blocks: list[Block] = [
        TableBlock(columns, rows, right=frozenset({"waiting", "held", "given up"}))
    ]
    if any(one.enabled and not one.proved for one in found):
        blocks.append(TextBlock("Prove them: alchemiser notify test", style="yellow"))
    return View(document, blocks)


def silences_view(found: Sequence[Silence], now_ns: int) -> View:
    """Return silences in the order given."""
    document = {"silences": [_silence(one) for one in found]}
    if not found:
        return View(document, [TextBlock("Nothing is silenced.", style="green")])
    rows = [
        (
            Cell(one.id[:SHORT_ID], "bold"),
            printable(_matched(one)),
            f"{_moment(one.until_ns)}" if one.active(now_ns) else Cell("over", "dim"),
            printable(one.author),
            printable(one.reason),
        )
        for one in found
    ]
    return View(document, [TableBlock(("id", "matches", "until", "by", "reason"), rows)])


def silence_view(one: Silence, done: str) -> View:
    """Return one silence, and what was ``done`` to it."""
    text = f"The silence {one.id[:SHORT_ID]} was {done}: {printable(_matched(one))}."
    if done == "added":
        text += f"\nIt ends {_moment(one.until_ns)}. What it keeps quiet is counted in the digest."
    return View(_silence(one), [TextBlock(text)])


def _message(one: Delivery) -> dict[str, object]:
    document = msgspec.to_builtins(one)
    for name in ("text", "html", "leased_until_ns"):
        del document[name]
    return {
        **document,
        "queued_at": iso_from_ns(one.queued_ns),
        "sent_at": None if one.sent_ns is None else iso_from_ns(one.sent_ns),
    }


def _incident(one: Incident) -> dict[str, object]:
    return {
        "id": one.id,
        "fingerprint": one.fingerprint,
        "state": one.state,
        "kind": one.kind,
        "severity": one.severity,
        "code": one.code,
        "component": one.component,
        "group": one.group,
        "what": one.alert.what,
        "why": one.alert.why,
        "next_step": one.alert.next_step,
        "count": one.count,
        "injected": one.injected,
        "regressed": one.regressed,
        "flapping": one.flapping,
        "opened_at": iso_from_ns(one.opened_ns),
        "last_at": iso_from_ns(one.last_ns),
        "resolved_at": None if one.resolved_ns is None else iso_from_ns(one.resolved_ns),
        "policy": one.policy.name,
        "told": sorted(one.course.told),
        "acknowledged_by": one.acknowledged_by,
        "acknowledged_at": None
        if one.acknowledged_ns is None
        else iso_from_ns(one.acknowledged_ns),
    }


def _silence(one: Silence) -> dict[str, object]:
    return {
        "id": one.id,
        "matcher": msgspec.to_builtins(one.matcher),
        "until": iso_from_ns(one.until_ns),
        "author": one.author,
        "reason": one.reason,
        "added_at": iso_from_ns(one.at_ns),
        "ended_at": None if one.ended_ns is None else iso_from_ns(one.ended_ns),
    }


def _what(one: Incident) -> str:
    marks: Iterable[tuple[bool, str]] = (
        (one.injected or one.kind == "drill", "drill"),
        (one.flapping, "comes and goes"),
        (one.regressed and not one.flapping, "came back"),
    )
    said = ", ".join(word for holds, word in marks if holds)
    return one.alert.what + (f" ({said})" if said else "")


def _proof(one: ChannelStanding) -> Cell:
    if not one.enabled:
        return Cell("off", "dim")
    return Cell("proved", "green") if one.proved else Cell("not proved", "yellow")


def _matched(one: Silence) -> str:
    fields: Mapping[str, Sequence[str | Level]] = msgspec.to_builtins(one.matcher)
    return "; ".join(f"{name} {', '.join(values)}" for name, values in fields.items() if values)


def _moment(at_ns: int) -> str:
    return iso_from_ns(at_ns)[:19] + "Z"
