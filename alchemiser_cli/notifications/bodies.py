"""What people read: the subject, the text and the HTML of each kind of message."""

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Protocol

from alchemiser_cli.clock import iso_from_ns
from alchemiser_cli.logs.redaction import redacted
from alchemiser_cli.notifications.alert import RANKS, Alert, AlertKind, Level
from alchemiser_cli.notifications.html_body import Row, document
from alchemiser_cli.notifications.messages import Delivery, DeliveryKind, Message

__all__ = ["Told", "clean", "render", "render_digest", "render_test"]

SUBJECT_LENGTH = 150
_TEXT_LENGTH = 2_000
_MOST_LISTED = 25

_OPENINGS: Mapping[DeliveryKind, str] = {
    "repeat": "still open: ",
    "escalation": "escalated: ",
}
_FOOTER = "Sent by alchemiser. Times are UTC."


class Told(Protocol):
    """What a message needs to know of an incident."""

    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def kind(self) -> AlertKind: ...  # noqa: D102
    @property
    def severity(self) -> Level: ...  # noqa: D102
    @property
    def code(self) -> str: ...  # noqa: D102
    @property
    def component(self) -> str: ...  # noqa: D102
    @property
    def injected(self) -> bool: ...  # noqa: D102
    @property
    def alert(self) -> Alert: ...  # noqa: D102
    @property
    def count(self) -> int: ...  # noqa: D102
    @property
    def opened_ns(self) -> int: ...  # noqa: D102
    @property
    def last_ns(self) -> int: ...  # noqa: D102
    @property
    def resolved_ns(self) -> int | None: ...  # noqa: D102


def render(
    incidents: Sequence[Told],
    kind: DeliveryKind = "alert",
    links: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
) -> Message:
    """Write the message about one incident, or about several that have one cause.

    ``links`` are added to those of the alerts, by their text; only http and https can be followed.
    ``notes`` are sentences about the incident itself, for example that it comes and goes. Secrets
    are masked, and nothing from outside can change the form of the message.
    """
    ranked = sorted(incidents, key=lambda one: -RANKS[one.severity])
    worst = ranked[0]
    blocks = [_rows(one, resolved=kind == "resolved") for one in ranked[:_MOST_LISTED]]
    notes = [clean(note) for note in notes]
    if len(ranked) > _MOST_LISTED:
        notes.append(
            f"{len(ranked) - _MOST_LISTED} more are not listed: alchemiser notify incidents"
        )
    if len(ranked) > 1:
        notes.insert(0, f"{len(ranked)} incidents that may have one cause.")
    drill = _drill(worst)
    if drill:
        notes.insert(0, "This is a drill: the trouble was made on purpose.")
    asked = {clean(text): clean(url) for text, url in (links or {}).items()}
    blocks[-1] = [*blocks[-1], *(Row(text, url, link=url) for text, url in asked.items())]
    subject = _subject(ranked, kind, drill=drill)
    tone = "resolved" if kind == "resolved" else worst.severity
    return Message(
        subject=subject,
        text=_text(subject, notes, blocks),
        html=document(subject, tone, notes, blocks, _FOOTER),
    )


def render_digest(held: Sequence[Delivery]) -> Message:
    """Write the digest of messages that were held back: each subject with its count and times."""
    counts = Counter((one.severity, _with_reason(one)) for one in held)
    ranked = sorted(counts.items(), key=lambda item: (-RANKS[item[0][0]], -item[1], item[0][1]))
    codes = Counter(one.code for one in held).most_common()
    first, last = min(one.queued_ns for one in held), max(one.queued_ns for one in held)
    rows = [Row(f"{count} x", clean(subject)) for (_, subject), count in ranked[: 2 * _MOST_LISTED]]
    rest = sum(count for _, count in ranked[2 * _MOST_LISTED :])
    if rest:
        rows.append(Row(f"{rest} x", "others: alchemiser notify outbox --state digested"))
    rows.append(Row("Held", f"from {_time(first)} to {_time(last)}"))
    rows.append(Row("See all", "alchemiser notify outbox --state digested", command=True))
    listed = ", ".join(f"{clean(code)} x {count}" for code, count in codes)
    plural = "s" if len(held) != 1 else ""
    subject = _short(f"[DIGEST] {len(held)} message{plural} held back: {listed}")
    notes = ["They were beyond a rate limit or silenced. Nothing else was left out."]
    return Message(
        subject=subject,
        text=_text(subject, notes, [rows]),
        html=document(subject, "digest", notes, [rows], _FOOTER),
    )


