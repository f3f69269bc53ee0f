"""Logs: structured records by channel, through one queue, redacted, never in the caller's way."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from alchemiser_cli.logs.channels import CHANNELS, Channel, get_logger

if TYPE_CHECKING:
    from alchemiser_cli.logs.outputs import channel_file
    from alchemiser_cli.logs.session import log_session, session_is_open

__all__ = [
    "CHANNELS",
    "Channel",
    "channel_file",
    "get_logger",
    "log_session",
    "session_is_open",
]

# What a session needs is loaded by who opens one; a logger alone loads nothing.
_HOMES = {"channel_file": "outputs", "log_session": "session", "session_is_open": "session"}

if not TYPE_CHECKING:  # a checker would take any name for one of ours

    def __getattr__(name: str) -> Any:
        """Import a session's names from their modules (PEP 562)."""
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{home}"), name)
