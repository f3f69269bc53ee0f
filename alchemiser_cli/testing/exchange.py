"""An exchange on loopback that speaks Binance's formats and fails on command.

One port serves the combined streams over WebSocket (``/stream``) and the REST endpoints for
trades, depth and klines. It runs in a thread of its own, so that a test may use it beside its own
event loop or a command line; every method returns at once and acts in the order of the calls.
"""

import asyncio
import itertools
import json
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from alchemiser_cli.clock import Clock, SystemClock

if TYPE_CHECKING:
    from websockets.asyncio.server import Server, ServerConnection
    from websockets.http11 import Request, Response

__all__ = ["LoopbackExchange", "running_exchange"]

_KEPT_TRADES = 10_000
_NS_PER_MS = 1_000_000
_START_TIMEOUT_S = 10.0


class LoopbackExchange:
    """The exchange; ``subscriptions`` lists the streams of every connection that it accepted."""

    def __init__(self, clock: Clock) -> None:
        """Prepare; ``running_exchange`` starts it."""
        self.port = 0
        self.subscriptions: list[list[str]] = []
        self.refused = 0
        self.rest_requests: list[str] = []
        self._clock = clock
        self._loop = asyncio.new_event_loop()
        self._work: asyncio.Queue[Coroutine[Any, Any, None]] = asyncio.Queue()
        self._server: Server | None = None
        self._connections: dict[ServerConnection, set[str]] = {}
        self._trades: dict[str, deque[dict[str, Any]]] = defaultdict(
            lambda: deque(maxlen=_KEPT_TRADES)
        )
        self._ids: dict[str, Iterator[int]] = defaultdict(lambda: itertools.count(1))
        self._updates: dict[str, int] = defaultdict(int)
        self._refusals: float = 0
        self._rest_status = 200
        self._rest_answers = asyncio.Event()
        self._rest_answers.set()
        self._stalled = False
        self._trading: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """The WebSocket URL."""
        return f"ws://127.0.0.1:{self.port}"

    @property
    def rest_url(self) -> str:
        """The REST URL."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def connected(self) -> int:
        """How many WebSocket connections stand."""
        return len(self._connections)

    def trade(self, symbol: str = "BTCUSDT", count: int = 1, price: float = 100.0) -> None:
        """Let ``count`` trades happen: sent to whoever subscribed, and kept for REST."""
        self._submit(self._trade(symbol, count, price))

    def quote(self, symbol: str = "BTCUSDT", bid: float = 99.5, ask: float = 100.5) -> None:
        """Change the best bid and ask; update ids grow by three."""
        self._submit(self._quote(symbol, bid, ask))

    def bar(
        self, symbol: str = "BTCUSDT", minute: int = 29_000_000, *, closed: bool = True
    ) -> None:
        """Send the bar of ``minute`` (since 1970)."""
        opens_ms = minute * 60_000
        values = {"o": "100", "h": "103", "l": "99", "c": "102", "v": "7.5", "x": closed}
        bar = {"t": opens_ms, "T": opens_ms + 59_999, "s": symbol, "i": "1m", **values}
        data = {"e": "kline", "E": opens_ms, "s": symbol, "k": bar}
        self._submit(self._publish(f"{symbol.lower()}@kline_1m", data))

    def keep_trading(self, symbol: str = "BTCUSDT", every_s: float = 0.01) -> None:
        """Let a trade happen every ``every_s`` seconds from now on."""

        async def trading() -> None:
            while True:
                await self._trade(symbol, 1, 100.0)
                await asyncio.sleep(every_s)

        async def begin() -> None:
            self._trading = asyncio.create_task(trading())

        self._submit(begin())

    def send(self, message: str | bytes) -> None:
        """Send ``message`` as it is, garbage for example, to every connection."""
        self._submit(self._send_all(message))

    def drop(self) -> None:
        """Break every connection without a close frame."""
        self._each(lambda connection: connection.transport.abort())

    def close(self, code: int = 1001, reason: str = "restart") -> None:
        """Close every connection properly."""

        async def close() -> None:
            await asyncio.gather(*(one.close(code, reason) for one in list(self._connections)))

        self._submit(close())

    def close_mid_frame(self) -> None:
        """Announce a text frame of 256 bytes (RFC 6455, 5.2), send some of it, and hang up."""

        def cut(connection: "ServerConnection") -> None:
            connection.transport.write(b"\x81\x7e\x01\x00" + b'{"stream":"btcusdt@tr')
            connection.transport.close()

        self._each(cut)

    def stall(self) -> None:
        """Send nothing more over any connection; pings are still answered."""
        self._submit(self._set_stalled(stalled=True))

    def go_on(self) -> None:
        """End ``stall``, for connections that are there and those to come."""
        self._submit(self._set_stalled(stalled=False))

    def freeze(self) -> None:
        """Stop reading from every connection: pings stay unanswered, as on a half-open socket."""
        self._each(lambda connection: connection.transport.pause_reading())

    def refuse(self, times: float = float("inf")) -> None:
        """Answer the next ``times`` WebSocket handshakes with HTTP 503; 0 accepts again."""

        async def refuse() -> None:
            self._refusals = times

        self._submit(refuse())

    def answer_rest_with(self, status: int) -> None:
        """Answer REST with this HTTP status from now on; 200 serves again."""

        async def answer() -> None:
            self._rest_status = status

        self._submit(answer())

    def stall_rest(self) -> None:
        """Accept REST requests and leave them without an answer."""

        async def stall() -> None:
            self._rest_answers.clear()

        self._submit(stall())

    def _submit(self, work: Coroutine[Any, Any, None]) -> None:
        self._loop.call_soon_threadsafe(self._work.put_nowait, work)

    async def _do_in_order(self) -> None:
        while True:
            await (await self._work.get())

    def _each(self, act: "Callable[[ServerConnection], None]") -> None:
        async def each() -> None:
            for connection in list(self._connections):
                act(connection)

        self._submit(each())

    async def _set_stalled(self, *, stalled: bool) -> None:
        self._stalled = stalled

    async def _trade(self, symbol: str, count: int, price: float) -> None:
        for _ in range(count):
            number, at_ms = next(self._ids[symbol]), self._clock.now_ns() // _NS_PER_MS
            row = {"id": number, "price": f"{price + number % 7:.8f}", "qty": "0.01000000"}
            self._trades[symbol].append(row | {"time": at_ms, "isBuyerMaker": False})
            data = {"e": "trade", "E": at_ms, "s": symbol, "t": number, "T": at_ms, "m": False}
            data |= {"p": row["price"], "q": row["qty"]}
            await self._publish(f"{symbol.lower()}@trade", data)

    async def _quote(self, symbol: str, bid: float, ask: float) -> None:
        self._updates[symbol] += 3
        data = {"u": self._updates[symbol], "s": symbol, "b": f"{bid:.8f}", "B": "1.0"}
        await self._publish(f"{symbol.lower()}@bookTicker", data | {"a": f"{ask:.8f}", "A": "2.0"})

    async def _publish(self, stream: str, data: dict[str, Any]) -> None:
        message = json.dumps({"stream": stream, "data": data})
        await self._send_all(message, stream)

    async def _send_all(self, message: str | bytes, stream: str | None = None) -> None:
        from websockets.exceptions import ConnectionClosed

        if self._stalled:
            return
        for connection, streams in list(self._connections.items()):
            if stream is None or stream in streams:
                with suppress(ConnectionClosed):
                    await connection.send(message)

    async def _converse(self, connection: "ServerConnection") -> None:
        from websockets.exceptions import ConnectionClosed

        request = connection.request
        query = parse_qs(urlsplit(request.path).query) if request is not None else {}
        streams = [name for name in query.get("streams", [""])[0].split("/") if name]
        self._connections[connection] = set(streams)
        self.subscriptions.append(streams)
        with suppress(ConnectionClosed):
            async for message in connection:
                asked = json.loads(message)
                self._connections[connection].update(asked["params"])
                streams += asked["params"]
                await connection.send(json.dumps({"result": None, "id": asked["id"]}))
        del self._connections[connection]

    async def _process(
        self, connection: "ServerConnection", request: "Request"
    ) -> "Response | None":
        address = urlsplit(request.path)
        if address.path == "/stream":
            if self._refusals > 0:
                self._refusals -= 1
                self.refused += 1
                return connection.respond(503, "try again later\n")
            return None
        self.rest_requests.append(request.path)
        await self._rest_answers.wait()
        if self._rest_status != 200:
            return connection.respond(self._rest_status, "not now\n")
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        return connection.respond(200, json.dumps(self._rest_answer(address.path, query)))

    def _rest_answer(self, path: str, query: dict[str, str]) -> Any:
        symbol = query["symbol"]
        if path == "/api/v3/trades":
            return list(self._trades[symbol])[-int(query["limit"]) :]
        if path == "/api/v3/depth":
            levels = {"bids": [["99.4", "1.0"]], "asks": [["100.6", "1.0"]]}
            return {"lastUpdateId": self._updates[symbol], **levels}
        minute = self._clock.now_ns() // (60_000 * _NS_PER_MS)
        return [
            [at * 60_000, "100", "103", "99", "102", "7.5", at * 60_000 + 59_999, "750", 3]
            for at in (minute - 1, minute)
        ]

    async def _serve(self, ready: threading.Event, ended: asyncio.Event) -> None:
        from websockets.asyncio.server import serve

        async with serve(
            self._converse,
            "127.0.0.1",
            0,
            process_request=self._process,
            ping_interval=None,
            compression=None,
            close_timeout=0.2,
        ) as server:
            self.port = next(iter(server.sockets)).getsockname()[1]
            working = asyncio.create_task(self._do_in_order())
            ready.set()
            await ended.wait()
            self._rest_answers.set()
            for task in (working, self._trading):
                if task is not None:
                    task.cancel()
            while not self._work.empty():
                self._work.get_nowait().close()
            for connection in list(self._connections):
                connection.transport.abort()


@contextmanager
def running_exchange(clock: Clock | None = None) -> Iterator[LoopbackExchange]:
    """Yield an exchange that listens on a free loopback port; gone with the block."""
    exchange = LoopbackExchange(clock or SystemClock())
    ready, ended = threading.Event(), asyncio.Event()
    loop = exchange._loop  # noqa: SLF001  made here for its thread

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(exchange._serve(ready, ended))  # noqa: SLF001  see above

    thread = threading.Thread(target=run, name="loopback exchange", daemon=True)
    thread.start()
    if not ready.wait(_START_TIMEOUT_S):
        raise RuntimeError("the exchange did not start")
    try:
        yield exchange
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
