"""The feed client: receives, notices when data stops, connects again, polls meanwhile.

Three tasks, and each decision in one place: the *receiver* reads, parses and puts into the
buffer, and never waits for anybody. The *watchdog* judges silence. Neither of them touches the
connection: on an error they put a request for a new one into a queue. The *control* task alone
opens and closes connections, within the budget of attempts.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from random import Random
from types import TracebackType
from typing import TYPE_CHECKING, Self

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.errors import FeedReconnectsExhaustedError, MarketDataError, WebSocketError
from alchemiser_cli.faults import Armed, fault_point
from alchemiser_cli.logs import get_logger
from alchemiser_cli.market.feeds.attempts import AttemptBudget
from alchemiser_cli.market.feeds.beside import running
from alchemiser_cli.market.feeds.connection import lost_connection, open_connection
from alchemiser_cli.market.feeds.failures import feed_silent, reconnects_exhausted
from alchemiser_cli.market.feeds.intake import FeedIntake
from alchemiser_cli.market.feeds.phases import FeedPhase, PhaseTrack
from alchemiser_cli.market.feeds.rest import RestPoller
from alchemiser_cli.market.feeds.silence import SilenceWatch
from alchemiser_cli.market.feeds.tally import FeedCounts, FeedMetrics
from alchemiser_cli.market.feeds.venue import FeedTick, Subscription, Venue
from alchemiser_cli.resilience import RetryPolicy
from alchemiser_cli.settings import FeedSettings
from alchemiser_cli.telemetry import SILENT, Telemetry

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

__all__ = ["FeedClient", "OnFeedError"]

OnFeedError = Callable[[MarketDataError], None]
"""Told of every failure that the feed mends by itself; must not block."""

FIRST_BACKOFF_S = 0.5
LOOKS_PER_SILENCE = 10.0
LONGEST_LOOK_S = 1.0

_RECEIVE = fault_point("feed.receive")

_log = get_logger("market_data", "market.feeds")


class FeedClient:
    """A context manager that delivers one feed's ticks, live where it can and polled where not.

    Take the ticks with ``take``, or iterate. Leaving the block ends the feed.

    A connection is renewed with full jitter (a uniform wait below a bound that doubles from
    half a second to ``max_backoff_s``), at most ``max_attempts`` times in any
    ``attempt_window_s``. The bound begins anew once data flowed for ``silence_s``.
    """

    def __init__(
        self,
        name: str,
        venue: Venue,
        settings: FeedSettings,
        clock: Clock,
        *,
        telemetry: Telemetry = SILENT,
        on_error: OnFeedError | None = None,
        random: Random | None = None,
    ) -> None:
        """Prepare the feed ``name``; nothing is connected before the block is entered."""
        self.name = name
        self.venue = venue
        self._settings = settings
        self._subscription = Subscription(settings.symbols, settings.kinds)
        self._url = venue.stream_url(settings.url or venue.url, self._subscription)
        self._clock = clock
        self._on_error = on_error
        self._random = random or Random()  # noqa: S311  spreads attempts, guards nothing
        self._backoff = RetryPolicy(
            base_s=min(FIRST_BACKOFF_S, settings.max_backoff_s), cap_s=settings.max_backoff_s
        )
        self._budget = AttemptBudget(settings.max_attempts, settings.attempt_window_s, clock)
        self._watch = SilenceWatch(settings.symbols, settings.silence_s, clock)
        self._metrics = FeedMetrics(name, settings.symbols, telemetry)
        self._intake = FeedIntake(name, venue, settings, clock, self._watch, self._report)
        self._phases = PhaseTrack()
        self._requests: asyncio.Queue[MarketDataError] | None = None
        self._away = asyncio.Event()  # set from the first loss until data flows again
        self._live_since_ns: int | None = None
        self._rest_is_down = False
        self._ended_by: MarketDataError | None = None
        self._control: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Begin to connect; returns at once."""
        self._control = asyncio.create_task(self._run(), name=f"feed {self.name}")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the feed and close its connections; what was not taken is gone."""
        if self._control is not None:
            self._control.cancel()
            with suppress(asyncio.CancelledError):
                await self._control

    @property
    def phase(self) -> FeedPhase:
        """What the feed is doing."""
        return self._phases.now

    @property
    def counts(self) -> FeedCounts:
        """What the feed did up to now."""
        return self._intake.counts

    async def take(self, most: int = 500, timeout_s: float = 1.0) -> list[FeedTick]:
        """Return the next ticks, at once where some wait; none after ``timeout_s`` seconds.

        Raises:
            FeedReconnectsExhaustedError: ``feed-reconnects-exhausted``, once everything that
                came before was taken.
        """
        ticks = await self._intake.buffer.take(most, timeout_s)
        if not ticks and self.phase is FeedPhase.ENDED and self._control is not None:
            await asyncio.wait([self._control])
            if not self._control.cancelled():
                self._control.result()  # a defect of ours must not look like an end
            if self._ended_by is not None:
                raise self._ended_by
        return ticks

    async def __aiter__(self) -> AsyncIterator[FeedTick]:
        """Yield ticks until the feed ends; raises as ``take``."""
        while True:
            ticks = await self.take()
            if not ticks and self.phase is FeedPhase.ENDED:
                return
            for tick in ticks:
                yield tick

    async def _run(self) -> None:
        settings = self._settings
        base = settings.rest_url or self.venue.rest_url
        try:
            async with (
                RestPoller(
                    self.venue, base, self._subscription, self._clock, settings.connect_timeout_s
                ) as rest,
                running(self._watch_over(), self._poll_while_away(rest)),
            ):
                await self._stay_connected(rest)
        except FeedReconnectsExhaustedError as error:
            self._ended_by = error
        finally:
            self._phases.enter(FeedPhase.ENDED)
            self._watch.disconnected()
            self._metrics.tell(self._intake.tally, self._watch)
            self._intake.buffer.close()

    async def _stay_connected(self, rest: RestPoller) -> None:
        failures = 0
        while True:
            lost = await self._connect_once(rest)
            self._away.set()
            self._watch.disconnected()
            self._phases.enter(FeedPhase.WAITING)
            if self._was_stable():
                failures = 0
            failures += 1
            if not self._budget.take():
                raise reconnects_exhausted(self.name, self._settings, lost)
            self._report(lost)
            self._intake.tally.reconnect_attempts += 1
            await asyncio.sleep(self._backoff.wait_s(failures, self._random))

    async def _connect_once(self, rest: RestPoller) -> MarketDataError:
        """Hold one connection from its opening to its end; return what ended it."""
        self._live_since_ns = None
        self._phases.enter(FeedPhase.CONNECTING)
        try:
            connection = await open_connection(
                self.name, self._url, self.venue.rules, self._settings.connect_timeout_s
            )
        except WebSocketError as error:
            return error
        from websockets.exceptions import ConnectionClosed

        requests = self._requests = asyncio.Queue()
        try:
            self._phases.enter(FeedPhase.SUBSCRIBING)
            for message in self.venue.subscribe_messages(self._subscription):
                await connection.send(message)
            self._phases.enter(FeedPhase.PROVING)
            self._watch.connected()
            self._intake.tally.connections += 1
            _log.info("feed_subscribed", feed=self.name, symbols=len(self._settings.symbols))
            work = [self._receive(connection, requests)]
            if self._away.is_set():
                self._intake.hold()
                work.append(self._fill_gap(rest))
            async with running(*work):
                return await requests.get()
        except ConnectionClosed as closed:
            return lost_connection(self.name, self._url, closed)
        finally:
            self._requests = None
            self._intake.release()
            await connection.close()

    async def _receive(
        self, connection: "ClientConnection", requests: "asyncio.Queue[MarketDataError]"
    ) -> None:
        from websockets.exceptions import ConnectionClosed

        intake = self._intake
        try:
            while True:
                message = await connection.recv(decode=False)
                if _RECEIVE.armed is not None:
                    alive = await self._receive_struck(message)
                else:
                    alive = intake.receive(message)
                if alive and self._live_since_ns is None:
                    self._live_since_ns = self._clock.monotonic_ns()
                    self._phases.enter(FeedPhase.LIVE)
                    self._away.clear()
                    _log.info("feed_live", feed=self.name)
        except ConnectionClosed as closed:
            requests.put_nowait(lost_connection(self.name, self._url, closed))
        except WebSocketError as lost:  # a fault's
            requests.put_nowait(lost)

    async def _receive_struck(self, message: bytes) -> bool:
        """Take in what a fault leaves of ``message``; what it spoiled is known to be its work."""
        alive = False
        for left in await _RECEIVE.alter_async(message, _spoiled):
            alive |= self._intake.receive(left, injected=left is not message)
        return alive

    async def _fill_gap(self, rest: RestPoller) -> None:
        """Fetch what was missed, before what comes live is delivered behind it.

        Live data waits for it no longer than for a connection.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.connect_timeout_s):
                ticks, failure = await rest.poll()
                self._intake.fetched(ticks, "replayed")
                self._polled(failure)
        self._intake.release()

    async def _poll_while_away(self, rest: RestPoller) -> None:
        while True:
            await self._away.wait()
            ticks, failure = await rest.poll()
            if self._away.is_set():  # else live data overtook the answer
                self._intake.fetched(ticks, "polled")
            wait_s = self._settings.poll_interval_s
            self._polled(failure)
            if failure is not None:
                wait_s = max(wait_s, failure.retry_after_s or 0.0)
            await asyncio.sleep(wait_s)

    async def _watch_over(self) -> None:
        interval_s = min(LONGEST_LOOK_S, self._settings.silence_s / LOOKS_PER_SILENCE)
        while True:
            await asyncio.sleep(interval_s)
            self._metrics.tell(self._intake.tally, self._watch)
            # A request that waits already is enough.
            if self._requests is None or not self._requests.empty():
                continue
            silence = self._watch.overdue()
            if silence is not None:
                self._intake.tally.silences += 1
                silent = feed_silent(self.name, self._settings, silence)
                armed = _RECEIVE.armed
                silent.injected = armed is not None and armed.strikes.count > 0
                self._requests.put_nowait(silent)

    def _was_stable(self) -> bool:
        if self._live_since_ns is None:
            return False
        lived_ns = self._clock.monotonic_ns() - self._live_since_ns
        return lived_ns >= self._settings.silence_s * NS_PER_SECOND

    def _polled(self, failure: MarketDataError | None) -> None:
        if failure is not None:
            self._intake.tally.rest_failures += 1
            if not self._rest_is_down:  # one report an outage
                self._report(failure)
        self._rest_is_down = failure is not None

    def _report(self, error: MarketDataError) -> None:
        _log.warning("feed_trouble", feed=self.name, code=error.code, why=error.why)
        if self._on_error is not None:
            self._on_error(error)


def _spoiled(message: bytes, armed: Armed) -> bytes:
    return armed.spoiled(message)
