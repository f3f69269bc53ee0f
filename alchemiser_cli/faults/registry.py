"""All fault points of this process, by name."""

from collections.abc import Mapping
from types import MappingProxyType

from alchemiser_cli.faults.catalogue import CATALOGUE
from alchemiser_cli.faults.point import FaultPoint
from alchemiser_cli.faults.target import FaultTarget

__all__ = ["declare", "disarm_all", "fault_point", "fault_points"]

_POINTS: dict[str, FaultPoint] = {target.name: FaultPoint(target) for target in CATALOGUE}


def fault_point(name: str) -> FaultPoint:
    """Return the point of the catalogue, or of a plugin, that is called ``name``.

    Raises:
        KeyError: without such a point, which in our own code is a defect.
    """
    return _POINTS[name]


def declare(target: FaultTarget) -> FaultPoint:
    """Add a point that the catalogue does not know, as a plugin or a proxy does.

    A target that is declared again, in the same words, is the same point.

    Raises:
        ValueError: if another target has the name.
    """
    known = _POINTS.get(target.name)
    if known is None:
        known = _POINTS[target.name] = FaultPoint(target)
    elif known.target != target:
        raise ValueError(f"the fault point {target.name!r} is declared twice")
    return known


def fault_points() -> Mapping[str, FaultPoint]:
    """Return all points by name."""
    return MappingProxyType(_POINTS)


def disarm_all() -> None:
    """End every fault in this process."""
    for point in list(_POINTS.values()):
        point.disarm()
