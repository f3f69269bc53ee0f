"""From a message to delivered ticks: parsed, admitted once, marked with their origin, buffered."""

from collections.abc import Callable

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.errors import FeedMessageError, MarketDataError
from alchemiser_cli.market.feeds.buffer import TickBuffer
from alchemiser_cli.market.feeds.delivered import DeliveredTicks
from alchemiser_cli.market.feeds.silence import SilenceWatch
from alchemiser_cli.market.feeds.tally import FeedCounts, FeedTally
from alchemiser_cli.market.feeds.venue import FeedTick, Origin, Venue
from alchemiser_cli.market.ticks import Tick
from alchemiser_cli.settings import FeedSettings

__all__ = ["FeedIntake"]

REPORT_EVERY_NS = NS_PER_SECOND  # garbage comes in floods, and one of them tells enough


class FeedIntake:
    """Takes messages and REST answers in without ever waiting.

    While it holds, live ticks stay behind what REST is still to replay, so that a consumer sees
    them in their order; held are as many as the buffer takes.
    """

    def __init__(
        self,
        feed: str,
        venue: Venue,
        settings: FeedSettings,
        clock: Clock,
        watch: SilenceWatch,
        report: Callable[[MarketDataError], None],
    ) -> None:
        """Begin with nothing taken in; ``report`` is told of invalid messages."""
        self._feed = feed
        self._venue = venue
        self._most = settings.max_buffered
        self._clock = clock
        self._watch = watch
        self._report = report
        self._delivered = DeliveredTicks()
        self._held: list[tuple[Tick, int]] | None = None
        self._reported_ns: int | None = None
        self.buffer = TickBuffer(settings.max_buffered)
        self.tally = FeedTally()

    @property
    def counts(self) -> FeedCounts:
        """What was taken in up to now."""
        self._count_buffer()
        return self.tally.counts(self._delivered.missing)

    def receive(self, message: bytes, *, injected: bool = False) -> bool:
        """Take in one WebSocket message; tell whether it proves that data flows.

        ``injected`` says that it was spoiled on purpose.
        """
        received_ns = self._clock.now_ns()
        try:
            ticks = self._venue.parse(message, received_ns)
        except FeedMessageError as error:
            error.injected = injected
            self._invalid(error)
            return False
        except Exception as error:  # noqa: BLE001  a plugin's defect costs one message
            unreadable = self._unreadable(message, error)
            unreadable.injected = injected
            self._invalid(unreadable)
            return False
        if not ticks:
            if self._venue.rules.heartbeat_s is None:
                return False
            self._watch.heard()
            return True
        for tick in ticks:
            self._watch.heard(tick.symbol)
            if self._held is not None:
                self._held.append((tick, received_ns))
            else:
                self._deliver(tick, received_ns)
        if self._held is not None and len(self._held) > self._most:
            self.release()
        return True

    def fetched(self, ticks: list[Tick], origin: Origin) -> None:
        """Take in what REST answered; what is held came live already and stays so."""
        received_ns = self._clock.now_ns()
        held = {(tick.symbol, tick.kind, tick.sequence) for tick, _ in self._held or ()}
        for tick in self._delivered.since_start(ticks):
            if (tick.symbol, tick.kind, tick.sequence) not in held and self._delivered.admit(tick):
                self._put(FeedTick(tick, origin, received_ns))

    def hold(self) -> None:
        """Keep live ticks back until ``release``."""
        self._held = []

    def release(self) -> None:
        """Deliver what was held, and hold no more."""
        held, self._held = self._held or [], None
        for tick, received_ns in held:
            self._deliver(tick, received_ns)

    def _deliver(self, tick: Tick, received_ns: int) -> None:
        if self._delivered.admit(tick):
            self._put(FeedTick(tick, "live", received_ns))
        else:
            self.tally.duplicates += 1

    def _put(self, item: FeedTick) -> None:
        self.tally.admitted(item.origin)
        self.buffer.put(item)
        self._count_buffer()

    def _count_buffer(self) -> None:
        self.tally.dropped, self.tally.conflated = self.buffer.dropped, self.buffer.conflated

    def _invalid(self, error: FeedMessageError) -> None:
        self.tally.invalid += 1
        now_ns = self._clock.monotonic_ns()
        if self._reported_ns is None or now_ns - self._reported_ns >= REPORT_EVERY_NS:
            self._reported_ns = now_ns
            error.context |= {"feed": self._feed, "invalid_so_far": self.tally.invalid}
            self._report(error)

    def _unreadable(self, message: bytes, cause: Exception) -> FeedMessageError:
        error = FeedMessageError(
            f"a message of {self._venue.name} cannot be read",
            why=f"Its plugin failed with {type(cause).__name__}: {cause}.",
            next_step="Compare the message with the venue's documentation, and report it to "
            "whoever maintains the plugin.",
            context={"message": message[:200].decode(errors="replace"), "bytes": len(message)},
        )
        error.__cause__ = cause
        return error
