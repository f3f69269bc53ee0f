"""Where a feed is on its way to live data, and which steps there are."""

from enum import StrEnum

__all__ = ["FeedPhase", "PhaseTrack"]


class FeedPhase(StrEnum):
    """What a feed is doing; it polls by REST in every phase between its first loss and LIVE."""

    CONNECTING = "connecting"
    SUBSCRIBING = "subscribing"
    PROVING = "proving"  # subscribed, and nothing came yet
    LIVE = "live"
    WAITING = "waiting"  # for the next attempt
    ENDED = "ended"


_STEPS: dict[FeedPhase, frozenset[FeedPhase]] = {
    FeedPhase.WAITING: frozenset({FeedPhase.CONNECTING}),
    FeedPhase.CONNECTING: frozenset({FeedPhase.SUBSCRIBING, FeedPhase.WAITING}),
    FeedPhase.SUBSCRIBING: frozenset({FeedPhase.PROVING, FeedPhase.WAITING}),
    FeedPhase.PROVING: frozenset({FeedPhase.LIVE, FeedPhase.WAITING}),
    FeedPhase.LIVE: frozenset({FeedPhase.WAITING}),
    FeedPhase.ENDED: frozenset(),
}


class PhaseTrack:
    """The present phase; it only changes by a step that exists, and can end from anywhere."""

    def __init__(self) -> None:
        """Begin waiting for the first attempt, which comes at once."""
        self.now = FeedPhase.WAITING

    def enter(self, phase: FeedPhase) -> None:
        """Go on to ``phase``; RuntimeError where no step leads there."""
        if phase is not FeedPhase.ENDED and phase not in _STEPS[self.now]:
            raise RuntimeError(f"a feed does not go from {self.now} to {phase}")
        self.now = phase
