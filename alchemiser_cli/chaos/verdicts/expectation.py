"""What an experiment expects of each fault; the ``expect`` of the extension ``alchemiser``."""

import msgspec

__all__ = ["Detection", "Expectation"]


class Detection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """That one of ``codes`` stands in the journal within ``within_s`` seconds of the fault."""

    codes: tuple[str, ...]
    within_s: float = 10.0


class Expectation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What should become of the fault at ``target``; what is left out is not asked.

    ``defences`` are those of the workload that must have acted. ``told`` says whether a person
    must be told of it (True), or rightly is not (False). ``steady_within_s`` counts from the
    fault's end. ``lost`` and ``twice`` are the most that is accepted, ``availability`` the least
    share of the work that gets through while the fault is in force.

    ``guards`` names, for each question of the verdict (``detected``, ``journalled``, ``told``,
    ``steady``, ``lost``, ``twice``, ``availability``), the defence that a failed answer accuses.
    """

    target: str
    detected: Detection | None = None
    defences: tuple[str, ...] = ()
    told: bool | None = None
    steady_within_s: float | None = None
    lost: int | None = None
    twice: int | None = None
    availability: float | None = None
    guards: dict[str, str] = {}
