"""One pass over incidents: what is due of each is done, and whom to tell goes into the ledger."""

from collections.abc import Sequence
from typing import Protocol

import msgspec
from sqlalchemy import Connection, select

from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.notifications.alert import Level
from alchemiser_cli.notifications.grouping import (
    Telling,
    TellingKind,
    gathered_until_ns,
    grouped,
    waits,
    withdraw,
)
from alchemiser_cli.notifications.incident_rows import (
    ROWS_AT_ONCE,
    Incident,
    update_rows,
)
from alchemiser_cli.notifications.incidents import IncidentStore
from alchemiser_cli.notifications.ledger import Ledger
from alchemiser_cli.notifications.limits import queue_within_limits
from alchemiser_cli.notifications.notices import Links, delivery_of, no_links
from alchemiser_cli.notifications.policies import Step
from alchemiser_cli.notifications.silences import Silence, Silences, silenced_by
from alchemiser_cli.state import delivery

__all__ = ["Advanced", "Links", "Recipients", "advance", "no_links"]

SILENCE_LOOK_S = 30.0
"""How often a silenced incident is looked at, in seconds: somebody may end the silence."""

_REACHED = ("queued", "sending", "sent")


class Recipients(Protocol):
    """Escalation policies, as far as a step needs them."""

    def recipients(self, step: Step, severity: Level) -> Sequence[str]:
        """Return the channels that a step reaches."""
        ...


class Advanced(msgspec.Struct, kw_only=True):
    """What one pass did, by number.

    Of incidents: ``fired``, whose hold-down ended; ``told``, for which a step or repeat was taken;
    ``waiting`` for others of their group; ``silenced``; ``unheard``, whose step reaches no
    channel; ``resolved``. Of messages: ``queued``, and ``held`` by a limit or a silence.
    """

    fired: int = 0
    told: int = 0
    waiting: int = 0
    silenced: int = 0
    unheard: int = 0
    resolved: int = 0
    queued: int = 0
    held: int = 0


def advance(
    store: IncidentStore,
    ledger: Ledger,
    policies: Recipients,
    silences: Silences,
    now_ns: int,
    *,
    links: Links = no_links,
) -> Advanced:
    """Do what is due of every incident, and return what that was.

    A batch is one exclusive transaction: incidents move on exactly when their messages are in the
    ledger, however many couriers there are and whenever one is killed. Each incident moves one
    event a pass; steps that are due together are one message.

    Raises:
        DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
    """
    done = Advanced()
    holding = silences.list()
    while True:
        with store.database.begin(exclusive=True) as connection:
            due = store.due_within(connection, now_ns, ROWS_AT_ONCE)
            one_pass = _Pass(connection, store, ledger, policies, holding, now_ns, done)
            one_pass.move(due)
            one_pass.tell(links)
            update_rows(connection, due)
        if len(due) < ROWS_AT_ONCE:
            return done


