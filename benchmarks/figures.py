"""Measured values beside their targets, as a table or JSON."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass

__all__ = ["Figure", "all_met", "printed"]


@dataclass(frozen=True)
class Figure:
    """One measured value beside its target; smaller is better, unless ``at_least``."""

    name: str
    value: float
    target: float
    unit: str
    detail: str = ""
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether the value is as good as the target or better."""
        return self.value >= self.target if self.at_least else self.value <= self.target


def all_met(figures: Sequence[Figure]) -> bool:
    """Tell whether every target was met."""
    return all(figure.met for figure in figures)


def printed(figures: Sequence[Figure], *, as_json: bool) -> str:
    """Return the figures for people or, ``as_json``, for programs."""
    if as_json:
        rows = [asdict(figure) | {"met": figure.met} for figure in figures]
        return json.dumps({"python": platform.python_version(), "figures": rows}, indent=2)
    lines = [f"Python {platform.python_version()}, {os.cpu_count()} CPUs"]
    width = max((len(figure.name) for figure in figures), default=0) + 2
    for figure in figures:
        value, target = (f"{number:.2f} {figure.unit}" for number in (figure.value, figure.target))
        verdict = "met" if figure.met else "MISSED"
        bound = "least" if figure.at_least else "most"
        line = f"{figure.name:<{width}}{value:>11}   at {bound:<5} {target:>9}   {verdict:<6}"
        lines.append(f"{line}   {figure.detail}".rstrip())
    return "\n".join(lines)
