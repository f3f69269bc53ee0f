"""Which symbols a strategy trades: single ones, or all with a beginning as in ``SPX-*``."""

from collections.abc import Sequence

__all__ = ["SymbolChoice"]

REMEMBERED = 16_384


class SymbolChoice:
    """Symbols by name or by their beginning; a bounded memory makes asking again cheap."""

    __slots__ = ("_known", "_names", "_starts")

    def __init__(self, patterns: Sequence[str]) -> None:
        """Take symbols, or beginnings that end in ``*``."""
        self._names = frozenset(one for one in patterns if not one.endswith("*"))
        self._starts = tuple(one[:-1] for one in patterns if one.endswith("*"))
        self._known: dict[str, bool] = {}

    def __contains__(self, symbol: str) -> bool:
        """Tell whether ``symbol`` is chosen."""
        known = self._known.get(symbol)
        if known is None:
            if len(self._known) >= REMEMBERED:  # contracts come and go
                self._known.clear()
            known = symbol in self._names or symbol.startswith(self._starts)
            self._known[symbol] = known
        return known