def render_test(channel: str) -> Message:
    """Write the message that proves a channel."""
    subject = _short(f"[TEST] alchemiser reaches you through {clean(channel)}")
    rows = [
        Row("What", "A test. Nothing is wrong, and nothing is to be done."),
        Row("Sent by", f"alchemiser notify test --channel {clean(channel)}", command=True),
    ]
    return Message(
        subject=subject,
        text=_text(subject, [], [rows]),
        html=document(subject, "low", [], [rows], _FOOTER),
    )


def clean(text: str, length: int = _TEXT_LENGTH) -> str:
    """Return a text from outside as one line: secrets masked, no control characters, shortened."""
    masked = str(redacted("", text))
    plain = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in masked[: 2 * length])
    return _short(" ".join(plain.split()), length)


def _with_reason(held: Delivery) -> str:
    """Return what was held, and why where that is known: a silence says whose it is."""
    reason = f" ({held.error})" if held.error else ""
    return clean(f"{held.subject}{reason}")


def _rows(incident: Told, *, resolved: bool) -> list[Row]:
    alert = incident.alert
    rows = [
        Row("Severity", incident.severity.upper(), strong=True),
        Row("Code", clean(incident.code)),
        Row("Component", clean(incident.component)),
        Row("What", clean(alert.what)),
        Row("Why", clean(alert.why)),
        Row("Next step", "" if resolved else clean(alert.next_step)),
        Row("Runbook", f"alchemiser errors runbook {clean(incident.code)}", command=True),
        Row("Count", f"{incident.count:,}"),
        Row("First", _time(incident.opened_ns)),
        Row("Last", _time(incident.last_ns)),
    ]
    if resolved and incident.resolved_ns is not None:
        rows.append(Row("Resolved", _time(incident.resolved_ns)))
    rows.append(Row("Incident", clean(incident.id)))
    if not resolved:
        command = f"alchemiser notify ack {clean(incident.id)[:8]}"
        rows.append(Row("Acknowledge", command, command=True))
    linked = {clean(text): clean(url) for text, url in alert.links.items()}
    rows.extend(Row(text, url, link=url) for text, url in linked.items())
    return [row for row in rows if row.value]


def _subject(ranked: Sequence[Told], kind: DeliveryKind, *, drill: bool) -> str:
    worst = ranked[0]
    mark = "RESOLVED" if kind == "resolved" else worst.severity.upper()
    head = f"{'[DRILL] ' if drill else ''}[{mark}] {_OPENINGS.get(kind, '')}"
    if len(ranked) == 1:
        return _short(f"{head}{clean(worst.code)}: {clean(worst.alert.what)}")
    codes = ", ".join(dict.fromkeys(clean(one.code) for one in ranked))
    components = {clean(one.component) for one in ranked if one.component}
    where = f" of {components.pop()}" if len(components) == 1 else ""
    return _short(f"{head}{len(ranked)} incidents{where}: {codes}")


def _drill(incident: Told) -> bool:
    return incident.kind == "drill" or incident.injected


def _text(subject: str, notes: Sequence[str], blocks: Sequence[Sequence[Row]]) -> str:
    width = max(len(row.name) for rows in blocks for row in rows) + 2
    lines = [subject, ""]
    if notes:
        lines.extend([*notes, ""])
    for rows in blocks:
        lines.extend([*(f"{f'{row.name}:':<{width}}{row.value}" for row in rows), ""])
    return "\n".join([*lines, _FOOTER, ""])


def _short(text: str, length: int = SUBJECT_LENGTH) -> str:
    return text if len(text) <= length else f"{text[: length - 3].rstrip()}..."


def _time(at_ns: int) -> str:
    return f"{iso_from_ns(at_ns)[:19].replace('T', ' ')} UTC"
