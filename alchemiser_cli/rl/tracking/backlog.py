"""What waits to be sent to the tracking store: bounded, so that an outage costs no memory."""

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = ["MAX_METRICS", "MAX_WORDS", "Backlog", "Batch", "Point"]

# MLflow's limits for one call of log_batch.
MAX_METRICS = 800
MAX_WORDS = 100
_MAX_TEXT = 5_000


class Point(NamedTuple):
    """One value of a metric; ``at_ms`` is UTC in milliseconds."""

    name: str
    value: float
    at_ms: int
    step: int


@dataclass
class Batch:
    """What one call sends; at most 1,000 things, as MLflow allows."""

    points: list[Point] = field(default_factory=list)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        """Count points, parameters and tags."""
        return len(self.points) + len(self.params) + len(self.tags)


class Backlog:
    """A queue of points with a limit, beside parameters and tags, which are few.

    When it is full, the oldest point goes: the newest say how the training stands.
    """

    def __init__(self, capacity: int) -> None:
        """Keep at most ``capacity`` points."""
        self._capacity = capacity
        self._points: deque[Point] = deque()
        self._params: dict[str, str] = {}
        self._tags: dict[str, str] = {}
        self._dropped = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Count what waits."""
        with self._lock:
            return len(self._points) + len(self._params) + len(self._tags)

    @property
    def dropped(self) -> int:
        """How many points went because the queue was full."""
        with self._lock:
            return self._dropped

    def add_points(self, points: list[Point]) -> None:
        """Queue points, in their order."""
        with self._lock:
            self._points.extend(points)
            self._make_room()

    def add_words(self, params: Mapping[str, object], tags: Mapping[str, object]) -> None:
        """Queue parameters and tags; the last value of a name counts."""
        with self._lock:
            self._params.update({name: str(value)[:_MAX_TEXT] for name, value in params.items()})
            self._tags.update({name: str(value)[:_MAX_TEXT] for name, value in tags.items()})

    def take(self) -> Batch:
        """Take out what the next call can send; empty if nothing waits."""
        with self._lock:
            count = min(MAX_METRICS, len(self._points))
            return Batch(
                [self._points.popleft() for _ in range(count)],
                _first(self._params),
                _first(self._tags),
            )

    def put_back(self, batch: Batch) -> None:
        """Queue again what could not be sent, before all others."""
        with self._lock:
            self._points.extendleft(reversed(batch.points))
            self._params = batch.params | self._params
            self._tags = batch.tags | self._tags
            self._make_room()

    def _make_room(self) -> None:
        while len(self._points) > self._capacity:
            self._points.popleft()
            self._dropped += 1


def _first(words: dict[str, str]) -> dict[str, str]:
    return {name: words.pop(name) for name in list(words)[:MAX_WORDS]}
