"""When setting messages aside must end: a whole topic fails, not single messages of it."""

from collections import Counter, deque

from alchemiser_cli.errors import DeadLetterStormError
from alchemiser_cli.settings.sections import DeadLetterSettings

__all__ = ["DeadLetterLimit"]

_SHOWN_REASONS = 5


class DeadLetterLimit:
    """Counts failures in a row, and their share of the last messages.

    Both are told in the order in which messages are finished. The share counts only once
    ``ratio_window`` messages were finished: before, a few failures say nothing of the topic.
    """

    def __init__(self, settings: DeadLetterSettings) -> None:
        """Begin with no message."""
        self._max_consecutive = settings.max_consecutive
        self._max_ratio = settings.max_ratio
        self._size = settings.ratio_window
        self._finished = 0
        self._consecutive = 0
        # Which message of the window, why, and whether that was on purpose.
        self._failures: deque[tuple[int, str, bool]] = deque()
        self._reasons: Counter[str] = Counter()

    def succeeded(self, count: int = 1) -> None:
        """Note ``count`` messages that were worked off; costs the same for any number."""
        if count > 0:
            self._finished += count
            self._consecutive = 0

    def failed(self, reason: str = "unknown", *, injected: bool = False) -> None:
        """Note one message that failed, why, and whether it was made to fail on purpose.

        Raises:
            DeadLetterStormError: ``dead-letter-storm``, with counts and reasons in its context.
        """
        self._finished += 1
        self._consecutive += 1
        self._failures.append((self._finished, reason, injected))
        self._reasons[reason] += 1
        while self._failures[0][0] <= self._finished - self._size:
            self._reasons[self._failures.popleft()[1]] -= 1
        failed = len(self._failures)
        if self._consecutive >= self._max_consecutive:
            raise self._storm(f"The last {self._consecutive:,} messages failed one after another.")
        if self._finished >= self._size and failed >= self._max_ratio * self._size:
            raise self._storm(f"Of the last {self._size:,} messages, {failed:,} failed.")

    def _storm(self, why: str) -> DeadLetterStormError:
        reasons = {name: count for name, count in self._reasons.most_common() if count > 0}
        named = ", ".join(f"{name} ({count:,})" for name, count in _first(reasons))
        storm = DeadLetterStormError(
            "so many messages fail that the consumer stops",
            why=f"{why} Reasons: {named}.",
            next_step="Look at them with `alchemiser dlq list --by-reason`, mend the producer or "
            "the callback, then start again: nothing that was not set aside is committed.",
            context={
                "consecutive": self._consecutive,
                "failed": len(self._failures),
                "window": min(self._finished, self._size),
                "max_consecutive": self._max_consecutive,
                "max_ratio": self._max_ratio,
                "reasons": reasons,
            },
        )
        storm.injected = all(injected for *_, injected in self._failures)
        return storm


def _first(reasons: dict[str, int]) -> list[tuple[str, int]]:
    return list(reasons.items())[:_SHOWN_REASONS]
