"""Putting a desk together from the settings."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field

from alchemiser_cli.clock import Clock
from alchemiser_cli.errors import AlchemiserError, AuditLostError
from alchemiser_cli.settings import Settings, StrategySettings
from alchemiser_cli.telemetry import SILENT, Telemetry
from alchemiser_cli.telemetry.tracing import NO_TRACING, Tracing
from alchemiser_cli.trading.activity import Service, StageActivity
from alchemiser_cli.trading.audit import AuditHead, AuditTrail
from alchemiser_cli.trading.audit.record import AuditEntry
from alchemiser_cli.trading.book import Book
from alchemiser_cli.trading.brokers import open_broker
from alchemiser_cli.trading.chain_quotes import MarketView
from alchemiser_cli.trading.desk.clock import MarketClock
from alchemiser_cli.trading.desk.desk import DeskParts
from alchemiser_cli.trading.hours import TradingHours
from alchemiser_cli.trading.kill_switch import KillSwitch
from alchemiser_cli.trading.paper import PaperBroker
from alchemiser_cli.trading.risk import RiskGate, StateChange
from alchemiser_cli.trading.strategies import (
    LoadedStrategies,
    StrategyHost,
    StrategyKind,
    find_definition,
    load_strategies,
)

__all__ = ["DeskRequest", "chained_underlyings", "open_parts"]


def _unheard(_error: AlchemiserError) -> None:
    pass


@dataclass(frozen=True)
class DeskRequest:
    """What desk is wanted: its broker, its strategies, the trail that it writes.

    ``names`` are the strategies, None for those of the settings, and ``chained`` those whose
    contracts are quoted, where other services run them. ``kinds`` are the kinds of strategies.
    ``key`` signs the trail. ``on_failure`` hears of every failure that does not end the desk,
    ``anchor`` of the trail's head now and then; ``anchored`` is the head that it heard of last.
    """

    broker: str
    run_id: str
    trail: str
    names: Sequence[str] | None = None
    chained: Sequence[str] | None = None
    service: Service = "desk"
    key: bytes | None = None
    kinds: Mapping[str, StrategyKind] = field(default_factory=dict)
    on_failure: Callable[[AlchemiserError], object] = _unheard
    anchor: Callable[[AuditHead], object] | None = None
    anchored: AuditHead | None = None
    telemetry: Telemetry = SILENT
    tracing: Tracing = NO_TRACING


@contextmanager
def open_parts(
    settings: Settings, request: DeskRequest, kill_switch: KillSwitch, clock: Clock
) -> Iterator[tuple[DeskParts, LoadedStrategies]]:
    """Yield what a desk is made of, and its strategies; its trail is open until the block ends.

    Raises:
        AuditLockedError: ``audit-locked``; AuditLostError ``audit-lost``.
        BrokerInactiveError: ``broker-inactive``.
        StrategyNotFoundError: ``strategy-not-found``, for a name that was given.
    """
    broker_name = request.broker
    loaded = load_strategies(
        settings, request.names, kinds=request.kinds, telemetry=request.telemetry, clock=clock
    )
    strategies = loaded.by_broker.get(broker_name, ())
    hours = TradingHours(settings.market.calendar)

    def heard(error: AlchemiserError) -> None:
        request.on_failure(error)

    with ExitStack() as stack:
        trail = stack.enter_context(
            AuditTrail(
                settings.audit_folder / request.trail,
                settings.audit,
                clock,
                run_id=request.run_id,
                broker=broker_name,
                key=request.key,
                anchor=request.anchor,
                anchored=request.anchored,
                on_lost=lambda error: _halt(kill_switch, error),
                rotates=not isinstance(clock, MarketClock),
            )
        )
        paper: list[PaperBroker] = []

        def simulated() -> PaperBroker:
            limits = hours if settings.paper.market_hours else None
            paper.append(PaperBroker(broker_name, settings.paper, settings.options, limits, clock))
            return paper[0]

        broker = open_broker(settings, broker_name, clock, simulated)
        book = Book(broker_name, settings.paper.initial_cash, settings.options.multiplier)
        gate = RiskGate(
            settings.risk,
            settings.options.multiplier,
            book,
            kill_switch,
            hours,
            clock,
            broker=broker_name,
            circuit_open=lambda: bool(getattr(broker, "circuit_open", False)),
            halt_on_drawdown=settings.trading.halt_on_drawdown,
            on_state=lambda change: _changed(trail, change),
            on_kill_switch=lambda why: _stopped(trail, why),
            on_failure=heard,
            telemetry=request.telemetry,
        )
        disabled: dict[str, str] = {}
        host = stack.enter_context(
            StrategyHost(
                strategies,
                settings.trading,
                clock,
                broker=broker_name,
                telemetry=request.telemetry,
                tracing=request.tracing,
                on_failure=heard,
                on_disabled=lambda name, why: _disable(trail, disabled, name, why),
            )
        )
        yield (
            DeskParts(
                run_id=request.run_id,
                broker=broker,
                paper=paper[0] if paper else None,
                host=host,
                gate=gate,
                book=book,
                trail=trail,
                kill_switch=kill_switch,
                view=MarketView(
                    chained_underlyings(settings, request.chained or request.names),
                    settings.options,
                ),
                hours=hours,
                disabled=disabled,
                activity=StageActivity(
                    request.telemetry, broker_name, clock, service=request.service
                ),
                clock=clock,
            ),
            loaded,
        )


def chained_underlyings(settings: Settings, names: Sequence[str] | None) -> list[str]:
    """Return the underlyings on which the strategies ``names`` trade contracts."""
    chosen = settings.strategies if names is None else names
    found = []
    for name in chosen:
        with suppress(AlchemiserError):  # loading said what is wrong with it
            definition = find_definition(name, settings.home)
            whole = definition.with_settings(settings.strategies.get(name, StrategySettings()))
            found += [
                symbol.partition("-")[0]
                for symbol in whole.symbols
                if "-" in symbol or whole.kind == "policy"
            ]
    return list(dict.fromkeys(found))


def _halt(kill_switch: KillSwitch, error: AuditLostError) -> None:
    kill_switch.set(f"the audit trail is lost: {error.why}", "audit")


def _changed(trail: AuditTrail, change: StateChange) -> None:
    trail.append(
        AuditEntry(
            event="TRADING_STATE", event_id=change.state, reason=change.reason, detail=change
        )
    )


def _stopped(trail: AuditTrail, why: str) -> None:
    trail.append(AuditEntry(event="KILL_SWITCH_SET", event_id="kill_switch", reason=why))


def _disable(trail: AuditTrail, disabled: dict[str, str], name: str, why: str) -> None:
    disabled[name] = why
    trail.append(AuditEntry(event="STRATEGY_DISABLED", event_id=name, strategy_id=name, reason=why))
