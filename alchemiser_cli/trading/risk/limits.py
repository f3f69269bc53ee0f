"""Which limits hold for a strategy in a symbol: the base ones, and what replaces them."""

from dataclasses import dataclass

from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.settings import RiskLimits, RiskSettings

__all__ = ["LimitTable", "TradeLimits"]


@dataclass(frozen=True, slots=True)
class TradeLimits:
    """The limits of one strategy in one symbol.

    ``max_trade_loss`` and ``max_notional`` are shares of equity, ``max_quantity`` units or
    contracts; times are nanoseconds. ``max_positions`` counts those of the account,
    ``strategy_positions`` the strategy's own, None where it has no limit of its own.
    """

    max_trade_loss: float
    max_positions: int
    strategy_positions: int | None
    max_notional: float
    max_quantity: int
    cool_down_ns: int
    max_data_age_ns: int


class LimitTable:
    """All limits, resolved once for each strategy and each symbol that has its own."""

    def __init__(self, risk: RiskSettings) -> None:
        """Take the limits of ``risk``."""
        self._risk = risk
        self._resolved: dict[tuple[str, str], TradeLimits] = {}

    def of(self, strategy: str, symbol: str, underlying: str) -> TradeLimits:
        """Return the limits of ``strategy`` in ``symbol``.

        Those of an option are its own, or else its underlying's. A limit that is set for the
        strategy or the symbol replaces the base one; where both are set, the stricter one holds.
        """
        by_symbol = self._risk.by_symbol
        own = symbol if symbol in by_symbol else underlying if underlying in by_symbol else ""
        limits = self._resolved.get((strategy, own))
        if limits is None:
            of_strategy = self._risk.by_strategy.get(strategy, _NONE)
            limits = _resolved(self._risk, of_strategy, by_symbol.get(own, _NONE))
            self._resolved[strategy, own] = limits
        return limits


_NONE = RiskLimits()


def _resolved(risk: RiskSettings, strategy: RiskLimits, symbol: RiskLimits) -> TradeLimits:
    both = (strategy, symbol)
    cool_downs = [one.cool_down_s for one in both if one.cool_down_s is not None]
    return TradeLimits(
        max_trade_loss=_least(risk.max_trade_loss, *(one.max_trade_loss for one in both)),
        max_positions=int(_least(risk.max_positions, symbol.max_positions)),
        strategy_positions=strategy.max_positions,
        max_notional=_least(risk.max_notional, *(one.max_notional for one in both)),
        max_quantity=int(_least(risk.max_quantity, *(one.max_quantity for one in both))),
        cool_down_ns=round(max(cool_downs, default=risk.cool_down_s) * NS_PER_SECOND),
        max_data_age_ns=round(
            _least(risk.max_data_age_s, *(one.max_data_age_s for one in both)) * NS_PER_SECOND
        ),
    )


def _least(base: float, *own: float | None) -> float:
    return min((value for value in own if value is not None), default=base)
