"""Check of today's session by the exchange's calendar."""

from datetime import UTC, datetime

from alchemiser_cli.checks import Check
from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.errors import MarketClosedError
from alchemiser_cli.preflight.setup import NEVER, Setup

__all__ = ["checks"]


def checks(setup: Setup) -> list[Check]:
    """Return the checks of the category ``market``."""
    return [
        setup.check(
            "market",
            "exchange has a session today",
            "market-closed",
            lambda: _session(setup),
            blocks_in=NEVER,  # a closed market is a fact, not a fault
        )
    ]


def _session(setup: Setup) -> str:
    from alchemiser_cli.market import session_at

    calendar = setup.settings.market.calendar
    now_ns = setup.clock.now_ns()
    state = session_at(calendar, now_ns)
    if state.is_open and state.closes_at_ns is not None:
        early = " (early close)" if state.is_early_close else ""
        return f"{calendar} is open until {_utc(state.closes_at_ns)}{early}"
    next_open = f"next open {_utc(state.next_open_ns)}" if state.next_open_ns else "no next open"
    if state.session is None:
        raise MarketClosedError(
            f"{calendar} has no session today",
            why="The exchange's calendar has a weekend or a holiday.",
            next_step=f"Nothing to do: {next_open}.",
            context={"next_open_ns": state.next_open_ns},
        )
    return f"{calendar} is closed; {next_open}"


def _utc(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns / NS_PER_SECOND, UTC).strftime("%Y-%m-%d %H:%M UTC")
