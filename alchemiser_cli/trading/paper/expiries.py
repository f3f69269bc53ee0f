"""Which contracts expire when, and the cash that each holder is due then."""

from collections.abc import Mapping

from alchemiser_cli.market.ticks import Tick
from alchemiser_cli.trading.instruments import Instrument
from alchemiser_cli.trading.orders import Execution
from alchemiser_cli.trading.signals import Origin

__all__ = ["Expiries", "settlements"]

NEVER = 2**63 - 1


class Expiries:
    """The contracts that were ordered and have not expired, by their underlying."""

    def __init__(self) -> None:
        self._contracts: dict[str, dict[str, Instrument]] = {}
        self._next_ns: dict[str, int] = {}

    def expect(self, instrument: Instrument) -> None:
        """Watch for the expiry of a contract; what is no contract never expires."""
        if instrument.expiry_ns is None:
            return
        underlying = instrument.underlying
        self._contracts.setdefault(underlying, {})[instrument.symbol] = instrument
        earliest = self._next_ns.get(underlying, NEVER)
        self._next_ns[underlying] = min(earliest, instrument.expiry_ns)

    def due(self, underlying: str, at_ns: int) -> bool:
        """Tell whether a contract on ``underlying`` has expired at ``at_ns``."""
        return at_ns >= self._next_ns.get(underlying, NEVER)

    def take(self, underlying: str, at_ns: int) -> list[Instrument]:
        """Return the contracts on ``underlying`` that expired until ``at_ns``, and forget them."""
        contracts = self._contracts.get(underlying, {})
        expiries = {name: each.expiry_ns or NEVER for name, each in contracts.items()}
        expired = [contracts.pop(name) for name, expiry in expiries.items() if at_ns >= expiry]
        self._next_ns[underlying] = min((expiries[name] for name in contracts), default=NEVER)
        return expired


def settlements(
    broker: str, contract: Instrument, holders: Mapping[str, int], tick: Tick, origin: Origin
) -> tuple[Execution, ...]:
    """Return the executions that close an expired contract in cash, one for each strategy.

    The price is the contract's intrinsic value at the underlying's price; there is no commission.
    """
    return tuple(
        Execution(
            execution_id=f"s-{strategy}-{contract.symbol}",
            kind="settlement",
            order_id="",
            strategy_id=strategy,
            broker=broker,
            symbol=contract.symbol,
            change=-quantity,
            price=contract.settlement(tick.price),
            commission=0.0,
            at_ns=tick.event_time_ns,
            origin=origin,
        )
        for strategy, quantity in sorted(holders.items())
    )
