"""The simulated account: market orders, filled at the next quote with latency and costs.

Its time is the market's: the newest event time among the ticks that it saw. So a replay of the
same ticks and orders gives the same executions, to the id.
"""

from collections.abc import Iterable

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.errors import OrderExecutionError
from alchemiser_cli.market.ticks import Tick
from alchemiser_cli.settings.sections import OptionsSettings
from alchemiser_cli.settings.trading import PaperSettings
from alchemiser_cli.trading.book import Book
from alchemiser_cli.trading.broker import BrokerAccountState
from alchemiser_cli.trading.decisions import Side
from alchemiser_cli.trading.hours import TradingHours
from alchemiser_cli.trading.instruments import instrument_of
from alchemiser_cli.trading.orders import Execution, Order, OrderUpdate
from alchemiser_cli.trading.paper.expiries import Expiries, settlements
from alchemiser_cli.trading.paper.fills import capacity, fill_of, fill_price
from alchemiser_cli.trading.paper.refusals import (
    malformed,
    market_closed,
    rehearsal,
    rehearsed,
    short_of_funds,
)
from alchemiser_cli.trading.paper.ticket import Ticket
from alchemiser_cli.trading.paper.waiting import WaitingOrders
from alchemiser_cli.trading.signals import Origin

__all__ = ["PaperAccount"]

BEFORE_ALL = -(2**63)
INFINITE = float("inf")


