"""The search space: which settings of training are tried, and between which bounds."""

from collections.abc import Mapping

import msgspec
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

__all__ = ["Choice", "Range", "Setting", "distributions", "search_space"]

Setting = float | int | str


class Range(msgspec.Struct, frozen=True, tag="range"):
    """Numbers from ``low`` to ``high``, both included; evenly in their logarithm if ``log``."""

    low: float
    high: float
    log: bool = False


class Choice(msgspec.Struct, frozen=True, tag="choice"):
    """One of some values."""

    values: tuple[Setting, ...]


def search_space(*, presets: bool = False) -> dict[str, Range | Choice]:
    """Return the settings of the section ``training`` that a sweep tries, by their names there.

    With ``presets`` the size of the network is tried, too: trials differ much in time then.
    """
    space: dict[str, Range | Choice] = {
        "learning_rate": Range(1e-5, 1e-3, log=True),
        "batch_size": Choice((64, 128, 256, 512)),
        "gamma": Range(0.9, 0.999),
        "tau": Range(0.001, 0.05, log=True),
        "action_noise": Range(0.02, 0.4),
        "environments": Choice((4, 8, 16, 32)),
    }
    return {**space, "preset": Choice(("small", "base"))} if presets else space


def distributions(space: Mapping[str, Range | Choice]) -> dict[str, BaseDistribution]:
    """Return ``space`` in Optuna's terms."""
    return {
        name: CategoricalDistribution(one.values)
        if isinstance(one, Choice)
        else FloatDistribution(one.low, one.high, log=one.log)
        for name, one in space.items()
    }
