"""The account as Alpaca knows it: whether it may trade, its cash, positions and open orders."""

from alchemiser_alpaca_broker.messages import AccountAnswer, ListedOrder, PositionAnswer, whole
from alchemiser_alpaca_broker.occ import our_symbol
from alchemiser_alpaca_broker.polling import PAGE
from alchemiser_alpaca_broker.rest import AlpacaRest
from alchemiser_cli.errors import BrokerInactiveError, PositionValidationError
from alchemiser_cli.trading import broker

__all__ = ["AlpacaAccount"]

_OURS = "o-"  # how the ids of our orders begin


class AlpacaAccount:
    """One account; each method raises as ``AlpacaRest.get``."""

    def __init__(self, name: str, rest: AlpacaRest) -> None:
        """Bind the account ``name`` of the settings."""
        self._name = name
        self._rest = rest

    async def require_active(self) -> None:
        """Raise unless the account may trade.

        Raises:
            BrokerInactiveError: ``broker-inactive``.
        """
        account = await self._told()
        if account.status != "ACTIVE" or account.trading_blocked or account.account_blocked:
            raise BrokerInactiveError(
                f"the account {self._name!r} may not trade",
                why=f"Alpaca says that its status is {account.status[:40]!r}"
                + (", and that it is blocked." if account.status == "ACTIVE" else "."),
                next_step="Look at the account in Alpaca's console, and settle it with Alpaca.",
                context={"broker": self._name},
            )

    async def state(self) -> broker.BrokerAccountState:
        """Return cash, positions and our open orders.

        Raises:
            PositionValidationError: ``position-mismatch`` for parts of a share: nobody here can
                have bought them.
        """
        account = await self._told()
        return broker.BrokerAccountState(
            cash=float(account.cash),
            positions=await self._positions(),
            open_orders=tuple(await self._open_orders()),
        )

    async def _told(self) -> AccountAnswer:
        account = await self._rest.get("/v2/account", AccountAnswer, "tell of the account")
        if account is None:
            raise BrokerInactiveError(
                f"the broker {self._name!r} has no account",
                why="It answered HTTP 404: what answers there is perhaps not Alpaca.",
                next_step=f"Correct `brokers.{self._name}.url`, or leave it out.",
                context={"broker": self._name},
            )
        return account

    async def _positions(self) -> dict[str, int]:
        held = await self._rest.get("/v2/positions", list[PositionAnswer], "list positions")
        positions = {}
        for one in held or ():
            try:
                quantity = whole(one.qty)
            except ValueError as error:
                raise PositionValidationError(
                    f"the account {self._name!r} holds a part of a share of {one.symbol[:20]}",
                    why=f"{error}; only whole shares and contracts are traded here.",
                    next_step="Close that position at Alpaca, and let no other program trade the "
                    "account.",
                    context={"broker": self._name, "symbol": one.symbol[:20]},
                ) from error
            if quantity:
                positions[our_symbol(one.symbol)] = quantity
        return positions

    async def _open_orders(self) -> list[str]:
        ours: list[str] = []
        params = {"status": "open", "limit": str(PAGE), "direction": "asc"}
        while True:
            page = await self._rest.get("/v2/orders", list[ListedOrder], "list orders", params)
            ours += [
                one.client_order_id for one in page or () if one.client_order_id.startswith(_OURS)
            ]
            if not page or len(page) < PAGE or page[-1].submitted_at is None:
                return list(dict.fromkeys(ours))
            params = {**params, "after": page[-1].submitted_at}
