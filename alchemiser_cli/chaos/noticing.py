"""How soon a running process notices a lease: measured over the thread that looks for it."""

from contextlib import closing
from pathlib import Path
from queue import SimpleQueue
from random import Random

from alchemiser_cli.chaos.leases import LeaseStore
from alchemiser_cli.chaos.suffering import suffering, watchers_database
from alchemiser_cli.clock import NS_PER_SECOND, Clock, TrueClock
from alchemiser_cli.faults import Armed, Fault, FaultKind, fault_point
from alchemiser_cli.settings import Settings

__all__ = ["noticing_times"]

TARGET = "broker.leader"  # a condition: it tells when it is in force
LONGEST_S = 30.0


def noticing_times(
    home: Path, trials: int = 50, *, poll_s: float | None = None, clock: Clock | None = None
) -> list[float]:
    """Return for each trial the seconds from taking a lease to the fault's being in force.

    Leases are taken at moments spread evenly over the time between two looks, in a state database
    of their own in ``home``. ``poll_s`` is that time, by default the setting's.

    Raises:
        queue.Empty: where one is not noticed within half a minute.
    """
    clock = clock or TrueClock()
    chaos = {} if poll_s is None else {"poll_s": poll_s}
    settings = Settings(home=home, chaos=chaos)
    point, heard, chance = fault_point(TARGET), SimpleQueue[int](), Random(1)  # noqa: S311  spreads

    def listen(armed: Armed | None) -> None:
        if armed is not None:
            heard.put(clock.monotonic_ns())

    before, point.listener = point.listener, listen
    try:
        with closing(watchers_database(settings, clock)) as database:
            leases, times = LeaseStore(database, clock), []
            with suffering(settings, database, clock):
                for _ in range(trials):
                    clock.sleep(chance.uniform(0, settings.chaos.poll_s))
                    began_ns = clock.monotonic_ns()
                    lease = leases.take(
                        TARGET,
                        Fault(kind=FaultKind.MOVE),
                        duration_s=LONGEST_S,
                        environment=str(settings.environment),
                        owner="measuring",
                    )
                    times.append((heard.get(timeout=LONGEST_S) - began_ns) / NS_PER_SECOND)
                    leases.end(lease.id, "measuring")
        return times
    finally:
        point.listener = before
