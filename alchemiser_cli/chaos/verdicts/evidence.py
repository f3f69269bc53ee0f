"""What can be known of a fault: its strikes, what the journal and the ledger hold, the accounts."""

from collections.abc import Collection, Mapping, Sequence

import msgspec
from sqlalchemy import func, select

from alchemiser_cli.chaos.experiments.ground import Ground, InjectedFault
from alchemiser_cli.chaos.workloads.workload import Defence, Work
from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.faults import FaultKind
from alchemiser_cli.state import delivery, error_occurrence

__all__ = ["Evidence", "Message", "Occurrence", "gather"]

_SLACK_S = 5.0  # for how long after the end of a skew something may still carry its time


class Occurrence(msgspec.Struct, frozen=True):
    """Failures of one code in the journal; ``at_ns`` is UTC by the true clock."""

    code: str
    at_ns: int
    injected: bool
    count: int


class Message(msgspec.Struct, frozen=True):
    """One message to a person; ``sent_ns`` is None where it did not arrive."""

    code: str
    queued_ns: int
    sent_ns: int | None


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """All that a verdict rests on.

    ``strikes`` counts by lease. ``work`` is the last account, None without a workload.
    ``steady_ns`` is when the steady state was back, None where it did not return.
    """

    occurrences: Sequence[Occurrence]
    messages: Sequence[Message]
    strikes: Mapping[str, int]
    work: Work | None
    defences: Mapping[str, Defence]
    steady_ns: int | None

    def first(self, codes: Collection[str], since_ns: int) -> Occurrence | None:
        """Return the first failure of one of ``codes`` from ``since_ns`` on."""
        found = [one for one in self.occurrences if one.code in codes and one.at_ns >= since_ns]
        return min(found, key=lambda one: one.at_ns, default=None)


def gather(ground: Ground, defences: Mapping[str, Defence], steady_ns: int | None) -> Evidence:
    """Read what the state database holds about the faults of a run.

    Raises:
        DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
    """
    faults = ground.noted()
    one, letter = error_occurrence.c, delivery.c
    with ground.database.begin() as connection:
        occurrences = [
            Occurrence(row.code, _true_ns(row.at_ns, faults), row.injected, row.folded)
            for row in connection.execute(
                select(one.code, one.at_ns, one.injected, one["count"].label("folded"))
            )
        ]
        messages = [
            Message(
                row.code,
                _true_ns(row.queued_ns, faults),
                None if row.sent_ns is None else _true_ns(row.sent_ns, faults),
            )
            for row in connection.execute(
                select(letter.code, letter.queued_ns, letter.sent_ns).where(
                    letter.state != "cancelled", func.length(letter.code) > 0
                )
            )
        ]
    return Evidence(
        occurrences=[item for item in occurrences if item.at_ns >= ground.began_ns],
        messages=[item for item in messages if item.queued_ns >= ground.began_ns],
        strikes={
            fault.lease.id: sum(each.count for each in ground.leases.strikes(fault.lease.id))
            for fault in faults
        },
        work=None if ground.workload is None else ground.workload.work(),
        defences=defences,
        steady_ns=steady_ns,
    )


def _true_ns(at_ns: int, faults: Sequence[InjectedFault]) -> int:
    """Take a skew of the wall clock out of a time that was read while it was in force."""
    for fault in faults:
        asked = fault.lease.fault
        if asked.kind is not FaultKind.SKEW:
            continue
        skew_ns = round(asked.amount * NS_PER_SECOND)
        slack_ns = round(min(_SLACK_S, abs(asked.amount) / 2) * NS_PER_SECOND)
        if fault.lease.begins_ns <= at_ns - skew_ns <= fault.over_ns + slack_ns:
            return at_ns - skew_ns
    return at_ns
