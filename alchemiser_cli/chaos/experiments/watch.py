"""The watch beside a running experiment: accounts of the work, safeguards, and a sign of life."""

import contextvars
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count

from alchemiser_cli.chaos import probes
from alchemiser_cli.chaos.experiments.document import Safeguard
from alchemiser_cli.chaos.experiments.ground import Ground
from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.errors import AlchemiserError

__all__ = ["watching"]

_ACCOUNT_EVERY_S = 0.05
_ACCOUNTS_A_LOOK = 4  # at whether the work is steady
_LOOK_EVERY_S = 1.0
_LEAVING_S = 5.0

_READ: dict[str, tuple[Callable[[], float], str]] = {
    "error-budget": (probes.journalled, "failures in the journal"),
    "drawdown": (probes.drawdown, "as a share of equity"),
    "lag": (probes.lag, "messages that wait"),
}


@contextmanager
def watching(
    ground: Ground, safeguards: Sequence[Safeguard], sign_of_life: Callable[[], object]
) -> Iterator[None]:
    """Watch while the block runs, in a thread of its own.

    The account of the work is taken when a fault begins and when it is over, and five times a
    second it is noted whether the work is steady. Once a second ``sign_of_life`` is given, and
    every safeguard is asked; one that is passed aborts the run.
    """
    stop = threading.Event()

    def work() -> None:
        next_ns = ground.clock.monotonic_ns() + round(_LOOK_EVERY_S * NS_PER_SECOND)
        for turn in count():
            if stop.wait(_ACCOUNT_EVERY_S):
                return
            try:
                _take_accounts(ground)
                if turn % _ACCOUNTS_A_LOOK == 0:
                    _note_steadiness(ground)
                if ground.clock.monotonic_ns() < next_ns:
                    continue
                next_ns += round(_LOOK_EVERY_S * NS_PER_SECOND)
                with suppress(AlchemiserError):  # the next sign may be luckier
                    sign_of_life()
                _ask(ground, safeguards)
            except Exception as error:  # noqa: BLE001  what cannot be watched must not go on
                ground.pace.abort(f"the watch failed: {type(error).__name__}: {error}")

    context = contextvars.copy_context()  # in which the ground stands
    thread = threading.Thread(target=context.run, args=(work,), name="chaos-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(_LEAVING_S)
        _take_accounts(ground)


def _take_accounts(ground: Ground) -> None:
    if ground.workload is None:
        return
    now_ns = ground.clock.now_ns()
    for fault in ground.noted():
        if fault.before is None and now_ns >= fault.lease.begins_ns:
            fault.before = ground.workload.work()
        if fault.after is None and now_ns >= fault.over_ns:
            fault.after = ground.workload.work()


def _note_steadiness(ground: Ground) -> None:
    if ground.workload is None or not ground.workload.steady().steady:
        ground.steady_since_ns = None
    elif ground.steady_since_ns is None:
        ground.steady_since_ns = ground.clock.now_ns()


def _ask(ground: Ground, safeguards: Sequence[Safeguard]) -> None:
    for one in safeguards:
        read, of_what = _READ[one.kind]
        value = float(read())
        if not value <= one.limit:  # also not a number
            ground.pace.abort(f"{one.kind}: {value:g} {of_what}, more than {one.limit:g}")
            return
