"""Decisions that rest on published weights, each judged: may it be taken on what was read?"""

from collections.abc import Callable

import msgspec

from alchemiser_cli.chaos.workloads.workload import Work
from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.errors import AlchemiserError, StaleWeightsError
from alchemiser_cli.shm import WeightReader, Weights

__all__ = ["Decisions", "Judged"]

SLACK_S = 0.05  # between the reader's look at the clock and ours


class Judged(msgspec.Struct):
    """How the decisions so far came out.

    ``acted`` rested on whole and fresh weights, ``refrained`` found none. ``torn``, ``too_old``
    and ``went_back`` should never have been taken: their numbers were of several generations,
    older than the freshness limit, or older than those of the decision before.
    """

    acted: int = 0
    refrained: int = 0
    torn: int = 0
    too_old: int = 0
    went_back: int = 0
    generation: int = 0
    newest_ns: int = 0  # on the monotonic clock: when the newest generation was first seen
    is_acting: bool = False


class Decisions:
    """One reader of the segment that is asked for its weights again and again."""

    def __init__(
        self,
        reader: WeightReader,
        max_age_s: float,
        clock: Clock,
        journal: Callable[[AlchemiserError], object],
    ) -> None:
        """Read with ``reader``; each trouble is journalled once, when it begins."""
        self.reader = reader
        self.judged = Judged()
        self._max_age_s = max_age_s
        self._clock = clock
        self._journal = journal
        self._trouble: str | None = None

    def decide(self) -> None:
        """Ask for weights once, and judge what comes."""
        judged = self.judged
        try:
            weights = self.reader.require()
        except StaleWeightsError as error:
            self._note(error)
            judged.refrained += 1
            judged.is_acting = False
            return
        self._note(self.reader.refusal)
        judged.is_acting = True
        if any((array != weights.generation).any() for array in weights.tensors.values()):
            judged.torn += 1
        elif self._age_s(weights) > self._max_age_s + SLACK_S:
            judged.too_old += 1
        else:
            judged.acted += 1
        if weights.generation < judged.generation:
            judged.went_back += 1
        elif weights.generation > judged.generation:
            judged.generation = weights.generation
            judged.newest_ns = self._clock.monotonic_ns()

    def work(self) -> Work:
        """Return the account: a decision on what must not be used counts as lost."""
        judged = self.judged
        lost = judged.torn + judged.too_old
        return Work(
            offered=judged.acted + judged.refrained + lost,
            done=judged.acted,
            set_aside=judged.refrained,
            lost=lost,
            twice=judged.went_back,
        )

    def since_newest_s(self) -> float:
        """Return how long no newer generation was seen, in seconds."""
        return (self._clock.monotonic_ns() - self.judged.newest_ns) / NS_PER_SECOND

    def _age_s(self, weights: Weights) -> float:
        published_ns = weights.head.published_monotonic_ns
        return (self._clock.monotonic_ns() - published_ns) / NS_PER_SECOND

    def _note(self, trouble: AlchemiserError | None) -> None:
        code = None if trouble is None else trouble.code
        if trouble is not None and code != self._trouble:
            self._journal(trouble)
        self._trouble = code
