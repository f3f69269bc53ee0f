"""When each stage of trading last did something: cheap to note.

A stage that has nothing to do is not at fault. So two moments are noted: when a stage last was
at work, and when it last gave the next stage something to do. Only who was given work owes any.
"""

from collections.abc import Mapping
from typing import Literal, get_args

import msgspec

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.telemetry import Telemetry
from alchemiser_cli.telemetry import names as n

__all__ = [
    "SERVICES",
    "STAGES",
    "Service",
    "Stage",
    "StageActivity",
    "StageSeen",
]

Stage = Literal["market_data", "signals", "risk", "orders", "portfolio"]
STAGES: tuple[Stage, ...] = get_args(Stage)
"""The stages of trading; each gets its work from the one before it."""

Service = Literal["desk", "strategy", "risk", "broker"]
SERVICES: Mapping[Service, tuple[Stage, ...]] = {
    "desk": STAGES,
    "strategy": ("market_data", "signals"),
    "risk": ("risk",),
    "broker": ("orders", "portfolio"),
}
"""Which stages a process speaks for: each has one, though every service reads market data."""


class StageSeen(msgspec.Struct, frozen=True, kw_only=True):
    """One stage as it is known elsewhere; times are UTC nanoseconds.

    ``active_ns`` is its last work, at first its start. ``gave_ns`` is when it last gave the next
    stage something to do, None before. ``reported_ns`` is when its process said so, and
    ``running`` is False where that was its last word; None where the source does not tell.
    """

    broker: str
    stage: str
    active_ns: float
    gave_ns: float | None = None
    reported_ns: int | None = None
    running: bool | None = None
    count: int = 0


class _Noted:
    """What a process notes of one stage."""

    __slots__ = ("active_ns", "count", "gave_ns")

    def __init__(self, started_ns: int) -> None:
        self.active_ns = started_ns
        self.gave_ns: int | None = None
        self.count = 0


class StageActivity:
    """Notes what the stages of one broker do in this process."""

    def __init__(
        self, telemetry: Telemetry, broker: str, clock: Clock, *, service: Service = "desk"
    ) -> None:
        """Begin: every stage of ``service`` counts as active now, and its gauge is set."""
        self.broker = broker
        self.service = service
        started_ns = clock.now_ns()
        self._clock = clock
        self._noted = {stage: _Noted(started_ns) for stage in SERVICES[service]}
        labels = {"service": service, "broker": broker}
        self._gauges = {
            stage: (
                telemetry.gauge(n.TRADING_LAST_ACTIVITY, stage=stage, **labels),
                telemetry.gauge(n.TRADING_LAST_OUTPUT, stage=stage, **labels),
            )
            for stage in self._noted
        }
        self.publish()

    def seen(self, stage: Stage, at_ns: int) -> None:
        """Note that ``stage`` was at work at ``at_ns``, UTC nanoseconds of the process's clock.

        Market data saw a tick; strategies looked at one, whatever they made of it; the gate
        decided; an order went to its broker, or changed; an execution was booked.

        Raises:
            KeyError: Another service speaks for the stage.
        """
        noted = self._noted[stage]
        noted.active_ns = at_ns
        noted.count += 1

    def gave(self, stage: Stage, at_ns: int) -> None:
        """Note that ``stage`` gave the next one something to do: a signal, an order, a fill.

        Market data need not say so: strategies look at every tick.

        Raises:
            KeyError: Another service speaks for the stage.
        """
        self._noted[stage].gave_ns = at_ns

    def now(self, *, running: bool = True) -> list[StageSeen]:
        """Return every stage as it is now."""
        reported_ns = self._clock.now_ns()
        return [
            StageSeen(
                broker=self.broker,
                stage=stage,
                active_ns=noted.active_ns,
                # Every tick is work for the strategies, so it is noted once and not twice.
                gave_ns=noted.active_ns
                if stage == "market_data" and noted.count
                else noted.gave_ns,
                reported_ns=reported_ns,
                running=running,
                count=noted.count,
            )
            for stage, noted in self._noted.items()
        ]

    def publish(self) -> None:
        """Set the gauges, in UTC seconds."""
        for one in self.now():
            active, gave = self._gauges[one.stage]  # type: ignore[index]  # only our own stages
            active.set(one.active_ns / NS_PER_SECOND)
            gave.set((one.gave_ns or 0) / NS_PER_SECOND)
