"""What may be committed of a partition while it is ours: nothing above the lowest unfinished."""

from collections import deque

__all__ = ["PartitionLease"]


class PartitionLease:
    """One assignment of one partition, from its assignment to its revocation.

    The event loop begins and finishes offsets; the thread that owns the consumer reads
    ``position`` and commits it. A partition that is revoked and comes back has another lease, so
    what finishes late under the old one can never be committed: this object is the fence.
    ``epoch`` tells the leases of a partition apart in logs.
    """

    __slots__ = ("_done", "_pending", "asked", "committed", "epoch", "held", "place", "position")

    def __init__(self, place: tuple[str, int], epoch: int) -> None:
        """Begin with nothing known of ``place``, a topic and a partition."""
        self.place = place
        self.epoch = epoch
        self.held = True  # False from the moment that the partition is to be given up
        self.position: int | None = None  # the group would start from here again
        self.asked: int | None = None
        self.committed: int | None = None
        self._pending: deque[int] = deque()
        self._done: dict[int, int] = {}

    def begin(self, offset: int) -> None:
        """Note a message, or the first of a run of messages, that is to be worked off."""
        self._pending.append(offset)

    def finish(self, offset: int, following: int) -> None:
        """Note that what began at ``offset`` needs nothing more; ``following`` is the next."""
        pending = self._pending
        if pending[0] != offset:
            if offset in self._done:  # it came twice, and once is done before those below it
                pending.remove(offset)
            self._done[offset] = following
            return
        pending.popleft()
        while pending and pending[0] in self._done:
            following = self._done.pop(pending.popleft())
        self.position = following

    @property
    def committable(self) -> int | None:
        """The position where it moved since a commit was asked for, else None."""
        return None if self.position == self.asked else self.position
