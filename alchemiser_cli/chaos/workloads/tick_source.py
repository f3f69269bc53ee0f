"""A producer of ticks at an even pace, each with the number of its piece in a header."""

import asyncio
import threading
from collections.abc import Callable

from alchemiser_cli.chaos.workloads.pieces import PieceAccount
from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.errors import AlchemiserError, StreamingError
from alchemiser_cli.market.ticks import Tick
from alchemiser_cli.settings.sections import KafkaSettings
from alchemiser_cli.streaming import AcknowledgedProducer, Outgoing, TickEncoder, TickProducer

__all__ = ["PIECE", "TickSource"]

PIECE = "alchemiser.piece"
"""The header that numbers a message."""

SYMBOLS = ("DIA", "JPM", "QQQ", "SPY")

_GARBAGE = (b"", b"\x00", b"not a message", b"\x00\x7f\xff\xff\xff then what")
_AGAIN_S = 0.2


class TickSource:
    """Sends a tick every ``1 / rate`` seconds, and one undecodable message after each ``garbage``.

    What the brokers do not take is journalled and sent again, as a replay that is repeated does.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        bootstrap: str,
        topic: str,
        encoder: TickEncoder,
        clock: Clock,
        account: PieceAccount,
        on_failed: Callable[[AlchemiserError], object],
        *,
        rate: float,
        garbage: int,
    ) -> None:
        """Prepare; nothing is sent before ``start``."""
        self._kafka = kafka
        self._bootstrap = bootstrap
        self._topic = topic
        self._encoder = encoder
        self._clock = clock
        self._account = account
        self._on_failed = on_failed
        self._between_s = 1.0 / rate
        self._garbage = garbage
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="chaos-source", daemon=True)
        self._number = 0

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def stop(self) -> None:
        """End, with everything acknowledged that was handed over."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        begun_ns = self._clock.monotonic_ns()
        try:
            with TickProducer(
                self._kafka, self._bootstrap, self._topic, self._encoder, self._clock, live=True
            ) as producer:
                while not self._stop.is_set():
                    self._send(producer)
                    due_ns = begun_ns + round(self._number * self._between_s * NS_PER_SECOND)
                    self._stop.wait(max(0, due_ns - self._clock.monotonic_ns()) / NS_PER_SECOND)
        except StreamingError as error:
            self._on_failed(error)

    def _send(self, producer: TickProducer) -> None:
        self._number += 1
        piece = self._number
        headers = [(PIECE, str(piece).encode())]
        self._account.offered(piece)
        if self._garbage and piece % self._garbage == 0:
            value = _GARBAGE[piece // self._garbage % len(_GARBAGE)]
            asyncio.run(self._send_raw(Outgoing(self._topic, SYMBOLS[0].encode(), value, headers)))
            return
        tick = Tick(
            symbol=SYMBOLS[piece % len(SYMBOLS)],
            venue="XNYS",
            kind="trade",
            sequence=piece // len(SYMBOLS) + 1,
            event_time_ns=self._clock.now_ns(),
            price=100.0 + piece % 7,
            size=1.0,
        )
        while True:
            try:
                producer.send(tick, headers)
                producer.poll()
            except StreamingError as error:
                self._on_failed(error)
                if self._stop.wait(_AGAIN_S):
                    return
            else:
                return

    async def _send_raw(self, message: Outgoing) -> None:
        with AcknowledgedProducer(self._kafka, self._bootstrap) as producer:
            await producer.send(message)
