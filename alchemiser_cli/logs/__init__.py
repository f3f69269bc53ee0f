"""Logs: structured records by channel, through one queue, redacted, never in the caller's way."""

from alchemiser_cli.logs.channels import CHANNELS, Channel, get_logger
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