class _Pass:
    """One batch inside its transaction."""

    def __init__(
        self,
        connection: Connection,
        store: IncidentStore,
        ledger: Ledger,
        policies: Recipients,
        holding: Sequence[Silence],
        now_ns: int,
        done: Advanced,
    ) -> None:
        self._connection = connection
        self._settings = store.settings
        self._ledger = ledger
        self._policies = policies
        self._holding = holding
        self._now_ns = now_ns
        self._done = done
        self._tellings: list[Telling] = []

    def move(self, due: Sequence[Incident]) -> None:
        """Bring each incident to where it is now, and note whom to tell."""
        over = []
        gathered = gathered_until_ns(due, self._settings.group_wait_s)
        for one in due:
            if self._is_over(one):
                over.append(one)
                continue
            if one.state == "pending" and one.fires_ns <= self._now_ns:
                one.state = "firing"
                self._done.fired += 1
            self._step(one, gathered.get(one.group, 0) if waits(one) else 0)
        self._end(over)

    def tell(self, links: Links) -> None:
        """Put into the ledger what is to be told, and into the incidents that it is."""
        notices = grouped(self._tellings)
        messages = [delivery_of(one, links, self._now_ns) for one in notices]
        held = [one for one in messages if one.state == "held"]
        self._ledger.queue(held, self._connection)
        stored = queue_within_limits(
            self._ledger,
            [one for one in messages if one.state != "held"],
            self._settings,
            self._now_ns,
            self._connection,
        )
        for notice, message in zip(notices, messages, strict=True):
            if not notice.silenced:
                for incident in notice.incidents:
                    incident.course.told.setdefault(notice.channel, []).append(message.id)
        queued = sum(one.state == "queued" for one in stored)
        self._done.queued += queued
        self._done.held += len(messages) - queued

    def _is_over(self, one: Incident) -> bool:
        if not one.is_open:
            return True
        if one.over_ns > self._now_ns:
            return False
        # A courier that comes late still tells first what nobody was told, unless it is known
        # to be over.
        untold = one.step == 0 and one.clear_ns is None and one.next_step is not None
        return not untold or self._silence(one) is not None

    def _step(self, one: Incident, wait_until_ns: int) -> None:
        step_ns = one.step_ns if one.state == "firing" else None
        if step_ns is None or step_ns > self._now_ns:
            self._later(one)
            return
        silence = self._silence(one)
        if silence is not None:
            self._keep_back(one, silence)
            return
        if wait_until_ns > self._now_ns:
            one.due_ns = wait_until_ns
            self._done.waiting += 1
            return
        kind, channels = _kind(one), self._take_steps(one)
        self._done.told += 1
        if channels:
            self._tellings.append(Telling(one, kind, channels))
        else:
            self._done.unheard += 1
        self._later(one)

    def _take_steps(self, one: Incident) -> list[str]:
        """Take the next step, and those after it that are due as well; return their channels."""
        channels: dict[str, None] = {}
        while True:
            step = one.next_step
            if step is None:
                break
            channels |= dict.fromkeys(self._policies.recipients(step, one.severity))
            one.step += 1
            one.course.told_ns = self._now_ns
            step_ns = one.step_ns
            if one.step >= len(one.policy.steps) or step_ns is None or step_ns > self._now_ns:
                break
        return list(channels)

    def _end(self, over: Sequence[Incident]) -> None:
        """Close incidents; who was told of one, or should have been, is told that it is over."""
        self._done.resolved += len(over)
        for one, reached in zip(over, self._reached(over), strict=True):
            if one.is_open:
                one.resolved_ns = one.over_ns
            channels = reached or self._missed(one)
            one.state, one.due_ns = "resolved", None
            if not channels:
                continue
            silence = self._silence(one)
            if silence is not None:
                self._done.silenced += 1
                one.course.silenced += 1
            self._tellings.append(Telling(one, "resolved", channels, _in_words(silence)))
        update_rows(self._connection, over)
        withdraw(self._connection, over)

    def _reached(self, over: Sequence[Incident]) -> list[list[str]]:
        """Return for each incident the channels that took a message of it, or are about to."""
        ids = [one for incident in over for told in incident.course.told.values() for one in told]
        reached: set[str] = set()
        for start in range(0, len(ids), ROWS_AT_ONCE):
            query = select(delivery.c.id).where(
                delivery.c.id.in_(ids[start : start + ROWS_AT_ONCE]),
                delivery.c.state.in_(_REACHED),
            )
            reached.update(self._connection.execute(query).scalars())
        return [
            [name for name, told in incident.course.told.items() if reached.intersection(told)]
            for incident in over
        ]

    def _missed(self, one: Incident) -> list[str]:
        """Return whom a first step should have told that was due while no courier came by."""
        nobody_came = one.step == 0 and not one.course.silenced and one.acknowledged_ns is None
        if not nobody_came or not one.was_due:
            return []
        return list(self._policies.recipients(one.policy.steps[0], one.severity))

    def _keep_back(self, one: Incident, silence: Silence) -> None:
        """Tell nobody while a silence holds; the first time a held message counts it."""
        self._done.silenced += 1
        one.course.silenced += 1
        if one.course.silenced == 1 and (step := one.next_step) is not None:
            channels = self._policies.recipients(step, one.severity)
            self._tellings.append(Telling(one, _kind(one), channels, _in_words(silence)))
        again_ns = self._now_ns + round(SILENCE_LOOK_S * NS_PER_SECOND)
        one.due_ns = max(self._now_ns + 1, min(one.over_ns, silence.until_ns, again_ns))

    def _later(self, one: Incident) -> None:
        one.schedule()
        if one.due_ns is not None:
            one.due_ns = max(one.due_ns, self._now_ns + 1)

    def _silence(self, one: Incident) -> Silence | None:
        """Return the silence that holds for an incident, by its newest alert and its severity."""
        alert = msgspec.structs.replace(one.alert, severity=one.severity)
        return silenced_by(self._holding, alert, self._now_ns)


def _kind(one: Incident) -> TellingKind:
    if one.step == 0:
        return "alert" if one.course.raised_ns is None else "escalation"
    return "escalation" if one.step < len(one.policy.steps) else "repeat"


def _in_words(silence: Silence | None) -> str:
    return "" if silence is None else f"silenced by {silence.author}: {silence.reason}"
