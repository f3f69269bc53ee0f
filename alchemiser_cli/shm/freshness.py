"""Whether what a reader holds may be acted on."""

from typing import Literal

import msgspec

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.settings import ShmSettings
from alchemiser_cli.shm.slots import SlotHead

__all__ = ["Action", "Freshness", "State", "freshness_of"]

State = Literal["fresh", "stale", "expired"]
Action = Literal["act", "hold", "flat"]

# A publication later than now: another boot's monotonic clock.
LARGEST_LEAD_S = 1.0


class Freshness(msgspec.Struct, frozen=True):
    """How old a reader's value is, and what whoever acts on it is to do.

    ``fresh``: it is the newest. ``stale``: a newer one was refused, for the reason ``refusal`` (an
    error code), and the last good one stays in use. ``expired``: it is older than the settings
    allow, or there is none; then ``action`` is what the settings say, ``hold`` or ``flat``.
    """

    state: State
    action: Action
    generation: int
    age_s: float | None
    refusal: str | None


def freshness_of(
    head: SlotHead | None, refusal: str | None, settings: ShmSettings, clock: Clock
) -> Freshness:
    """Judge the value with the slot head ``head``, by the clock that never goes back."""
    if head is None:
        return Freshness("expired", settings.when_expired, 0, None, refusal)
    age_s = (clock.monotonic_ns() - head.published_monotonic_ns) / NS_PER_SECOND
    if age_s > settings.max_age_s or age_s < -LARGEST_LEAD_S:
        return Freshness("expired", settings.when_expired, head.generation, age_s, refusal)
    state: State = "fresh" if refusal is None else "stale"
    return Freshness(state, "act", head.generation, max(0.0, age_s), refusal)