class PaperAccount:
    """Orders, fills, settlements and books of an account that exists only here.

    An order waits for the first tick of its symbol that is later than the one that led to it and
    at least ``latency_s`` later than its arrival. A tick that is out of order, seen twice, without
    a positive price, or outside the trading hours fills nothing. Contracts are settled in cash at
    the first tick of their underlying at or after expiry; their open orders expire then.

    What a call returns or raises is not told again by ``updates_now``. Every order is remembered
    by its id. It belongs to one thread.
    """

    def __init__(
        self,
        name: str,
        settings: PaperSettings,
        options: OptionsSettings,
        hours: TradingHours | None,
        clock: Clock,
    ) -> None:
        """Open the account.

        Args:
            name: The broker's name in the settings.
            settings: Cash, costs, latency, and what is rehearsed.
            options: Multiplier and commission of contracts.
            hours: When the exchange is open; None: always.
            clock: Tells whether the exchange is open when an order comes.
        """
        self._name = name
        self._settings = settings
        self._options = options
        self._hours = hours if settings.market_hours else None
        self._clock = clock
        self._latency_ns = round(settings.latency_s * NS_PER_SECOND)
        self._book = Book(name, settings.initial_cash, options.multiplier)
        self._tickets: dict[str, Ticket] = {}
        self._waiting = WaitingOrders(round(settings.order_lifetime_s * NS_PER_SECOND))
        self._expiries = Expiries()
        self._news: list[OrderUpdate] = []
        self._event_ns = BEFORE_ALL
        self._newest: dict[str, int] = {}  # event time of the last tick, by symbol

    @property
    def name(self) -> str:
        """The broker's name in the settings."""
        return self._name

    @property
    def book(self) -> Book:
        """The account as the broker keeps it; only to be read."""
        return self._book

    def account_now(self) -> BrokerAccountState:
        """Return cash, net positions and open orders."""
        return BrokerAccountState(
            cash=self._book.cash,
            positions=dict(self._book.positions()),
            open_orders=self._waiting.order_ids(),
        )

    def submit_now(self, order: Order) -> OrderUpdate:
        """Take an order, once: the same id again answers with its present state.

        Raises:
            OrderRejectedError: ``order-rejected``: it cannot be executed, its contract has
                expired, or rejects are rehearsed.
            InsufficientFundsError: ``insufficient-funds``: the account cannot carry it.
            MarketClosedError: ``market-closed``: the exchange has no session now.
        """
        known = self._tickets.get(order.order_id)
        if known is not None:
            return known.update()
        ticket = self._ticket(order, max(self._event_ns, order.not_before_ns))
        refusal = self._refusal(ticket)
        self._tickets[order.order_id] = ticket
        if refusal is not None:
            ticket.close("rejected", refusal.what, ticket.accepted_ns)
            raise refusal
        self._wait(ticket)
        return ticket.update()

    def status_now(self, order_id: str) -> OrderUpdate | None:
        """Return what became of an order, None where it never came."""
        ticket = self._tickets.get(order_id)
        return None if ticket is None else ticket.update()

    def cancel_now(self, order_id: str) -> OrderUpdate | None:
        """Cancel what is left of an order; None where it never came, its state where it is over."""
        ticket = self._tickets.get(order_id)
        if ticket is None:
            return None
        if ticket.left:
            self._waiting.remove(ticket)
            at_ns = max(self._event_ns, ticket.accepted_ns)
            ticket.close("cancelled", "cancelled on request", at_ns)
        return ticket.update()

    def updates_now(self) -> list[OrderUpdate]:
        """Return fills, expired orders and settlements since the last call, in their order.

        A settlement is an update without ``order_id`` that holds its executions.
        """
        if not self._news:
            return []
        news, self._news = self._news, []
        return news

    def on_tick(self, tick: Tick, origin: Origin) -> None:
        """Let a tick fill, settle and expire what it can; ``updates_now`` tells of it."""
        symbol, at_ns, price = tick.symbol, tick.event_time_ns, tick.price
        if not 0.0 < price < INFINITE or at_ns <= self._newest.get(symbol, BEFORE_ALL):
            return
        self._newest[symbol] = at_ns
        self._event_ns = max(self._event_ns, at_ns)
        self._book.mark(symbol, price, at_ns)
        if at_ns >= self._waiting.deadline_ns:
            for ticket in self._waiting.overdue(at_ns):
                self._expire(ticket, "nothing filled it within paper.order_lifetime_s", at_ns)
        if self._expiries.due(symbol, at_ns):
            self._settle(tick, origin)
        if symbol in self._waiting:
            self._fill(tick, origin)

    def restore(
        self,
        orders: Iterable[Order],
        updates: Iterable[OrderUpdate],
        executions: Iterable[Execution],
    ) -> None:
        """Rebuild the account from its records, in their order, into a new broker.

        An order counts as accepted, as of the tick that led to it, unless an update says more.
        Last prices are not on record: positions are worth their last execution's until the market
        is seen again.

        Raises:
            PositionValidationError: ``position-mismatch``: a record cannot be booked.
        """
        for order in orders:
            ticket = self._ticket(order, order.not_before_ns)
            if rehearsed(order.order_id, self._settings.seed, self._settings.reject_rate):
                ticket.close("rejected", rehearsal(order).what, order.not_before_ns)
            self._tickets.setdefault(order.order_id, ticket)
            self._event_ns = max(self._event_ns, order.not_before_ns)
        for execution in executions:
            self._remember(execution)
        for update in updates:
            self._recall(update)
        for ticket in self._tickets.values():
            if ticket.left:
                self._wait(ticket)

    def _remember(self, execution: Execution) -> None:
        if not self._book.apply(execution):
            return
        ticket = self._tickets.get(execution.order_id)
        if ticket is not None:
            ticket.book(execution)
        self._expiries.expect(instrument_of(execution.symbol, self._options.multiplier))
        self._event_ns = max(self._event_ns, execution.at_ns)
        seen = self._newest.get(execution.symbol, BEFORE_ALL)
        self._newest[execution.symbol] = max(seen, execution.at_ns)

    def _recall(self, update: OrderUpdate) -> None:
        self._event_ns = max(self._event_ns, update.at_ns)
        ticket = self._tickets.get(update.order_id)
        if ticket is None:
            return
        if update.state == "accepted":
            ticket.accepted_ns = update.at_ns
            ticket.changed_ns = max(ticket.changed_ns, update.at_ns)
        elif update.closed:
            ticket.close(update.state, update.reason, update.at_ns)

    def _refusal(self, ticket: Ticket) -> OrderExecutionError | None:
        order, instrument = ticket.order, ticket.instrument
        refused = malformed(order, instrument, self._name, ticket.accepted_ns)
        if refused is not None:
            return refused
        if self._hours is not None:
            now_ns = self._clock.now_ns()
            if not self._hours.is_open(now_ns):
                return market_closed(order, self._hours.calendar, now_ns)
        if rehearsed(order.order_id, self._settings.seed, self._settings.reject_rate):
            return rehearsal(order)
        waiting, held = self._waiting.on_side(order.symbol, order.side)
        return short_of_funds(ticket, self._book, waiting, held)

    def _ticket(self, order: Order, at_ns: int) -> Ticket:
        instrument = instrument_of(order.symbol, self._options.multiplier)
        source = self._options if instrument.is_option else self._settings
        return Ticket(order, instrument, source.commission, at_ns)

    def _wait(self, ticket: Ticket) -> None:
        self._waiting.add(ticket)
        self._expiries.expect(ticket.instrument)

    def _fill(self, tick: Tick, origin: Origin) -> None:
        at_ns = tick.event_time_ns
        if self._hours is not None and not self._hours.is_open(at_ns):
            return
        most = capacity(tick, self._settings.max_fill)
        left: dict[Side, int] = {"buy": most, "sell": most}
        for ticket in self._waiting.of(tick.symbol):
            side = ticket.order.side
            quantity = min(ticket.left, left[side])
            if quantity <= 0 or not self._may_fill(ticket, at_ns):
                continue
            price = fill_price(tick, side, self._settings)
            if price is None:
                continue
            left[side] -= quantity
            execution = fill_of(ticket, quantity, price, tick, origin)
            self._book.apply(execution)
            self._news.append(ticket.book(execution))
            if ticket.left == 0:
                self._waiting.remove(ticket)

    def _may_fill(self, ticket: Ticket, at_ns: int) -> bool:
        expiry_ns = ticket.instrument.expiry_ns
        return (
            at_ns > ticket.order.not_before_ns
            and at_ns >= ticket.accepted_ns + self._latency_ns
            and (expiry_ns is None or at_ns < expiry_ns)
        )

    def _expire(self, ticket: Ticket, reason: str, at_ns: int) -> None:
        self._waiting.remove(ticket)
        self._news.append(ticket.close("expired", reason, at_ns))

    def _settle(self, tick: Tick, origin: Origin) -> None:
        """Settle and close every contract on this underlying that has expired."""
        at_ns = tick.event_time_ns
        for contract in self._expiries.take(tick.symbol, at_ns):
            for ticket in self._waiting.of(contract.symbol):
                self._expire(ticket, "the contract expired", at_ns)
            holders = self._book.holders(contract.symbol)
            executions = settlements(self._name, contract, holders, tick, origin)
            for execution in executions:
                self._book.apply(execution)
            if executions:
                update = OrderUpdate(
                    order_id="", state="filled", filled=0, at_ns=at_ns, executions=executions
                )
                self._news.append(update)
