"""The drill: how long after the command the last order went out, measured and not assumed.

A child process sends orders as fast as it can: each signal through the risk gate, the kill switch
read once more, then a line with its time to a log. The parent sets the switch. Both read the
same clock: on Linux the monotonic one is the machine's. All of it happens in a hidden folder
beside the real flag, which nothing touches.
"""

import contextlib
import math
import os
import select
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import msgspec

from alchemiser_cli.clock import NS_PER_SECOND, Clock, SystemClock
from alchemiser_cli.errors import KillSwitchUnreadableError
from alchemiser_cli.settings import Settings
from alchemiser_cli.trading.kill_switch.switch import KillSwitch

__all__ = ["DrillResult", "RoundResult", "drill"]

SCRATCH = ".alchemiser-halt-drill-"  # hidden: not one of the segments beside it
PATIENCE_S = 60.0
LOOK_S = 0.05
SEND_S = 0.02  # of orders before each command
CHILD = """
import sys
from alchemiser_cli.clock import SystemClock
from alchemiser_cli.trading.kill_switch.drill_child import send_orders
send_orders(sys.argv[1], SystemClock())
"""


class RoundResult(msgspec.Struct, frozen=True):
    """One round of the drill.

    ``last_order_ns`` is from just before the command to the last order, negative where that was
    earlier; ``seen_ns`` is to the first refusal. ``orders`` were sent in all, and ``after`` of
    them once the refusal was seen: there must be none.
    """

    last_order_ns: int
    seen_ns: int
    orders: int
    after: int


class DrillResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of ``rounds`` commands; times are in microseconds, from command to last order.

    An order before the command counts as 0. ``seen_*`` is until the sender met its first refusal.
    ``orders_after`` is how many orders followed one: the switch works when there are none.
    """

    rounds: int
    orders: int
    p50_us: float
    p99_us: float
    max_us: float
    seen_p50_us: float
    seen_p99_us: float
    seen_max_us: float
    orders_after: int

    @property
    def passed(self) -> bool:
        """Whether orders were sent, and none after the switch was seen."""
        return self.orders_after == 0 and self.orders > 0


def drill(
    settings: Settings,
    rounds: int = 100,
    clock: Clock | None = None,
    on_round: Callable[[int, RoundResult], None] = lambda _done, _result: None,
) -> DrillResult:
    """Set the kill switch ``rounds`` times under a sender of orders, and time it.

    Args:
        settings: Where shared memory lies.
        rounds: How often, one at least.
        clock: The system's, unless another is given; the sender always uses the system's.
        on_round: Told the number of rounds that are done, and what came of the last one.

    Raises:
        KillSwitchUnreadableError: ``kill-switch-unreadable``: there is no room for the drill.
    """
    clock = clock or SystemClock()
    done: list[RoundResult] = []
    with _scratch(settings.shm.directory) as folder, _child(folder) as child:
        orders, answers = child
        switch = KillSwitch(folder, folder / "kill_switch.json", clock, quiet=True)
        _answer(answers, clock)  # it is ready
        for number in range(1, rounds + 1):
            orders.write(b"go\n")
            _answer(answers, clock)  # the first order of the round is out
            clock.sleep(SEND_S)
            began_ns = clock.monotonic_ns()
            switch.set(f"drill, round {number}", "drill")
            sent = msgspec.json.decode(_answer(answers, clock), type=RoundResult)
            done.append(
                RoundResult(
                    sent.last_order_ns - began_ns, sent.seen_ns - began_ns, sent.orders, sent.after
                )
            )
            switch.clear(f"drill, round {number} is over", "drill")
            on_round(number, done[-1])
        switch.close()
    last = sorted(max(one.last_order_ns, 0) / 1e3 for one in done)
    seen = sorted(one.seen_ns / 1e3 for one in done)
    return DrillResult(
        rounds=rounds,
        orders=sum(one.orders for one in done),
        p50_us=statistics.median(last),
        p99_us=_percentile(last, 0.99),
        max_us=last[-1],
        seen_p50_us=statistics.median(seen),
        seen_p99_us=_percentile(seen, 0.99),
        seen_max_us=seen[-1],
        orders_after=sum(one.after for one in done),
    )


def _percentile(ascending: list[float], share: float) -> float:
    return ascending[max(0, math.ceil(share * len(ascending)) - 1)]


@contextlib.contextmanager
def _scratch(root: Path) -> Iterator[Path]:
    try:
        made = tempfile.TemporaryDirectory(prefix=SCRATCH, dir=root, ignore_cleanup_errors=True)
    except OSError as error:
        raise KillSwitchUnreadableError(
            f"no drill is possible in {root}",
            why=f"The system answered: {error.strerror or error}.",
            next_step="Set shm.directory to a tmpfs that this user can write to.",
        ) from error
    with made as folder:
        yield Path(folder)


@contextlib.contextmanager
def _child(folder: Path) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """Run the sender in a session of its own, so that Ctrl-C is for us to handle; then end it."""
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder)],
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the sender of the drill has no pipes")
        yield process.stdin, process.stdout
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def _answer(answers: IO[bytes], clock: Clock) -> bytes:
    give_up_ns = clock.monotonic_ns() + round(PATIENCE_S * NS_PER_SECOND)
    while not select.select([answers], [], [], LOOK_S)[0]:
        if clock.monotonic_ns() > give_up_ns:
            raise RuntimeError(f"the sender of the drill gave no answer for {PATIENCE_S:.0f} s")
    line = answers.readline()
    if not line:
        raise RuntimeError("the sender of the drill ended before its time")
    return line
