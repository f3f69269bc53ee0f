"""Messages to people: how many arrive through a channel that fails, and what a message costs.

Run it as ``python benchmarks/notify.py [--days N] [--storm N] [--json]``.

Each day is simulated on a manual clock with a real ledger: 250 messages at random times, through a
channel that is down for a tenth of the day, in outages of exponential length (11 minutes on
average, and an hour). ``ledger`` times real calls on this machine. The storm is real: a journal
captures its failures, and a courier tells a webhook on the loopback. Exits 1 when a target is
missed.
"""

import argparse
import os
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from figures import Figure, all_met, printed

from alchemiser_cli.clock import NS_PER_SECOND, Clock, ManualClock, SystemClock
from alchemiser_cli.errors import AuditLostError
from alchemiser_cli.errors.journal import ErrorJournal, JournalStore
from alchemiser_cli.notifications.alert import Level
from alchemiser_cli.notifications.courier import PassResult
from alchemiser_cli.notifications.ledger import Ledger
from alchemiser_cli.notifications.limits import queue_within_limits
from alchemiser_cli.notifications.messages import Delivery, Message, Outcome
from alchemiser_cli.notifications.sending import send_due
from alchemiser_cli.pipeline.alerting import open_courier
from alchemiser_cli.settings import AlertSettings
from alchemiser_cli.settings.resolve import Request, resolve
from alchemiser_cli.state import StateDatabase
from alchemiser_cli.testing.webhook import running_hook

__all__ = ["main", "measure_days", "measure_ledger", "measure_storm"]

DAY_S = 86_400
DOWN = 0.1
MESSAGES = 250
PASS_S = 2  # the courier's
DELIVERED_PERCENT = 99.0


class _FailingChannel:
    """Down at some times, in UTC nanoseconds."""

    name = "mail"

    def __init__(self, clock: Clock, outages: list[tuple[int, int]]) -> None:
        self._clock = clock
        self._outages = outages

    def send(self, message: Message, *, severity: Level) -> Outcome:
        """Refuse what comes during an outage."""
        del message, severity
        now_ns = self._clock.now_ns()
        down = any(start <= now_ns < end for start, end in self._outages)
        return Outcome("the service is down") if down else Outcome()


def measure_days(days: int) -> Iterator[Figure]:
    """Yield the share of messages that arrived, by the mean length of outages."""
    for mean_s, target in ((660.0, DELIVERED_PERCENT), (3_600.0, None)):
        sent = total = 0
        delays: list[float] = []
        for seed in range(days):
            ledger_delays, count = _day(seed, mean_s)
            delays += ledger_delays
            sent += len(ledger_delays)
            total += count
        delays.sort()
        detail = f"{sent} of {total}, p99 {delays[int(0.99 * len(delays))]:.0f} s after it was due"
        name = f"delivered, outages of {mean_s / 60:.0f} min"
        yield Figure(name, 100 * sent / total, target, "%", detail, at_least=True)


def measure_ledger(rounds: int) -> Iterator[Figure]:
    """Yield what it costs to store a message within the limits, and to send it."""
    clock = SystemClock()
    stored, sent = [], []
    with _ledger(clock) as ledger:
        channel = _FailingChannel(clock, [])
        for number in range(rounds):
            one = _message(f"{number}", clock.now_ns(), code=f"c{number}")
            begun = time.perf_counter()
            queue_within_limits(ledger, [one], _UNLIMITED, clock.now_ns())
            between = time.perf_counter()
            send_due(ledger, {"mail": channel}, clock, threading.Event())
            stored.append(between - begun)
            sent.append(time.perf_counter() - between)
    yield Figure("store a message", statistics.median(stored) * 1e3, None, "ms", "median")
    yield Figure("lease, send, settle", statistics.median(sent) * 1e3, None, "ms", "median")


_UNLIMITED = AlertSettings(recipient_limit=10_000_000)


