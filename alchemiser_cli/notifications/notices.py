"""Writing a notice: the delivery of one message about one incident or several."""

import uuid
from collections.abc import Callable, Mapping, Sequence

from alchemiser_cli.clock import duration_text
from alchemiser_cli.notifications.bodies import render
from alchemiser_cli.notifications.grouping import Notice
from alchemiser_cli.notifications.incident_rows import Incident
from alchemiser_cli.notifications.messages import Delivery

__all__ = ["Links", "delivery_of", "no_links"]

Links = Callable[[Incident, str], Mapping[str, str]]
"""Gives the links of a message about an incident through a channel, by their names."""


def no_links(_incident: Incident, _channel: str) -> Mapping[str, str]:
    """Return no link."""
    return {}


def delivery_of(notice: Notice, links: Links, now_ns: int) -> Delivery:
    """Write the message of a notice for the ledger; ``held`` where a silence keeps it back."""
    first = notice.lead
    message = render(
        notice.incidents, notice.kind, links(first, notice.channel), _notes(notice.incidents)
    )
    return Delivery(
        id=uuid.uuid4().hex,
        incident=first.id,
        channel=notice.channel,
        kind=notice.kind,
        severity=first.severity,
        code=first.code,
        subject=message.subject,
        text=message.text,
        html=message.html,
        state="held" if notice.silenced else "queued",
        queued_ns=now_ns,
        due_ns=now_ns,
        error=notice.silenced,
    )


def _notes(incidents: Sequence[Incident]) -> list[str]:
    """Return what to say of an incident beside its alert; of several it would be too much."""
    if len(incidents) > 1:
        return []
    (one,) = incidents
    notes = []
    if one.regressed:
        notes.append("This was over before, and is back.")
    if one.flapping:
        kept = duration_text(one.course.keep_firing_s)
        notes.append(
            f"It comes and goes: {one.course.openings} times within an hour. It now counts as over "
            f"after {kept} of quiet."
        )
    if one.course.silenced:
        notes.append("A silence kept earlier news of it back.")
    return notes
