"""Measured values beside their targets, as a table or JSON."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass

__all__ = ["Figure", "all_met", "line", "machine", "printed"]


@dataclass(frozen=True)
class Figure:
    """One measured value beside its target; smaller is better, unless ``at_least``.

    Without a target it is only reported.
    """

    name: str
    value: float
    target: float | None
    unit: str
    detail: str = ""
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether the value is as good as the target or better."""
        if self.target is None:
            return True
        return self.value >= self.target if self.at_least else self.value <= self.target


def all_met(figures: Sequence[Figure]) -> bool:
    """Tell whether every target was met."""
    return all(figure.met for figure in figures)


def machine() -> str:
    """Return what was measured on, in a line."""
    return f"Python {platform.python_version()}, {os.cpu_count()} CPUs"


def line(figure: Figure, width: int) -> str:
    """Return the figure for people, its name padded to ``width`` characters."""
    bound = verdict = ""
    if figure.target is not None:
        side = "least" if figure.at_least else "most"
        bound = f"at {side:<5} {f'{figure.target:.2f} {figure.unit}':>9}"
        verdict = "met" if figure.met else "MISSED"
    value = f"{figure.value:.2f} {figure.unit}"
    text = f"{figure.name:<{width}}{value:>11}   {bound:<18}   {verdict:<6}   {figure.detail}"
    return text.rstrip()


def printed(figures: Sequence[Figure], *, as_json: bool, **facts: object) -> str:
    """Return the figures for people or, ``as_json`` and with ``facts``, for programs."""
    if as_json:
        rows = [asdict(figure) | {"met": figure.met} for figure in figures]
        document = {"python": platform.python_version(), **facts, "figures": rows}
        return json.dumps(document, indent=2)
    width = max((len(figure.name) for figure in figures), default=0) + 2
    return "\n".join([machine(), *(line(figure, width) for figure in figures)])
