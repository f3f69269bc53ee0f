"""Which dead letters were sent back, so that none is sent back twice."""

from sqlalchemy import select

from alchemiser_cli.clock import Clock
from alchemiser_cli.state import StateDatabase, redriven
from alchemiser_cli.state.statements import insert_if_absent
from alchemiser_cli.streaming.acknowledged import Sent
from alchemiser_cli.streaming.dead_letters.letter import DeadLetter

__all__ = ["RedriveMemory"]


class RedriveMemory:
    """The redriven letters of one dead-letter topic, in the state database.

    A committed offset would not do: letters are chosen one by one. A letter is known by its
    place and by its content, so that one at the same place of a topic made anew is another.

    It is noted after it was sent: a process that dies between the two leaves a letter that the
    next redrive sends again (at least once).
    """

    def __init__(self, database: StateDatabase, clock: Clock, topic: str) -> None:
        """Keep the database; it is read at the first question."""
        self._database = database
        self._clock = clock
        self._topic = topic
        self._known: dict[tuple[int, int, str], int] | None = None

    def redriven_at_ns(self, letter: DeadLetter) -> int | None:
        """Return when ``letter`` was sent back (UTC nanoseconds), or None.

        Raises:
            DatabaseError: as ``StateDatabase.begin``.
        """
        known = self._load()
        if not known:
            return None  # and no fingerprint is taken
        return known.get((letter.partition, letter.offset, letter.fingerprint()))

    def remember(self, letter: DeadLetter, sent: Sent) -> None:
        """Note that ``letter`` was sent back, and where it lies now.

        Raises:
            DatabaseError: as ``StateDatabase.begin``.
        """
        known, at_ns = self._load(), self._clock.now_ns()
        key = letter.partition, letter.offset, letter.fingerprint()
        row = {
            "topic": self._topic,
            "partition": letter.partition,
            "offset": letter.offset,
            "fingerprint": key[2],
            "sent_to": f"{sent.topic}/{sent.partition}/{sent.offset}",
            "at_ns": at_ns,
        }
        with self._database.begin() as connection:
            insert_if_absent(connection, redriven, row)
        known[key] = at_ns

    def _load(self) -> dict[tuple[int, int, str], int]:
        if self._known is None:
            columns = redriven.c
            query = select(columns.partition, columns.offset, columns.fingerprint, columns.at_ns)
            with self._database.begin() as connection:
                rows = connection.execute(query.where(columns.topic == self._topic))
                self._known = {(row[0], row[1], row[2]): row[3] for row in rows}
        return self._known
