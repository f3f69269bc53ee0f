"""Check that somebody is told of a CRITICAL error."""

from alchemiser_cli.checks import Check, SkipCheck
from alchemiser_cli.errors import CriticalChannelMissingError
from alchemiser_cli.preflight.setup import PRODUCTION, Setup
from alchemiser_cli.settings import Environment

__all__ = ["checks"]


def checks(setup: Setup) -> list[Check]:
    """Return the checks of the category ``notifications``."""
    return [
        setup.check(
            "notifications",
            "a channel takes CRITICAL messages",
            "critical-channel-missing",
            lambda: _critical_channel(setup),
            blocks_in=PRODUCTION,
        )
    ]


def _critical_channel(setup: Setup) -> str:
    channels = [
        name
        for name, channel in setup.settings.notifications.items()
        if channel.enabled and "critical" in channel.severities
    ]
    if not channels and setup.settings.environment is Environment.DEVELOPMENT:
        raise SkipCheck("development needs nobody to be woken")
    if not channels:
        raise CriticalChannelMissingError(
            "nobody would be told of a CRITICAL error",
            why="No enabled channel under [notifications] takes the severity critical.",
            next_step="Add a channel: --set notifications.desk.url=mailto://USER:PASSWORD@HOST",
        )
    return ", ".join(channels)
