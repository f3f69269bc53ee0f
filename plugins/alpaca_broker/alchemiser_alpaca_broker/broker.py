"""One account at Alpaca as a ``Broker``: market orders of the day, never sent twice.

Source: Alpaca's public documentation of the Trading API v2.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from alchemiser_alpaca_broker.account import AlpacaAccount
from alchemiser_alpaca_broker.known_order import KnownOrder, state_of
from alchemiser_alpaca_broker.messages import OrderAnswer
from alchemiser_alpaca_broker.occ import alpaca_symbol
from alchemiser_alpaca_broker.polling import OrderPolling, find_order
from alchemiser_alpaca_broker.refusals import outcome_unknown, refused
from alchemiser_alpaca_broker.rest import AlpacaRest, Answered, nothing_was_sent
from alchemiser_alpaca_broker.session import Session
from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.errors import (
    AlchemiserError,
    CircuitOpenError,
    MarketClosedError,
    RateLimitError,
    RetryExhaustedError,
    ServiceUnreachableError,
)
from alchemiser_cli.resilience import BreakerState
from alchemiser_cli.trading import broker, orders

__all__ = ["AlpacaBroker"]

_SUCCESS = range(200, 300)
_UNPROCESSABLE = 422


class AlpacaBroker:
    """One account at Alpaca, for one event loop.

    Each execution is told once: by the answer to ``submit`` or ``cancel``, or by ``updates``.
    ``status`` alone tells all executions of an order again; their ids are the same.
    """

    def __init__(
        self, name: str, rest: AlpacaRest, clock: Clock, *, poll_interval_s: float
    ) -> None:
        """Bind the account ``name`` of the settings; nothing is contacted yet."""
        self._name = name
        self._rest = rest
        self._clock = clock
        self._account = AlpacaAccount(name, rest)
        self._session = Session(rest, clock)
        self._orders: dict[str, KnownOrder] = {}
        self._polling = OrderPolling(rest, self._orders)
        self._interval_ns = round(poll_interval_s * NS_PER_SECOND)
        self._asked_ns: int | None = None

    @property
    def name(self) -> str:
        """The broker's name in the settings."""
        return self._name

    @property
    def circuit_open(self) -> bool:
        """Whether the circuit breaker refuses calls, because too many of them have failed."""
        return self._rest.breaker.state in {BreakerState.OPEN, BreakerState.ISOLATED}

    def restore(
        self,
        known: Iterable[orders.Order],
        updates: Iterable[orders.OrderUpdate],
        executions: Iterable[orders.Execution],
    ) -> None:
        """Take over what an earlier process has sent and told; call it before anything else.

        Without it, what was executed of these orders before would be told again, under other
        ids where it came in parts.
        """
        told: dict[str, list[orders.OrderUpdate]] = defaultdict(list)
        done: dict[str, list[orders.Execution]] = defaultdict(list)
        for update in updates:
            told[update.order_id].append(update)
        for execution in executions:
            done[execution.order_id].append(execution)
        for order in known:
            one = self._orders.setdefault(order.order_id, KnownOrder(order))
            one.restore(told[order.order_id], done[order.order_id])

    async def connect(self) -> None:
        """Prove that the account answers and may trade.

        Raises:
            RetryExhaustedError: ``retry-exhausted``: Alpaca cannot be reached.
            SecurityError: ``security-violation``: it refuses the credentials.
            BrokerInactiveError: ``broker-inactive``: the account may not trade.
        """
        await self._account.require_active()

    async def account(self) -> broker.BrokerAccountState:
        """Return cash, positions and our open orders.

        Raises:
            AlchemiserError: as ``connect``.
            PositionValidationError: ``position-mismatch`` for parts of a share: nobody here can
                have bought them.
        """
        return await self._account.state()

    async def submit(self, order: orders.Order) -> orders.OrderUpdate:
        """Hand over an order once; the same id again answers with its present state.

        Raises:
            OrderRejectedError: ``order-rejected``; nothing was or will be executed.
            InsufficientFundsError: ``insufficient-funds``; as above.
            MarketClosedError: ``market-closed``; as above.
            OrderOutcomeUnknownError: ``order-outcome-unknown``: ask for its ``status``; until
                Alpaca knows the order it is not sent again, by this method neither.
            RateLimitError: ``rate-limited``, CircuitOpenError ``circuit-open``,
                ServiceUnreachableError ``service-unreachable``, SecurityError
                ``security-violation``, RetryExhaustedError ``retry-exhausted``: it was not sent,
                and may be submitted again.
        """
        known = self._orders.get(order.order_id)
        if known is not None and known.closed:
            return known.news()
        if known is not None and (known.sent or known.answered):
            return await self._settled(order, "It was sent before.")
        try:
            await self._session.require_open(order.order_id)
        except MarketClosedError:
            found = await self._found(order)
            if found is None:
                raise
            return found
        return await self._send(order)

    async def status(self, order_id: str) -> orders.OrderUpdate | None:
        """Return what became of an order with all its executions, None where Alpaca has none.

        Of an order that is neither submitted nor restored here, only the totals are told.
        Raises as ``AlpacaRest.get``.
        """
        answer = await find_order(self._rest, order_id)
        known = self._orders.get(order_id)
        if answer is None:
            return known.all() if known is not None and known.answered else None
        if known is not None:
            known.take(answer, self._clock.now_ns())
            return known.all()
        return orders.OrderUpdate(
            order_id=order_id,
            state=state_of(answer),
            filled=answer.filled,
            at_ns=answer.changed_at_ns() or self._clock.now_ns(),
        )

    async def cancel(self, order_id: str) -> orders.OrderUpdate | None:
        """Cancel what is left of an order; None where Alpaca has none. Raises as ``status``."""
        answer = await find_order(self._rest, order_id)
        if answer is None:
            return None
        if state_of(answer) not in orders.CLOSED:
            await self._rest.delete(f"/v2/orders/{answer.id}", f"cancel the order {order_id}")
        known = self._orders.get(order_id)
        if known is None:
            return await self.status(order_id)
        after = await find_order(self._rest, order_id)
        known.take(answer if after is None else after, self._clock.now_ns())
        return known.news()

    async def updates(self) -> Sequence[orders.OrderUpdate]:
        """Return what changed of our orders since the last answers told.

        It asks Alpaca at most once in ``poll_interval_s``, and not at all while no order is
        open. Settlements of contracts at expiry are not among it: ``account`` shows those.

        Raises:
            ServiceUnreachableError: ``service-unreachable``, RateLimitError ``rate-limited``,
                CircuitOpenError ``circuit-open``, SecurityError ``security-violation``; what is
                new is told by a later call.
        """
        now_ns = self._clock.monotonic_ns()
        if self._asked_ns is None or now_ns - self._asked_ns >= self._interval_ns:
            self._asked_ns = now_ns
            if any(not known.closed for known in self._orders.values()):
                await self._polling.ask(self._clock.now_ns())
            elif self.circuit_open:
                await self._look_whether_it_answers()
        return [known.news() for known in self._orders.values() if known.changed]

    async def close(self) -> None:
        """Disconnect; orders stay as they are."""
        await self._rest.close()

    async def _send(self, order: orders.Order) -> orders.OrderUpdate:
        known = self._orders[order.order_id] = KnownOrder(order)
        known.sent = True
        try:
            answer = await self._rest.submit(
                "/v2/orders", _body(order), f"take the order {order.order_id}"
            )
        except ServiceUnreachableError as error:
            if nothing_was_sent(error):
                del self._orders[order.order_id]
                raise
            return await self._settled(order, error.why)
        except RetryExhaustedError as error:  # only what was refused unread is sent again
            del self._orders[order.order_id]
            raise _limited(order, error) from error
        except AlchemiserError:
            del self._orders[order.order_id]
            raise
        if answer.status in _SUCCESS:
            try:
                read = self._rest.read(answer.content, OrderAnswer, "tell of an order")
            except ServiceUnreachableError as error:
                return await self._settled(order, error.why)
            if read.client_order_id != order.order_id:
                return await self._settled(order, "It answered with another order.")
            known.take(read, self._clock.now_ns())
            return known.news()
        return await self._unless_known(order, answer)

    async def _unless_known(self, order: orders.Order, answer: Answered) -> orders.OrderUpdate:
        """Return the state of an order that Alpaca refuses to take twice; raise a true refusal."""
        if answer.status == _UNPROCESSABLE:
            found = await self._looked_up(order, answer.why)
            if found is not None:
                return found
        del self._orders[order.order_id]
        raise refused(order, answer)

    async def _settled(self, order: orders.Order, why: str) -> orders.OrderUpdate:
        """Return what became of an order that was sent without a usable answer."""
        found = await self._looked_up(order, why)
        if found is None:
            raise outcome_unknown(order, why)
        return found

    async def _looked_up(self, order: orders.Order, why: str) -> orders.OrderUpdate | None:
        try:
            return await self._found(order)
        except AlchemiserError as error:
            raise outcome_unknown(order, why, error) from error

    async def _found(self, order: orders.Order) -> orders.OrderUpdate | None:
        answer = await find_order(self._rest, order.order_id)
        if answer is None:
            return None
        known = self._orders.setdefault(order.order_id, KnownOrder(order))
        known.take(answer, self._clock.now_ns())
        return known.news()

    async def _look_whether_it_answers(self) -> None:
        try:
            await self._rest.get("/v2/clock", msgspec.Raw, "answer", once=True)
        except (CircuitOpenError, ServiceUnreachableError, RateLimitError):
            return  # nothing waits for an answer


def _body(order: orders.Order) -> Mapping[str, str]:
    return {
        "symbol": alpaca_symbol(order.symbol),
        "qty": str(order.quantity),
        "side": order.side,
        "type": "market",
        "time_in_force": "day",
        "client_order_id": order.order_id,
    }


def _limited(order: orders.Order, error: RetryExhaustedError) -> RateLimitError:
    cause = error.__cause__
    return RateLimitError(
        f"the order {order.order_id} was not sent: Alpaca limits our rate",
        why=error.why,
        next_step="Submit it again later, if its strategy still wants it.",
        context={"order_id": order.order_id, "symbol": order.symbol},
        retry_after_s=getattr(cause, "retry_after_s", None),
    )
