"""What a workload is: work that can be counted, a steady state, and defences that can be seen."""

from collections.abc import Mapping
from typing import Protocol

import msgspec

__all__ = ["Defence", "Steadiness", "Work", "Workload"]


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """The account of a workload up to now.

    ``offered`` pieces were given to it, ``done`` of them got through (each counted once),
    ``twice`` were done again with an effect that should have happened once, ``set_aside`` were
    put where they can be found and done later, ``lost`` are in none of these and will never be.
    Before the end of the work nothing is known to be lost.
    """

    offered: int = 0
    done: int = 0
    twice: int = 0
    set_aside: int = 0
    lost: int = 0


class Steadiness(msgspec.Struct, frozen=True):
    """Whether a workload is in its steady state now, and how one can tell."""

    steady: bool
    detail: str


class Defence(msgspec.Struct, frozen=True):
    """What one defence did so far: whether it acted as its policy says, and how one can tell."""

    acted: bool
    detail: str


class Workload(Protocol):
    """Work that goes on, in threads or processes of its own, while something is broken.

    It is made with the laboratory and the arguments of the experiment's ``begin`` action. All its
    methods may be called from other threads while it works.
    """

    def start(self) -> None:
        """Begin to work; return when the work is under way."""
        ...

    def stop(self) -> None:
        """End the work, with everything that was offered brought to its end where that is possible.

        Called once, also after a failed start; what it started is gone afterwards.
        """
        ...

    def work(self) -> Work:
        """Return the account up to now; after ``stop`` it is the last one."""
        ...

    def steady(self) -> Steadiness:
        """Tell whether the work goes as it should at this moment."""
        ...

    def defences(self) -> Mapping[str, Defence]:
        """Tell what each defence did so far, by the name that experiments use for it."""
        ...
