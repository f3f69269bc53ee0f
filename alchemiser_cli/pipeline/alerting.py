"""Where alerting is put together: the outbox, the courier with its sources, the desks' exposure."""

import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from alchemiser_cli.chaos.announcing import standing_alerts
from alchemiser_cli.chaos.drills import DrillJournal
from alchemiser_cli.chaos.leases import LeaseStore
from alchemiser_cli.clock import Clock
from alchemiser_cli.errors import AlchemiserError, InternalError
from alchemiser_cli.health.surroundings import Surroundings
from alchemiser_cli.health.trading import kill_switch, stages
from alchemiser_cli.notifications.acknowledging import acknowledging_key, link
from alchemiser_cli.notifications.advancing import Links
from alchemiser_cli.notifications.alert import Alert, fingerprint_of
from alchemiser_cli.notifications.audit_heads import queue_audit_heads
from alchemiser_cli.notifications.channels import channels_of
from alchemiser_cli.notifications.courier import Courier, Office, delivering
from alchemiser_cli.notifications.incident_rows import Incident
from alchemiser_cli.notifications.incidents import IncidentStore
from alchemiser_cli.notifications.ledger import Ledger
from alchemiser_cli.notifications.policies import Policies
from alchemiser_cli.notifications.silences import Silences
from alchemiser_cli.notifications.sources import StandingSource, threshold_alerts
from alchemiser_cli.notifications.standing_memory import StandingMemory
from alchemiser_cli.settings import Settings
from alchemiser_cli.settings.resolve import Resolved
from alchemiser_cli.state import StateDatabase
from alchemiser_cli.telemetry import SILENT, Telemetry
from alchemiser_cli.trading.control import desk_status

__all__ = ["alerting", "exposure_share", "open_courier", "open_office", "trading_alerts"]

_COMPONENT = "trading"


def open_office(settings: Settings, database: StateDatabase, clock: Clock) -> Office:
    """Return incidents, ledger, channels, policies and silences; nothing is opened yet.

    Raises:
        EscalationMalformedError: ``escalation-malformed``.
    """
    policies = Policies.load(settings.home, settings.notifications)
    return Office(
        store=IncidentStore(database, settings.alerts, clock, policies),
        ledger=Ledger(database, clock, settings.alerts),
        channels=channels_of(settings, clock),
        policies=policies,
        silences=Silences(database, clock),
    )


def open_courier(
    resolved: Resolved,
    database: StateDatabase,
    clock: Clock,
    *,
    injected: bool = False,
    telemetry: Telemetry = SILENT,
    on_failure: Callable[[AlchemiserError], object] = lambda _error: None,
) -> Courier:
    """Return a courier with all sources: the journal, the thresholds of health, trading, chaos.

    With ``injected``, failures caused on purpose are told as well, as they are in a drill.

    Raises:
        EscalationMalformedError: ``escalation-malformed``.
    """
    settings = resolved.settings
    office = open_office(settings, database, clock)
    surroundings = Surroundings(resolved, clock, database)
    return Courier(
        office,
        [
            DrillJournal(database, settings.alerts, clock, injected=injected),
            StandingSource(
                partial(_beyond_thresholds, surroundings),
                clock,
                _memory(settings, database, "thresholds"),
            ),
            StandingSource(
                partial(trading_alerts, surroundings), clock, _memory(settings, database, "trading")
            ),
            StandingSource(
                partial(standing_alerts, LeaseStore(database, clock), str(settings.environment)),
                clock,
                _memory(settings, database, "chaos"),
            ),
        ],
        clock,
        telemetry=telemetry,
        on_failure=on_failure,
        exposure=partial(exposure_share, settings),
        links=_links(resolved, clock),
        daily=lambda: queue_audit_heads(database, office.ledger, settings.notifications, clock),
    )


