"""Whether people would be told: when each channel last proved itself, and what never arrived."""

from functools import partial

import msgspec
from sqlalchemy import func, select

from alchemiser_cli.checks import Check, SkipCheck
from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.errors import NotificationError
from alchemiser_cli.health.surroundings import Surroundings, duration_text
from alchemiser_cli.settings import Settings
from alchemiser_cli.state import StateDatabase, delivery

__all__ = ["GivenUp", "Proof", "given_up", "notification_checks", "proofs"]

LOOK_BACK_S = 24 * 3_600
NEWEST = 1_000

_delivery = delivery.c


class Proof(msgspec.Struct, frozen=True):
    """When an enabled channel last took a message; ``age_s`` is None where it never did.

    ``error`` is what it answered since, if its newest answer was a refusal.
    """

    channel: str
    age_s: float | None
    error: str


class GivenUp(msgspec.Struct, frozen=True):
    """How many messages of a channel were given up within a day, and why the newest was."""

    channel: str
    count: int
    error: str


def proofs(database: StateDatabase, settings: Settings, now_ns: int) -> list[Proof]:
    """Return when each enabled channel last took a message, in the order of the settings.

    Raises:
        DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
    """
    names = [
        name
        for name, channel in settings.notifications.items()
        if channel.enabled and channel.url is not None
    ]
    if not names:
        return []
    successes = (
        select(_delivery.channel, func.max(_delivery.sent_ns))
        .where(_delivery.state == "sent", _delivery.channel.in_(names))
        .group_by(_delivery.channel)
    )
    troubles = (
        select(_delivery.channel, _delivery.error, _delivery.queued_ns)
        .where(_delivery.state != "sent", _delivery.error != "", _delivery.channel.in_(names))
        .order_by(_delivery.queued_ns.desc())
        .limit(NEWEST)
    )
    with database.begin() as connection:
        last = {name: int(sent_ns) for name, sent_ns in connection.execute(successes)}
        errors: dict[str, str] = {}
        for row in connection.execute(troubles):
            if row.queued_ns > last.get(row.channel, 0):
                errors.setdefault(row.channel, row.error)
    return [
        Proof(
            name,
            (now_ns - last[name]) / NS_PER_SECOND if name in last else None,
            errors.get(name, ""),
        )
        for name in names
    ]


def given_up(database: StateDatabase, now_ns: int) -> list[GivenUp]:
    """Return the channels with messages of the last day that were given up, the most first.

    Raises:
        DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
    """
    failed = (
        select(_delivery.channel, _delivery.error)
        .where(
            _delivery.state == "failed",
            _delivery.kind != "test",
            _delivery.queued_ns > now_ns - LOOK_BACK_S * NS_PER_SECOND,
        )
        .order_by(_delivery.queued_ns)
    )
    found: dict[str, GivenUp] = {}
    with database.begin() as connection:
        for channel, error in connection.execute(failed):
            before = found.get(channel)
            found[channel] = GivenUp(channel, 1 if before is None else before.count + 1, error)
    return sorted(found.values(), key=lambda one: -one.count)


def notification_checks(surroundings: Surroundings, answers: str, limit_s: float) -> list[Check]:
    """Return the checks; ``answers`` is the name of the one that the database answers."""
    degrading = partial(
        Check,
        category="notifications",
        code=NotificationError.code,
        fatal=False,
        timeout_s=limit_s,
        needs=(answers,),
    )
    return [
        degrading("channels have proved themselves", run=lambda: _proved(surroundings)),
        degrading("no message was given up", run=lambda: _none_given_up(surroundings)),
    ]


def _proved(surroundings: Surroundings) -> str:
    settings = surroundings.settings
    found = proofs(surroundings.database, settings, surroundings.clock.now_ns())
    if not found:
        raise SkipCheck("no channel is configured")
    longest_s = settings.alerts.proof_max_age_s
    unproved = [one for one in found if one.age_s is None or one.age_s > longest_s]
    if unproved:
        raise NotificationError(
            f"{', '.join(one.channel for one in unproved)} not proved to work",
            why="; ".join(_words(one) for one in unproved) + ".",
            next_step="Send a test through each channel: alchemiser notify test",
        )
    oldest_s = max(one.age_s or 0.0 for one in found)
    channels = "1 channel" if len(found) == 1 else f"{len(found)} channels"
    return f"{channels}, the oldest proof {duration_text(oldest_s)} old"


def _none_given_up(surroundings: Surroundings) -> str:
    found = given_up(surroundings.database, surroundings.clock.now_ns())
    if not found:
        return "none within a day"
    raise NotificationError(
        f"{sum(one.count for one in found)} message(s) given up within a day",
        why="; ".join(f"{one.channel} {one.count}: {one.error or 'unexplained'}" for one in found),
        next_step="Read what nobody was told: alchemiser notify outbox --state failed",
    )


def _words(one: Proof) -> str:
    took = (
        "never took a message"
        if one.age_s is None
        else f"took its last message {duration_text(one.age_s)} ago"
    )
    return f"{one.channel} {took}" + (f" ({one.error})" if one.error else "")
