"""Targets that no list can know: the proxies that people put between a client and a service."""

from alchemiser_cli.faults.fault import FaultKind
from alchemiser_cli.faults.target import FaultTarget

__all__ = ["PROXY_PREFIX", "proxy_target"]

PROXY_PREFIX = "proxy."


def proxy_target(name: str) -> FaultTarget:
    """Return the target of the proxy ``name``, given with or without the ``proxy.`` before it.

    It says nothing of whether such a proxy runs: it may run in another process.
    """
    bare = name.removeprefix(PROXY_PREFIX)
    return FaultTarget(
        name=f"{PROXY_PREFIX}{bare}",
        summary=f"what passes the TCP proxy {bare!r}",
        kinds=(
            FaultKind.DELAY,
            FaultKind.THROTTLE,
            FaultKind.RESET,
            FaultKind.HANG,
            FaultKind.HALF_CLOSE,
            FaultKind.DOWN,
        ),
    )
