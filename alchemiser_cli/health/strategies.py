"""Strategies that are really loaded, against those that the settings ask for."""

from collections import Counter

import msgspec

from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.health.readings import loaded_strategies
from alchemiser_cli.health.surroundings import Surroundings

__all__ = ["Readiness", "readiness"]

# A trading process repeats what it has loaded; after so long without it, it is not running.
GONE_AFTER_S = 600.0


class Readiness(msgspec.Struct, frozen=True):
    """One broker's strategies: asked for by the settings, loaded by a process that runs.

    ``why`` says what keeps the others away; empty where all are loaded.
    """

    broker: str
    configured: int
    loaded: int
    why: str


def readiness(surroundings: Surroundings) -> list[Readiness]:
    """Compare settings and running processes, by broker; empty where nothing is configured.

    Raises:
        DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
    """
    now_ns = surroundings.clock.now_ns()
    settings = surroundings.settings
    asked = Counter(one.broker for one in settings.strategies.values() if one.enabled)
    reported = {one.broker: one for one in loaded_strategies(surroundings.database)}
    found = []
    for broker in sorted(asked.keys() | reported.keys()):
        row = reported.get(broker)
        if row is None:
            found.append(Readiness(broker, asked[broker], 0, "no process has loaded any"))
        elif (now_ns - row.at_ns) / NS_PER_SECOND > GONE_AFTER_S:
            # A process of long ago asks for nothing; what the settings ask for is missing.
            if asked[broker]:
                why = (
                    f"the process that loaded them last reported {surroundings.age(row.at_ns)} ago"
                )
                found.append(Readiness(broker, asked[broker], 0, why))
        else:
            missing = "; ".join(f"{name}: {reason}" for name, reason in row.reasons.items())
            configured = max(asked[broker], row.configured)
            if not configured:
                continue
            why = missing or "no reason given" if row.loaded < configured else ""
            found.append(Readiness(broker, configured, row.loaded, why))
    return found
