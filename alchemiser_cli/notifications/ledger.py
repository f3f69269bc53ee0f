"""The ledger: every message to a person, stored before it is sent, and what became of it."""

import builtins
import threading
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from random import Random
from typing import Any, get_args

import msgspec
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    and_,
    case,
    func,
    insert,
    or_,
    select,
    update,
)

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.notifications.alert import RANKS
from alchemiser_cli.notifications.messages import Delivery, DeliveryState, Outcome
from alchemiser_cli.resilience.schedule import RetryPolicy
from alchemiser_cli.settings import AlertSettings
from alchemiser_cli.state import StateDatabase, delivery

__all__ = ["Ledger"]

_FIRST_BACKOFF_S = 5.0
_LONGEST_WISH_S = 3_600.0  # a service that asks for more is asked again all the same
_ERROR_LENGTH = 500

_urgency = case(RANKS, value=delivery.c.severity, else_=0)


class Ledger:
    """Rows of the table ``delivery``; errors are those of ``StateDatabase.begin``.

    A message is leased by whoever sends it. One that was not settled when its lease ends is sent
    again, by whoever comes first: at least once, in whatever process it began. Methods with a
    ``connection`` work inside the caller's transaction where one is given.
    """

    def __init__(
        self,
        database: StateDatabase,
        clock: Clock,
        settings: AlertSettings | None = None,
        random: Random | None = None,
    ) -> None:
        """Keep what is needed; nothing is opened yet. ``random`` draws the waits of retries."""
        self._database = database
        self._clock = clock
        self._settings = settings or AlertSettings()
        self._random = random or Random()  # noqa: S311  jitter is no secret
        self._drawing = threading.Lock()
        self._lease_ns = round((2 * self._settings.timeout_s + 10) * NS_PER_SECOND)
        cap_s = self._settings.max_backoff_s
        self._backoff = RetryPolicy(
            base_s=min(_FIRST_BACKOFF_S, cap_s), cap_s=cap_s, attempts=self._settings.attempts
        )

    def queue(self, deliveries: Iterable[Delivery], connection: Connection | None = None) -> None:
        """Store new messages, in the state that each has."""
        rows = [msgspec.structs.asdict(one) for one in deliveries]
        if rows:
            with self._within(connection) as within:
                within.execute(insert(delivery), rows)

    def due_channels(self, now_ns: int) -> builtins.list[str]:
        """Return the channels for which a message is due, by name."""
        statement = select(delivery.c.channel).where(_due(now_ns)).distinct()
        with self._database.begin() as connection:
            return sorted(connection.execute(statement).scalars())

    def lease_due(
        self, now_ns: int, limit: int, *, channel: str | None = None
    ) -> builtins.list[Delivery]:
        """Take messages that are due, for sending: the most urgent and the least tried first."""
        columns = delivery.c
        wanted = _due(now_ns) if channel is None else and_(_due(now_ns), columns.channel == channel)
        order = (_urgency.desc(), columns.attempts, columns.due_ns, columns.queued_ns, columns.id)
        leased = {"state": "sending", "leased_until_ns": now_ns + self._lease_ns}
        with self._database.begin(exclusive=True) as connection:
            rows = connection.execute(select(delivery).where(wanted).order_by(*order).limit(limit))
            taken = [msgspec.structs.replace(_delivery(row), **leased) for row in rows]
            ids = [one.id for one in taken]
            connection.execute(update(delivery).where(columns.id.in_(ids)).values(**leased))
        return taken

    def settle(self, leased: Delivery, outcome: Outcome) -> Delivery:
        """Write down how an attempt ended, and return the message as it is then.

        What was refused is queued again, after a wait that doubles from 5 s, until
        ``alerts.attempts``, or has failed at once where the outcome is final. What was taken is
        ``sent``, also where its lease had ended. A failure changes nothing where somebody else
        holds the message by now, or it was cancelled.
        """
        now_ns = self._clock.now_ns()
        after = self._after(leased, outcome, now_ns)
        columns = delivery.c
        ours = columns.id == leased.id
        if not outcome.accepted:
            held = columns.leased_until_ns == leased.leased_until_ns
            ours = and_(ours, columns.state == "sending", held)
        changed = {
            name: getattr(after, name)
            for name in ("state", "due_ns", "attempts", "leased_until_ns", "sent_ns", "error")
        }
        with self._database.begin() as connection:
            if connection.execute(update(delivery).where(ours).values(**changed)).rowcount:
                return after
            row = connection.execute(select(delivery).where(columns.id == leased.id)).one()
        return _delivery(row)

    def postpone(self, channel: str, until_ns: int) -> None:
        """Let nothing that is queued for a channel be due before ``until_ns``: it asked for it."""
        columns = delivery.c
        waiting = and_(
            columns.channel == channel, columns.state == "queued", columns.due_ns < until_ns
        )
        with self._database.begin() as connection:
            connection.execute(update(delivery).where(waiting).values(due_ns=until_ns))

    def cancel_of(self, incident: str, connection: Connection | None = None) -> int:
        """Cancel what still waits to be sent about an incident; returns how many messages.

        One that is on its way cannot be called back, but it is not tried again. What is held stays
        held: a digest wakes nobody, and its count is to be told.
        """
        columns = delivery.c
        waiting = and_(columns.incident == incident, columns.state.in_(("queued", "sending")))
        gone = update(delivery).where(waiting).values(state="cancelled", leased_until_ns=None)
        with self._within(connection) as within:
            return within.execute(gone).rowcount

    def list(
        self, state: DeliveryState | None = None, channel: str | None = None, limit: int = 100
    ) -> builtins.list[Delivery]:
        """Return messages, the newest first: by when each was, or is, to be sent."""
        columns = delivery.c
        newest = select(delivery).order_by(columns.due_ns.desc(), columns.id).limit(limit)
        if channel is not None:
            newest = newest.where(_without_index(columns.channel) == channel)
        found: builtins.list[Delivery] = []
        with self._database.begin() as connection:
            for one in (state,) if state else get_args(DeliveryState):  # an index for each
                rows = connection.execute(newest.where(columns.state == one))
                found.extend(_delivery(row) for row in rows)
        return sorted(found, key=lambda one: (-one.due_ns, one.id))[:limit]

    def counts(self) -> dict[tuple[str, DeliveryState], int]:
        """Return how many messages each channel has in each state."""
        columns = delivery.c
        statement = select(columns.channel, columns.state, func.count()).group_by(
            columns.channel, columns.state
        )
        with self._database.begin() as connection:
            return {(name, state): count for name, state, count in connection.execute(statement)}

    def last_success(self, channel: str) -> tuple[int | None, str]:
        """Return when a channel last took a message, and what is wrong with it since.

        The time is UTC nanoseconds, None where it never did; the text is empty where nothing is.
        """
        columns = delivery.c
        sent = select(func.max(columns.sent_ns)).where(columns.channel == channel)
        wrong = (
            select(columns.error)
            .where(_without_index(columns.channel) == channel, columns.error != "")
            .where(columns.state.in_(("queued", "sending", "failed")))
            .order_by(columns.queued_ns.desc(), columns.id)
            .limit(1)
        )
        with self._database.begin() as connection:
            sent_ns = connection.execute(sent).scalar()
            if sent_ns is not None:  # an older trouble is over
                wrong = wrong.where(columns.due_ns >= sent_ns)
            return sent_ns, connection.execute(wrong).scalar() or ""

    def sent_since(
        self, channel: str, since_ns: int, connection: Connection | None = None
    ) -> dict[tuple[str, str], int]:
        """Count by severity and code what a channel was given after ``since_ns``.

        Tests and digests are not counted, nor what is held or was cancelled.
        """
        columns = delivery.c
        statement = (
            select(columns.severity, columns.code, func.count())
            .where(_without_index(columns.channel) == channel, columns.queued_ns > since_ns)
            # Nothing is due before it was queued, and there is an index of what is due.
            .where(columns.due_ns > since_ns)
            .where(columns.kind.not_in(("digest", "test")))
            .where(columns.state.in_(("queued", "sending", "sent", "failed")))
            .group_by(columns.severity, columns.code)
        )
        with self._within(connection) as within:
            return {(severity, code): n for severity, code, n in within.execute(statement)}

    def held_since(self, at_ns: int, connection: Connection | None = None) -> builtins.list[str]:
        """Return the channels of which a message was held at ``at_ns`` or before, by name."""
        columns = delivery.c
        statement = (
            select(columns.channel)
            .where(columns.state == "held", columns.queued_ns <= at_ns)
            .distinct()
        )
        with self._within(connection) as within:
            return sorted(within.execute(statement).scalars())

    def held_of(
        self, channels: Iterable[str], connection: Connection | None = None
    ) -> builtins.list[Delivery]:
        """Return what is held for some channels: channel by channel, the oldest first."""
        columns = delivery.c
        statement = (
            select(delivery)
            .where(columns.state == "held", columns.channel.in_(tuple(channels)))
            .order_by(columns.channel, columns.queued_ns, columns.id)
        )
        with self._within(connection) as within:
            return [_delivery(row) for row in within.execute(statement)]

    def queue_digest(self, digest: Delivery, connection: Connection) -> None:
        """Store a digest of all that is held for its channel, which names it from then on."""
        columns = delivery.c
        held = and_(columns.state == "held", columns.channel == digest.channel)
        told = {"state": "digested", "digest": digest.id}
        connection.execute(update(delivery).where(held).values(**told))
        self.queue([digest], connection)

    def exclusive(self) -> AbstractContextManager[Connection]:
        """Return a transaction beside which no other exclusive one runs, in whatever process."""
        return self._database.begin(exclusive=True)

    def _within(self, connection: Connection | None) -> AbstractContextManager[Connection]:
        return self._database.begin() if connection is None else nullcontext(connection)

    def _after(self, leased: Delivery, outcome: Outcome, now_ns: int) -> Delivery:
        attempts = leased.attempts + 1
        changed: dict[str, Any] = {"attempts": attempts, "leased_until_ns": None}
        if outcome.accepted:
            changed |= {"state": "sent", "sent_ns": now_ns, "error": ""}
        else:
            changed["error"] = outcome.error[:_ERROR_LENGTH]
            if outcome.final or attempts >= self._settings.attempts:
                changed |= {"state": "failed", "due_ns": now_ns}  # when it was tried last
            else:
                wait_s = self._wait_s(attempts, outcome.retry_after_s or 0.0)
                changed |= {"state": "queued", "due_ns": now_ns + round(wait_s * NS_PER_SECOND)}
        return msgspec.structs.replace(leased, **changed)

    def _wait_s(self, failures: int, wish_s: float) -> float:
        """Return the next wait: never under half the bound, so that attempts cover an outage."""
        bound_s = self._backoff.bound_s(failures)
        with self._drawing:
            drawn_s = bound_s * (1 + self._random.random()) / 2
        return max(drawn_s, min(wish_s, _LONGEST_WISH_S))


def _due(now_ns: int) -> ColumnElement[bool]:
    columns = delivery.c
    abandoned = and_(columns.state == "sending", columns.leased_until_ns < now_ns)
    return and_(or_(columns.state == "queued", abandoned), columns.due_ns <= now_ns)


def _without_index(column: Column[str]) -> ColumnElement[str]:
    """Return a column so that SQLite looks by state and time: a channel has too many rows."""
    return column.concat("")


def _delivery(row: Any) -> Delivery:
    return Delivery(**row._mapping)  # noqa: SLF001  the public name of a row's columns