def measure_storm(failures: int) -> Iterator[Figure]:
    """Yield how many messages a storm of criticals makes, of one code in a thousand places."""
    with tempfile.TemporaryDirectory() as folder, running_hook() as hook:
        environ = {
            "ALCHEMISER_HOME": folder,
            "ALCHEMISER_NOTIFICATIONS__HOOK__URL": hook.url,
            "ALCHEMISER_ALERTS__HOLD_DOWN_S": "0",
        }
        resolved, clock = resolve(Request(environ=environ, dotenv=Path(os.devnull))), SystemClock()
        database = StateDatabase.of(resolved.settings, clock)
        store = JournalStore(database)
        journal = ErrorJournal(
            store, clock, run_id="storm", component="feed", spill_folder=Path(folder)
        )
        begun = time.perf_counter()
        with journal:
            for number in range(failures):
                journal.capture(_critical(number % 1_000))
            captured_s = time.perf_counter() - begun
        courier = open_courier(resolved, database, clock)
        told, passes = PassResult(), 0
        while passes < STORM_PASSES:
            told, passes = told.plus(courier.pass_once()), passes + 1
        database.close()
    limit = resolved.settings.alerts.critical_limit
    detail = f"{failures:,} criticals, captured in {captured_s:.0f} s; {told.held:,} held"
    yield Figure("messages of a storm", len(hook.taken), limit, "", detail)
    lost = failures - journal.summary().captured + journal.summary().dropped
    yield Figure("of these not counted", lost, 0, "", "captured, kept and counted by the journal")


STORM_PASSES = 20


def _critical(place: int) -> AuditLostError:
    letters = "".join(chr(97 + int(digit)) for digit in f"{place:03d}")  # numbers would be masked
    return AuditLostError(
        f"the trail of desk {letters} takes no line", why="A storm.", next_step="Wait."
    )


def _day(seed: int, mean_s: float) -> tuple[list[float], int]:
    dice = random.Random(seed)  # noqa: S311  a simulation
    clock = ManualClock()
    start_ns = clock.now_ns()
    channel = _FailingChannel(clock, _outages(dice, start_ns, mean_s))
    waiting = sorted(dice.random() * DAY_S for _ in range(MESSAGES))
    with _ledger(clock) as ledger:
        while waiting or ledger.counts().get(("mail", "queued")):
            now_ns = clock.now_ns()
            due = [at for at in waiting if start_ns + at * NS_PER_SECOND <= now_ns]
            waiting = waiting[len(due) :]
            ledger.queue(_message(f"{at}", now_ns) for at in due)
            send_due(ledger, {"mail": channel}, clock, threading.Event())
            wakes_ns = [start_ns + round(at * NS_PER_SECOND) for at in waiting[:1]]
            wakes_ns += [one.due_ns for one in ledger.list("queued", limit=MESSAGES)]
            if wakes_ns:
                clock.advance(max(PASS_S, (min(wakes_ns) - clock.now_ns()) / NS_PER_SECOND))
        sent = ledger.list("sent", limit=MESSAGES)
    return [((one.sent_ns or 0) - one.queued_ns) / NS_PER_SECOND for one in sent], MESSAGES


def _outages(dice: random.Random, start_ns: int, mean_s: float) -> list[tuple[int, int]]:
    count = max(1, round(DAY_S * DOWN / mean_s))
    lengths = [dice.expovariate(1 / mean_s) for _ in range(count)]
    scale = DAY_S * DOWN / sum(lengths)
    begins = sorted(dice.random() * DAY_S * (1 - DOWN) for _ in lengths)
    outages, down_s = [], 0.0
    for begin, length in zip(begins, lengths, strict=True):
        first = start_ns + round((begin + down_s) * NS_PER_SECOND)
        down_s += length * scale
        outages.append((first, first + round(length * scale * NS_PER_SECOND)))
    return outages


def _message(name: str, now_ns: int, code: str = "feed-lost") -> Delivery:
    return Delivery(
        id=name,
        incident=name,
        channel="mail",
        kind="alert",
        severity="high",
        code=code,
        subject="s",
        text="t",
        html="<p>t</p>",
        queued_ns=now_ns,
        due_ns=now_ns,
    )


@contextmanager
def _ledger(clock: Clock) -> Iterator[Ledger]:
    with tempfile.TemporaryDirectory() as folder:
        database = StateDatabase(f"sqlite:///{folder}/state.db", clock)
        yield Ledger(database, clock, random=random.Random(1))  # noqa: S311  a simulation
        database.close()


def main() -> int:
    """Measure, print, and return 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--storm", type=int, default=100_000)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    figures = [*measure_days(arguments.days), *measure_ledger(arguments.rounds)]
    figures += measure_storm(arguments.storm)
    print(printed(figures, as_json=arguments.json))
    return 0 if all_met(figures) else 1


if __name__ == "__main__":
    sys.exit(main())
