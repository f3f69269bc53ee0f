"""Actions of experiments: functions that change something, called by their names in a file."""

from typing import Any

from alchemiser_cli.chaos.asking import asked, checked_begin, checked_duration
from alchemiser_cli.chaos.experiments.ground import InjectedFault, current_ground
from alchemiser_cli.clock import NS_PER_SECOND

__all__ = ["inject", "offer", "stop_faults", "wait_until_over", "work_for"]

_SETTLE_S = 0.3  # three looks of a laboratory for leases, so that the end of a fault has arrived


def inject(
    target: str,
    error: str,
    duration: float,
    probability: float = 1.0,
    amount: float = 0.0,
    count: int | None = None,
    every: float | None = None,
    active: float | None = None,
    seed: int = 0,
    begins_in: float = 0.0,
    drill: bool = False,
) -> str:
    """Put a fault in force at ``target`` for ``duration`` seconds, and return its lease's id.

    ``error`` is what the target can do: an error's code, a resource, a kind of fault. ``every``,
    ``active`` and ``begins_in`` are seconds; see ``faults.Fault`` for the others.

    Raises:
        FaultTargetNotFoundError: ``fault-target-not-found``.
        FaultImpossibleError: ``fault-impossible``.
        LeaseHeldError: ``lease-held``.
    """
    ground = current_ground()
    settings = ground.resolved.settings
    fault = asked(
        target,
        error,
        probability=probability,
        amount=amount,
        count=count,
        every_s=every,
        active_s=active,
        seed=seed,
    )
    before = ground.workload.work() if ground.workload is not None and not begins_in else None
    announcer = ground.announcer
    lease = ground.leases.take(
        target,
        fault,
        duration_s=checked_duration(settings, duration),
        begins_in_s=checked_begin(settings, begins_in),
        environment=str(settings.environment),
        owner=ground.owner,
        reason=f"experiment {ground.run}",
        drill=drill,
        run=ground.run,
        witness=None if announcer is None else announcer.write_taken,
    )
    if announcer is not None:
        announcer.tell_taken(lease)
    ground.add(InjectedFault(lease, lease.ends_ns, before))
    return lease.id


def stop_faults(target: str | None = None) -> int:
    """End the faults of this experiment, all or the one at ``target``; return how many."""
    ground = current_ground()
    if target is None:
        ended = ground.leases.end_all(ground.owner, run=ground.run)
    else:
        ended = [
            ground.leases.end(one.id, ground.owner)
            for one in ground.leases.in_force()
            if one.run == ground.run and one.target == target
        ]
    if ground.announcer is not None:
        ground.announcer.ended(ended)
    over = {one.id: one.ended_ns or one.ends_ns for one in ended}
    for fault in ground.noted():
        fault.over_ns = over.get(fault.lease.id, fault.over_ns)
    return len(ended)


def work_for(seconds: float) -> None:
    """Let the work go on for ``seconds``."""
    current_ground().pace.wait(seconds)


def wait_until_over() -> None:
    """Wait until every fault of this experiment is over."""
    ground = current_ground()
    now_ns = ground.clock.now_ns()
    last_ns = max((fault.over_ns for fault in ground.noted()), default=now_ns)
    longest_s = max(0, last_ns - now_ns) / NS_PER_SECOND
    ground.pace.wait_for(ground.all_over, longest_s + 1)
    ground.pace.wait(_SETTLE_S)


def offer(**arguments: Any) -> Any:
    """Give the workload something to do, as its own method ``offer`` takes it.

    Raises:
        RuntimeError: if the workload takes no offers.
    """
    give = getattr(current_ground().workload, "offer", None)
    if give is None:
        raise RuntimeError("the workload of this experiment takes no offers")
    return give(**arguments)
