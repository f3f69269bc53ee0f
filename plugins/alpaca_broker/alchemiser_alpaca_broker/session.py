"""Whether the exchange is open, by Alpaca's own clock."""

from alchemiser_alpaca_broker.messages import ClockAnswer
from alchemiser_alpaca_broker.rest import AlpacaRest
from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.errors import MarketClosedError

__all__ = ["Session"]

_LONGEST_S = 60.0  # a session may be halted or ended early


class Session:
    """Asks Alpaca at most once a minute, and when a session begins or ends."""

    def __init__(self, rest: AlpacaRest, clock: Clock) -> None:
        """Begin without knowing."""
        self._rest = rest
        self._clock = clock
        self._told: ClockAnswer | None = None
        self._until_ns = 0

    async def require_open(self, order_id: str) -> None:
        """Raise unless the exchange is open: Alpaca would keep an order for the next session.

        Raises:
            MarketClosedError: ``market-closed``.
            AlchemiserError: Alpaca did not tell; see ``AlpacaRest.get``.
        """
        told = self._told
        if told is None or self._clock.monotonic_ns() >= self._until_ns:
            asked_ns = self._clock.monotonic_ns()
            told = await self._rest.get("/v2/clock", ClockAnswer, "tell whether it is open")
            if told is None:
                return  # an Alpaca without a clock decides by itself
            next_change = told.next_close if told.is_open else told.next_open
            left_s = (next_change - told.timestamp).total_seconds()
            self._until_ns = asked_ns + round(min(max(left_s, 0.0), _LONGEST_S) * NS_PER_SECOND)
            self._told = told
        if not told.is_open:
            raise MarketClosedError(
                f"the order {order_id} was not sent: the exchange is closed",
                why=f"Alpaca says that it opens at {told.next_open.isoformat()}.",
                next_step="Wait for the session; a strategy decides anew then.",
                context={"order_id": order_id, "next_open": told.next_open.isoformat()},
            )
