"""Which offsets may be committed: only those below the lowest message that is not finished."""

__all__ = ["OffsetTracker"]

Partition = tuple[str, int]


class OffsetTracker:
    """Follows messages from the poll to their end, by partition."""

    def __init__(self) -> None:
        """Begin with no partition."""
        self._unfinished: dict[Partition, set[int]] = {}
        self._next: dict[Partition, int] = {}
        self._committed: dict[Partition, int] = {}

    def begin(self, partition: Partition, offset: int) -> None:
        """Note a message that was taken; within a partition, offsets come in order."""
        self._unfinished.setdefault(partition, set()).add(offset)
        self._next[partition] = offset + 1

    def finish(self, partition: Partition, offset: int) -> None:
        """Note that a message needs nothing more; unknown ones (a lost partition) are ignored."""
        self._unfinished.get(partition, set()).discard(offset)

    def committable(self) -> dict[Partition, int]:
        """Return, where it moved, the offset that the group would start from again."""
        moved = {}
        for partition, following in self._next.items():
            position = min(self._unfinished[partition], default=following)
            if position > self._committed.get(partition, -1):
                moved[partition] = position
        return moved

    def committed(self, partition: Partition, offset: int) -> None:
        """Note what the broker confirmed."""
        self._committed[partition] = offset

    def forget(self, partition: Partition) -> None:
        """Drop a partition that was taken away."""
        for kept in (self._unfinished, self._next, self._committed):
            kept.pop(partition, None)
