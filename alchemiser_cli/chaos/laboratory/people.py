"""How people of a laboratory are told: the product's courier, without its waits of minutes."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from alchemiser_cli.clock import Clock
from alchemiser_cli.errors.journal import ErrorJournal
from alchemiser_cli.health.surroundings import Surroundings
from alchemiser_cli.notifications.channels import channels_of
from alchemiser_cli.notifications.courier import Courier, Office
from alchemiser_cli.notifications.incidents import IncidentStore
from alchemiser_cli.notifications.ledger import Ledger
from alchemiser_cli.notifications.policies import Policies, Policy, Step
from alchemiser_cli.notifications.silences import Silences
from alchemiser_cli.notifications.sources import JournalSource, StandingSource
from alchemiser_cli.pipeline.alerting import trading_alerts
from alchemiser_cli.settings.resolve import Resolved
from alchemiser_cli.state import StateDatabase

__all__ = ["CHANNEL", "telling"]

CHANNEL = "laboratory"

_PASS_EVERY_S = 0.25
_LEAVING_S = 5.0


@contextmanager
def telling(
    resolved: Resolved, database: StateDatabase, clock: Clock, journal: ErrorJournal
) -> Iterator[Courier]:
    """Let a courier tell the laboratory's channel of every incident at once, while the block runs.

    Who is told, of what severity, how often, and what is retried: all that is the product's own
    policy. Only the escalation policy is the laboratory's, for the real one waits for minutes.
    """
    settings = resolved.settings
    channels = settings.notifications
    policy = Policy(name=CHANNEL, steps=(Step(after_s=0, channels=(CHANNEL,)),))
    policies = Policies([policy], channels)
    office = Office(
        store=IncidentStore(database, settings.alerts, clock, policies),
        ledger=Ledger(database, clock, settings.alerts),
        channels=channels_of(settings, clock),
        policies=policies,
        silences=Silences(database, clock),
    )
    surroundings = Surroundings(resolved, clock, database)
    courier = Courier(
        office,
        [
            JournalSource(database, settings.alerts, clock, injected=True),
            StandingSource(partial(trading_alerts, surroundings), clock),
        ],
        clock,
        on_failure=journal.capture,
    )
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            courier.pass_once(stop)
            stop.wait(_PASS_EVERY_S)

    thread = threading.Thread(target=work, name="chaos-courier", daemon=True)
    thread.start()
    try:
        yield courier
    finally:
        stop.set()
        thread.join(_LEAVING_S)
