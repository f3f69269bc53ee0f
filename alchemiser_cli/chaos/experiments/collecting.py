"""Collecting the evidence of a run: what is still on its way is waited for."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from alchemiser_cli.chaos.experiments.ground import Ground
from alchemiser_cli.chaos.verdicts.evidence import Evidence, gather
from alchemiser_cli.chaos.verdicts.expectation import Expectation
from alchemiser_cli.chaos.workloads.workload import Defence

__all__ = ["Collector"]

STRUCK_WITHIN_S = 2.0
TOLD_WITHIN_S = 10.0


@dataclass
class Collector:
    """Collects for the expectations of one run; ``steady_ns`` is since when all is steady again."""

    ground: Ground
    expectations: Sequence[Expectation]
    steady_ns: int | None = None
    defences: dict[str, Defence] = field(default_factory=dict)

    def note_defences(self) -> None:
        """Keep what each defence of the workload did up to now; one that has acted stays so."""
        if self.ground.workload is None:
            return
        for name, seen in self.ground.workload.defences().items():
            before = self.defences.get(name)
            if before is None or seen.acted or not before.acted:
                self.defences[name] = seen

    def wait_for_news(self) -> None:
        """Wait for strikes that a process is about to write down, and messages on their way.

        Raises:
            HaltedError: where the experiment is to end before.
        """
        pace, faults = self.ground.pace, self.ground.noted()
        pace.wait_for(self._all_struck, STRUCK_WITHIN_S)
        if faults and any(one.told for one in self.expectations):
            pace.wait_for(self._all_told, TOLD_WITHIN_S)

    def evidence(self) -> Evidence:
        """Return what is known now.

        Raises:
            DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
        """
        if self.ground.journal is not None:
            self.ground.journal.flush()
        return gather(self.ground, self.defences, self.steady_ns)

    def _all_struck(self) -> bool:
        leases = self.ground.leases
        return all(leases.strikes(fault.lease.id) for fault in self.ground.noted())

    def _all_told(self) -> bool:
        """Tell whether somebody was told of each fault of which somebody must be."""
        arrived = {one.code for one in self.evidence().messages if one.sent_ns is not None}
        return all(
            arrived and (one.detected is None or not arrived.isdisjoint(one.detected.codes))
            for one in self.expectations
            if one.told
        )
