"""Silences: alerts that nobody is told of for a while, by somebody's word and for a reason."""

import uuid
from collections.abc import Iterable

import msgspec
from sqlalchemy import RowMapping, insert, select, update

from alchemiser_cli.clock import NS_PER_SECOND, Clock, iso_from_ns
from alchemiser_cli.errors import SilenceNotFoundError, UsageError
from alchemiser_cli.notifications.alert import Alert
from alchemiser_cli.notifications.matching import Matcher
from alchemiser_cli.state import StateDatabase, silence

__all__ = ["LONGEST_S", "Silence", "Silences", "silenced_by"]

LONGEST_S = 30 * 86_400
"""Longest time that a silence may last, in seconds: one that is forgotten ends by itself."""

_AUTHOR_LENGTH = 64
_REASON_LENGTH = 500


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """Alerts that ``matcher`` means are not told before ``until_ns``.

    Times are UTC nanoseconds. ``at_ns`` is when it was added, ``ended_ns`` when somebody ended it
    before its time, or None.
    """

    id: str
    matcher: Matcher
    until_ns: int
    author: str
    reason: str
    at_ns: int
    ended_ns: int | None = None

    def active(self, now_ns: int) -> bool:
        """Whether it holds at ``now_ns``; at its very end it does not."""
        return self.ended_ns is None and now_ns < self.until_ns


def silenced_by(silences: Iterable[Silence], alert: Alert, now_ns: int) -> Silence | None:
    """Return the silence that holds for ``alert`` the longest, or None.

    A test is never silenced: it is to show what arrives.
    """
    if alert.kind == "test":
        return None
    holding = (one for one in silences if one.active(now_ns) and one.matcher.matches(alert))
    return max(holding, key=lambda one: (one.until_ns, one.id), default=None)


class Silences:
    """The silences in the state database; all processes that share it have the same."""

    def __init__(self, database: StateDatabase, clock: Clock) -> None:
        """Keep both; nothing is opened before the first call."""
        self._database = database
        self._clock = clock

    def add(self, matcher: Matcher, until_ns: int, author: str, reason: str) -> Silence:
        """Add a silence that holds from now to ``until_ns``.

        Raises:
            UsageError: ``usage``: it matches everything, has no author, no reason or a name that
                cannot match, is over already, or lasts longer than ``LONGEST_S``.
            DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
        """
        now_ns = self._clock.now_ns()
        added = Silence(
            id=uuid.uuid4().hex,
            matcher=matcher,
            until_ns=until_ns,
            author=_one_line(author)[:_AUTHOR_LENGTH],
            reason=_one_line(reason)[:_REASON_LENGTH],
            at_ns=now_ns,
        )
        _refuse(added)
        row = {**msgspec.structs.asdict(added), "matcher": msgspec.json.encode(matcher).decode()}
        with self._database.begin() as connection:
            connection.execute(insert(silence).values(**row))
        return added

    def list(self, *, ended: bool = False) -> list[Silence]:
        """Return those that hold now, the one that ends first at the top.

        With ``ended`` all that ever were, the newest at the top.

        Raises:
            DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
        """
        column = silence.c
        if ended:
            query = select(silence).order_by(column.at_ns.desc(), column.id)
        else:
            holding = column.ended_ns.is_(None), column.until_ns > self._clock.now_ns()
            query = select(silence).where(*holding).order_by(column.until_ns, column.id)
        with self._database.begin() as connection:
            return [_silence(row) for row in connection.execute(query).mappings()]

    def end(self, prefix: str) -> Silence:
        """End the silence whose id begins with ``prefix`` now; one that is over stays as it is.

        Raises:
            SilenceNotFoundError: ``silence-not-found`` where no id, or more than one, does.
            DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
        """
        now_ns = self._clock.now_ns()
        column = silence.c
        if not (prefix.isascii() and prefix.isalnum()):
            raise _not_found(prefix, 0)
        with self._database.begin(exclusive=True) as connection:
            begins = column.id.between(prefix, prefix.ljust(33, "z"))  # ids are a-z and digits
            rows = connection.execute(select(silence).where(begins).limit(2)).mappings().all()
            if len(rows) != 1:
                raise _not_found(prefix, len(rows))
            found = _silence(rows[0])
            if not found.active(now_ns):
                return found
            own = column.id == found.id
            connection.execute(update(silence).where(own).values(ended_ns=now_ns))
        return msgspec.structs.replace(found, ended_ns=now_ns)

    def of(self, alert: Alert, now_ns: int) -> Silence | None:
        """Return the silence that holds for ``alert`` at ``now_ns`` the longest, or None.

        Who has many alerts takes ``list`` once, and ``silenced_by`` for each.

        Raises:
            DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
        """
        column = silence.c
        query = select(silence).where(column.ended_ns.is_(None), column.until_ns > now_ns)
        with self._database.begin() as connection:
            rows = connection.execute(query).mappings().all()
        return silenced_by((_silence(row) for row in rows), alert, now_ns)


def _silence(row: RowMapping) -> Silence:
    return Silence(**{**row, "matcher": msgspec.json.decode(row["matcher"], type=Matcher)})


def _refuse(added: Silence) -> None:
    longest_ns = added.at_ns + LONGEST_S * NS_PER_SECOND
    if added.matcher.is_empty:
        raise _unusable(
            "it matches every alert", "Give a code, component, severity, kind or fingerprint"
        )
    for problem in added.matcher.problems():
        raise _unusable(problem, "Write a whole name, or its beginning with * at the end")
    if added.until_ns <= added.at_ns:
        raise _unusable(f"its end, {iso_from_ns(added.until_ns)}, is past", "Choose a later end")
    if added.until_ns > longest_ns:
        raise _unusable(
            f"it lasts longer than {LONGEST_S // 86_400} days",
            f"Choose an end before {iso_from_ns(longest_ns)}",
        )
    if not added.author:
        raise _unusable("it has no author", "Say who adds it")
    if not added.reason:
        raise _unusable("it has no reason", "Say why nobody needs to be told")


def _unusable(why: str, next_step: str) -> UsageError:
    return UsageError(
        "this silence cannot be added",
        why=f"{why[:1].upper()}{why[1:]}.",
        next_step=f"{next_step}.",
    )


def _not_found(prefix: str, found: int) -> SilenceNotFoundError:
    many = found > 1
    return SilenceNotFoundError(
        f"the id {prefix!r} names more than one silence"
        if many
        else f"there is no silence {prefix!r}",
        why="More than one id begins so." if many else "No id begins so.",
        next_step="`alchemiser notify silence list` shows their ids.",
        context={"silence": prefix},
    )


def _one_line(text: str) -> str:
    """Return the text without what would break a line of a table or log."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())
