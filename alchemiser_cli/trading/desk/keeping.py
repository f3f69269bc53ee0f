"""What a desk does beside the market: tells its status, does what it is asked, looks around."""

from collections.abc import Callable

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.trading.control import DeskControl, DeskStatus, Request
from alchemiser_cli.trading.desk.desk import Desk
from alchemiser_cli.trading.desk.status import status_of
from alchemiser_cli.trading.signals import Origin
from alchemiser_cli.trading.strategies import LoadedStrategies

__all__ = ["DeskKeeper"]

TELL_EVERY_S = 1.0
REMEMBERED = 20


class DeskKeeper:
    """Keeps one desk; ``look`` is called several times a second, whether ticks come or not."""

    def __init__(
        self,
        desk: Desk,
        loaded: LoadedStrategies,
        control: DeskControl,
        clock: Clock,
        *,
        findings: Callable[[], list[str]] = list,
    ) -> None:
        """Keep ``desk``; ``findings`` says what a validator has to warn of."""
        self._desk = desk
        self._loaded = loaded
        self._control = control
        self._clock = clock
        self._findings = findings
        self._started_ns = clock.now_ns()
        self._told_ns: int | None = None
        self._handled: dict[str, str] = {}
        self._asked = 0

    async def look(self) -> None:
        """Do what is asked, and tell the status when its time has come.

        Raises:
            AuditLostError: ``audit-lost``.
        """
        parts = self._desk.parts
        parts.kill_switch.refresh()
        await self._desk.collect()
        for request in self._control.requests():
            self._handled[request.id] = await self._do(request)
            self._handled = dict(list(self._handled.items())[-REMEMBERED:])
            self._control.done(request)
            self._told_ns = None
        self._desk.signals.record_holds()
        parts.activity.publish()
        parts.trail.sync_when_due()
        now_ns = self._clock.monotonic_ns()
        if self._told_ns is None or now_ns - self._told_ns >= TELL_EVERY_S * NS_PER_SECOND:
            self._told_ns = now_ns
            self._control.tell(self.status())

    def status(self) -> DeskStatus:
        """Return what the desk says of itself now."""
        return status_of(
            self._desk.parts,
            self._loaded,
            self._desk.tally,
            self._desk.orders.counts,
            service="desk",
            started_ns=self._started_ns,
            at_ns=self._clock.now_ns(),
            findings=self._findings(),
            handled=self._handled,
        )

    async def _do(self, request: Request) -> str:
        if request.kind == "resume":
            self._desk.risk.change_state("active", f"{request.by}: {request.reason}")
            return "trading state is active"
        self._asked += 1
        origin = Origin(f"flatten:{request.id}", 0, self._asked)
        count = await self._desk.flatten(request.by, origin)
        working = len(self._desk.orders.working)
        return f"positions being closed: {count}; orders that wait for their next price: {working}"
