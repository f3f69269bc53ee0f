"""The alert: what somebody should be told, before anybody knows whom and how."""

import hashlib
from collections.abc import Mapping
from typing import Literal

import msgspec

__all__ = ["RANKS", "Alert", "AlertKind", "Level", "fingerprint_of"]

Level = Literal["low", "medium", "high", "critical"]
RANKS: Mapping[Level, int] = {"low": 0, "medium": 1, "high": 2, "critical": 3}

AlertKind = Literal["error", "threshold", "trading", "drill", "test"]
"""Where an alert comes from; a drill is told apart in every message, a test goes out at once."""


def fingerprint_of(*parts: str) -> str:
    """Return the fingerprint of what an alert is about: 16 hexadecimal digits of BLAKE2b."""
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=8).hexdigest()


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that somebody should be told.

    Alerts of one ``fingerprint`` are one incident, told once. ``code`` names the runbook. ``what``,
    ``why`` and ``next_step`` are an error's. ``at_ns`` is UTC nanoseconds; ``count`` how many
    failures it stands for. ``group`` relates incidents that have one cause, for example all of one
    component: they are told in one message. ``firing`` is False for the news that it is over.
    ``injected`` is of chaos: it escalates only where a drill asks for it.
    """

    fingerprint: str
    kind: AlertKind
    severity: Level
    code: str
    component: str
    what: str
    why: str = ""
    next_step: str = ""
    at_ns: int
    count: int = 1
    group: str = ""
    firing: bool = True
    injected: bool = False
    links: Mapping[str, str] = {}