@contextmanager
def alerting(
    resolved: Resolved,
    database: StateDatabase,
    clock: Clock,
    *,
    telemetry: Telemetry = SILENT,
    on_failure: Callable[[AlchemiserError], object] = lambda _error: None,
) -> Iterator[None]:
    """Let a courier run in a thread beside the block.

    Raises:
        EscalationMalformedError: ``escalation-malformed``.
    """
    courier = open_courier(resolved, database, clock, telemetry=telemetry, on_failure=on_failure)
    with delivering(courier):
        yield


def trading_alerts(surroundings: Surroundings) -> list[Alert]:
    """Return what is wrong with trading now: a kill switch that is set, stages that are silent.

    Raises:
        DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
    """
    now_ns = surroundings.clock.now_ns()
    found = []
    switch = kill_switch(surroundings.settings)
    if switch is not None and switch.fault:
        found.append(
            _alert(
                "kill-switch-unreadable",
                "kill switch",
                "the kill switch cannot be read, so nothing is traded",
                f"{switch.fault}.",
                "Mend the file or the folder, then: alchemiser trade resume --reason WHY",
                now_ns,
            )
        )
    elif switch is not None and switch.active:
        found.append(
            _alert(
                "kill-switch-active",
                "kill switch",
                "trading is halted: the kill switch is set",
                f"{switch.by or 'Nobody known'} set it: {switch.reason or 'no reason'}.",
                "When what it was set for is over: alchemiser trade resume --reason WHY",
                now_ns,
            )
        )
    for one in stages(surroundings):
        found += [
            _alert(
                "stage-silent",
                f"{finding.broker} {finding.stage}",
                f"the stage {finding.stage} of {finding.broker} does not do its work",
                f"{finding.detail[:1].upper()}{finding.detail[1:]}.",
                "See whether its process runs: alchemiser trade status",
                now_ns,
            )
            for finding in one.findings
        ]
    return found


def exposure_share(settings: Settings) -> float:
    """Return the open exposure of the running desks as a share of their equity, the largest one.

    It is the sum of the absolute market values; NaN where a desk's equity is not positive.
    """
    shares = [0.0]
    for file in sorted((settings.run_folder / "trading").glob("*.json")):
        status, running = desk_status(settings.run_folder, file.stem)
        if status is None or status.account is None or not running:
            continue
        account = status.account
        open_value = sum(abs(one.market_value) for one in account.positions)
        if open_value:
            shares.append(open_value / account.equity if account.equity > 0 else float("nan"))
    return max(shares, key=lambda share: (share != share, share))  # noqa: PLR0124  NaN counts most


def _memory(settings: Settings, database: StateDatabase, about: str) -> StandingMemory:
    """Return what couriers of this home and machine know; another one's troubles are its own."""
    place = fingerprint_of(socket.gethostname(), str(settings.home))
    return StandingMemory(database, f"{about}:{place}")


def _links(resolved: Resolved, clock: Clock) -> Links:
    """Return what makes the link that acknowledges an incident; without a lasting key no link."""
    key, health = acknowledging_key(resolved), resolved.settings.health

    def links(incident: Incident, channel: str) -> Mapping[str, str]:
        found = link(health, incident.id, channel, key, clock.now_ns())
        return {} if found is None else {"Acknowledge": found}

    return links


def _beyond_thresholds(surroundings: Surroundings) -> list[Alert]:
    surroundings.look_anew()
    now_ns = surroundings.clock.now_ns()
    states = [state for state in surroundings.thresholds() if state.alerting]
    if not states:
        return []
    recent = surroundings.recent_errors().by_code
    worst = max(recent, key=lambda code: recent[code].count, default=InternalError.code)
    return threshold_alerts(states, worst, now_ns)


def _alert(code: str, about: str, what: str, why: str, next_step: str, now_ns: int) -> Alert:
    return Alert(
        fingerprint=fingerprint_of("trading", code, about),
        kind="trading",
        severity="critical" if code.startswith("kill-switch") else "high",
        code=code,
        component=_COMPONENT,
        what=what,
        why=why,
        next_step=next_step,
        at_ns=now_ns,
        group=_COMPONENT,
    )
