"""The tracker: numbers of a training run on their way to MLflow, off the training's thread."""

import threading
from collections.abc import Callable, Mapping
from functools import partial
from random import Random
from types import TracebackType
from typing import Self

import msgspec

from alchemiser_cli.clock import Clock
from alchemiser_cli.errors import AlchemiserError
from alchemiser_cli.logs import get_logger
from alchemiser_cli.resilience.schedule import RetryPolicy
from alchemiser_cli.rl.tracking.backlog import Backlog, Batch, Point
from alchemiser_cli.rl.tracking.run import RunStatus, TrackedRun

__all__ = ["EXPERIMENT", "Delivery", "Tracker"]

EXPERIMENT = "alchemiser"
NS_PER_MS = 1_000_000
GATHER_S = 1.0  # how long numbers are gathered for one call
CAPACITY = 100_000

_OUTAGE = RetryPolicy(base_s=0.5, cap_s=30.0)
_CLOSING = RetryPolicy(base_s=0.1, cap_s=1.0)
_LOG = get_logger("application", "tracking")


class Delivery(msgspec.Struct, frozen=True):
    """What became of a run's metrics; ``problem`` is why the last attempt failed, if it did.

    ``dropped`` went because too many waited or the store refused them. ``undelivered`` still
    waited at the end (parameters and tags included). ``run_id`` is MLflow's, None if the run
    could never be opened.
    """

    delivered: int
    dropped: int
    undelivered: int
    run_id: str | None
    problem: str | None

    @property
    def complete(self) -> bool:
        """Whether all arrived."""
        return not (self.dropped or self.undelivered or self.problem)


def _unheard(_error: AlchemiserError) -> None:
    pass


class Tracker:
    """Takes metrics, parameters and tags at once, and sends them in batches from one thread.

    MLflow itself is loaded in that thread, so that training starts at once. During an outage the
    newest ``capacity`` metrics are kept and sent again with growing waits; nothing of it reaches
    the training. Safe to use from several threads. Leaving the block closes it.
    """

    def __init__(
        self,
        uri: str,
        run_id: str,
        clock: Clock,
        *,
        experiment: str = EXPERIMENT,
        timeout_s: float = 5.0,
        capacity: int = CAPACITY,
        close_deadline_s: float = 30.0,
        on_outage: Callable[[AlchemiserError], object] = _unheard,
    ) -> None:
        """Start the thread for the training run ``run_id``; one that was tracked goes on.

        ``on_outage`` is told in that thread why an outage began, once for each.
        """
        self._run = TrackedRun(uri, timeout_s, experiment, run_id)
        self._clock = clock
        self._backlog = Backlog(capacity)
        self._close_deadline_s = close_deadline_s
        self._on_outage = on_outage
        self._closing = threading.Event()
        self._given_up = threading.Event()
        self._status: RunStatus = "FINISHED"
        self._delivered = 0
        self._refused = 0
        self._in_hand = 0
        self._problem: str | None = None
        self._failures = 0
        self._random = Random()  # noqa: S311  spreads load, keeps no secret
        self._result: Delivery | None = None
        self._thread = threading.Thread(target=self._work, name="tracking", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close; an exception makes the run a failed one, an interruption a killed one."""
        if kind is None:
            self.close()
        else:
            self.close("FAILED" if issubclass(kind, Exception) else "KILLED")

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Queue the value of each metric at ``step``; never waits for the store."""
        at_ms = self._clock.now_ns() // NS_PER_MS
        self._backlog.add_points(
            [Point(name, float(value), at_ms, step) for name, value in values.items()]
        )

    def params(self, values: Mapping[str, object]) -> None:
        """Queue parameters of the run, as text."""
        self._backlog.add_words(values, {})

    def tags(self, values: Mapping[str, object]) -> None:
        """Queue tags of the run, as text."""
        self._backlog.add_words({}, values)

    def close(self, status: RunStatus = "FINISHED", deadline_s: float | None = None) -> Delivery:
        """Send what waits, end the run with ``status`` and say what arrived; never raises.

        After ``deadline_s`` seconds (those of the constructor if None), the rest is given up.
        """
        if self._result is None:
            self._status = status
            self._closing.set()
            self._thread.join(self._close_deadline_s if deadline_s is None else deadline_s)
            self._given_up.set()
            late = self._thread.is_alive()
            self._result = Delivery(
                self._delivered,
                self._backlog.dropped + self._refused,
                len(self._backlog) + self._in_hand,
                self._run.id,
                self._problem or ("the store did not answer in time" if late else None),
            )
            tell = _LOG.info if self._result.complete else _LOG.warning
            tell("tracking_closed", **msgspec.structs.asdict(self._result))
        return self._result

    def _work(self) -> None:
        while not self._closing.is_set():
            self._closing.wait(self._pause_s())
            self._send_all()
        while not (self._send_all() and self._attempt(self._end)):
            if self._given_up.wait(_CLOSING.wait_s(self._failures, self._random)):
                return

    def _pause_s(self) -> float:
        return max(GATHER_S, _OUTAGE.wait_s(self._failures, self._random) if self._failures else 0)

    def _send_all(self) -> bool:
        """Send until nothing waits; False where an attempt failed."""
        while not self._given_up.is_set():
            batch = self._backlog.take()
            if not batch:
                return True
            self._in_hand = len(batch)
            sent = self._attempt(partial(self._send, batch))
            if not sent:
                self._backlog.put_back(batch)
            self._in_hand = 0
            if not sent:
                return False
        return False

    def _send(self, batch: Batch) -> None:
        refused = self._run.send(batch)
        self._refused += refused
        self._delivered += len(batch.points) - refused

    def _end(self) -> None:
        self._run.end(self._status)

    def _attempt(self, function: Callable[[], None]) -> bool:
        try:
            function()
        except AlchemiserError as error:
            self._failures += 1
            if self._failures == 1:
                _LOG.warning("tracking_interrupted", what=error.what, why=error.why)
                self._on_outage(error)
            self._problem = error.why
            return False
        if self._failures:
            _LOG.info("tracking_restored", attempts=self._failures)
        self._failures, self._problem = 0, None
        return True
