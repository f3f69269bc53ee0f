"""A brokerage on loopback that answers as Alpaca's trading API, and fails as it is told to.

Source: Alpaca's public documentation of the Trading API v2: orders, positions, account, clock.
An order is filled when a test says so, or at once with ``fills_at_once``.
"""

import datetime as dt
import itertools
import json
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

from alchemiser_cli.clock import NS_PER_SECOND, Clock, SystemClock

__all__ = ["Fault", "LoopbackBrokerage", "running_brokerage"]

_OPEN = {"new", "accepted", "pending_new", "partially_filled"}
_BY_CLIENT_ID = "/v2/orders:by_client_order_id"
_PAGE = 50
_MADE_UP = ("made-up key of loopback", "made-up other half of it")

Answer = tuple[int, Any]


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request.

    ``status`` and ``body`` are answered in place of the truth, after ``delay_s``. ``drop`` breaks
    the connection without an answer: before the request is carried out, or after. With
    ``carried_out`` the request has its effect all the same.
    """

    status: int | None = None
    body: bytes = b'{"message": "not now"}'
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    drop: Literal["before", "after"] | None = None
    carried_out: bool = False


class LoopbackBrokerage:
    """One account with its orders; ``requests`` are those that came, as METHOD and path."""

    def __init__(self, clock: Clock, cash: float = 100_000.0) -> None:
        """Open the account; ``running_brokerage`` lets it listen."""
        self.port = 0
        self.key, self.secret = _MADE_UP
        self.requests: list[tuple[str, str]] = []
        self.cash = cash
        self.prices: dict[str, float] = {}
        self.is_open = True
        self.fills_at_once = False
        self.account_status = "ACTIVE"
        self.positions: dict[str, int] = {}
        self.orders: dict[str, dict[str, Any]] = {}
        self.lock = threading.RLock()
        self.ended = threading.Event()
        self._clock = clock
        self._faults: dict[str, deque[Fault]] = {}
        self._ids = itertools.count(1)

    @property
    def url(self) -> str:
        """The address of the API."""
        return f"http://127.0.0.1:{self.port}"

    def fail(self, method: str, *faults: Fault) -> None:
        """Let the next requests of ``method`` (POST, GET, DELETE) fail, one for each fault."""
        with self.lock:
            self._faults.setdefault(method, deque()).extend(faults)

    def fill(self, client_order_id: str, quantity: int | None = None, price: float = 100.0) -> None:
        """Execute ``quantity`` of an order, or all that is left of it."""
        with self.lock:
            order = self.orders[client_order_id]
            done, whole = int(order["filled_qty"]), int(order["qty"])
            now = whole - done if quantity is None else min(quantity, whole - done)
            if now <= 0:
                return
            paid = float(order["filled_avg_price"] or 0) * done + price * now
            state = "filled" if done + now == whole else "partially_filled"
            at = self._time()
            order |= {"filled_qty": str(done + now), "status": state, "updated_at": at}
            order |= {"filled_avg_price": f"{paid / (done + now):.10g}", "filled_at": at}
            change = now if order["side"] == "buy" else -now
            symbol = order["symbol"]
            self.positions[symbol] = self.positions.get(symbol, 0) + change
            self.cash -= change * price

    def close_order(self, client_order_id: str, status: str) -> None:
        """Let an order end: canceled, expired or rejected."""
        with self.lock:
            self.orders[client_order_id] |= {"status": status, "updated_at": self._time()}

    def sent(self, method: str) -> int:
        """Return how many requests of ``method`` came."""
        return sum(one == method for one, _ in self.requests)

    def next_fault(self, method: str) -> Fault:
        """Return what goes wrong with a request that has just come; mostly nothing."""
        with self.lock:
            faults = self._faults.get(method)
            return faults.popleft() if faults else Fault()

    def answer(self, method: str, target: str, body: bytes) -> Answer:
        """Carry one request out, and return its HTTP status and content."""
        address = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        with self.lock:
            if method == "POST" and address.path == "/v2/orders":
                return self._take(json.loads(body))
            if method == "DELETE":
                return self._cancel(address.path.rpartition("/")[2])
            if address.path == _BY_CLIENT_ID:
                order = self.orders.get(query["client_order_id"])
                return (404, _refusal(40410000, "order not found")) if not order else (200, order)
            return self._list(address.path, query)

    def _list(self, path: str, query: dict[str, str]) -> Answer:
        if path == "/v2/orders":
            return 200, self._orders(query)
        if path == "/v2/positions":
            held = self.positions.items()
            return 200, [{"symbol": name, "qty": str(held_)} for name, held_ in held if held_]
        if path == "/v2/account":
            account = {"cash": f"{self.cash:.2f}", "status": self.account_status}
            return 200, account | {"trading_blocked": False, "account_blocked": False}
        if path == "/v2/clock":
            later = {"next_open": self._time(3_600), "next_close": self._time(7_200)}
            return 200, {"timestamp": self._time(), "is_open": self.is_open, **later}
        return 404, _refusal(40410000, "endpoint not found")

    def _orders(self, query: dict[str, str]) -> list[dict[str, Any]]:
        found = [
            order
            for order in self.orders.values()
            if (query.get("status", "open") == "all" or order["status"] in _OPEN)
            and order["submitted_at"] > query.get("after", "")
        ]
        if query.get("direction", "desc") == "desc":
            found.reverse()
        return found[: int(query.get("limit", _PAGE))]

    def _take(self, asked: dict[str, Any]) -> Answer:
        identity, symbol = asked["client_order_id"], asked["symbol"]
        if identity in self.orders:
            return 422, _refusal(40010001, "client_order_id must be unique")
        if asked["type"] != "market" or asked["time_in_force"] != "day":
            return 422, _refusal(42210000, "invalid order type or time_in_force")
        price = self.prices.get(symbol)
        if price is None:
            return 422, _refusal(42210000, f'asset "{symbol}" not found')
        if asked["side"] == "buy" and price * int(asked["qty"]) > self.cash:
            return 403, _refusal(40310000, "insufficient buying power")
        at = self._time()
        self.orders[identity] = {
            "id": f"00000000-0000-4000-8000-{next(self._ids):012d}",
            **{name: asked[name] for name in ("client_order_id", "symbol", "qty", "side")},
            "type": "market",
            "time_in_force": "day",
            "status": "accepted",
            "filled_qty": "0",
            "filled_avg_price": None,
            "filled_at": None,
            "created_at": at,
            "submitted_at": at,
            "updated_at": at,
        }
        if self.fills_at_once:
            self.fill(identity, price=price)
        return 200, self.orders[identity]

    def _cancel(self, identity: str) -> Answer:
        for order in self.orders.values():
            if order["id"] == identity:
                if order["status"] not in _OPEN:
                    return 422, _refusal(42210000, "order is not cancelable")
                order |= {"status": "canceled", "updated_at": self._time()}
                return 204, None
        return 404, _refusal(40410000, "order not found")

    def _time(self, later_s: float = 0.0) -> str:
        at = dt.datetime.fromtimestamp(self._clock.now_ns() / NS_PER_SECOND + later_s, dt.UTC)
        return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


class _Conversation(BaseHTTPRequestHandler):
    """One connection; the brokerage is that of its server."""

    protocol_version = "HTTP/1.1"
    server: "_Server"

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self)

    def finish(self) -> None:
        self.server.connections.discard(self)
        super().finish()

    def do_GET(self) -> None:
        self._converse("GET")

    def do_POST(self) -> None:
        self._converse("POST")

    def do_DELETE(self) -> None:
        self._converse("DELETE")

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    def _converse(self, method: str) -> None:
        brokerage = self.server.brokerage
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        brokerage.requests.append((method, self.path))
        fault = brokerage.next_fault(method)
        if fault.drop == "before":
            self._hang_up()
            return
        if not self._is_known():
            self._say(401, json.dumps(_refusal(40110000, "request is not authorized")).encode())
            return
        status, content = 0, None
        if fault.status is None or fault.carried_out:
            status, content = brokerage.answer(method, self.path, body)
        brokerage.ended.wait(fault.delay_s)
        if fault.drop == "after":
            self._hang_up()
        elif fault.status is not None:
            self._say(fault.status, fault.body, fault.headers)
        else:
            self._say(status, b"" if content is None else json.dumps(content).encode())

    def _is_known(self) -> bool:
        told = self.headers.get("APCA-API-KEY-ID"), self.headers.get("APCA-API-SECRET-KEY")
        return told == (self.server.brokerage.key, self.server.brokerage.secret)

    def _say(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        try:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            if status != 204:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        except OSError:  # the client has not waited for the answer
            self.close_connection = True

    def _hang_up(self) -> None:
        self.close_connection = True
        self.server.cut(self)


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # they end with their connections, which are closed at the end

    def __init__(self, brokerage: LoopbackBrokerage) -> None:
        super().__init__(("127.0.0.1", 0), _Conversation)
        self.brokerage = brokerage
        self.connections: set[_Conversation] = set()

    def cut(self, conversation: _Conversation) -> None:
        self.shutdown_request(conversation.request)

    def cut_all(self) -> None:
        for conversation in list(self.connections):
            self.cut(conversation)


def _refusal(code: int, message: str) -> dict[str, Any]:
    return {"code": code, "message": message}


@contextmanager
def running_brokerage(
    clock: Clock | None = None, cash: float = 100_000.0
) -> Iterator[LoopbackBrokerage]:
    """Yield a brokerage that listens on a free loopback port; gone with the block."""
    brokerage = LoopbackBrokerage(clock or SystemClock(), cash)
    with _Server(brokerage) as server:
        brokerage.port = server.server_address[1]
        thread = threading.Thread(
            target=server.serve_forever, args=(0.02,), name="loopback brokerage", daemon=True
        )
        thread.start()
        try:
            yield brokerage
        finally:
            brokerage.ended.set()
            server.shutdown()
            server.cut_all()
            thread.join()
