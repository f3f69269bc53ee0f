"""A defence that is switched off makes the verdict of its experiment fail, and is accused."""

import pytest
from streaming_experiments import shortened

from alchemiser_cli.chaos.experiments.conducting import Conductor
from alchemiser_cli.clock import SystemClock
from alchemiser_cli.resilience import CircuitBreaker
from alchemiser_cli.settings.resolve import Request, resolve
from alchemiser_cli.state import StateDatabase
from alchemiser_cli.streaming.fetching import Fetcher
from alchemiser_cli.streaming.outages import BrokerAbsence

pytestmark = pytest.mark.slow


@pytest.fixture
def accused(tmp_path):
    """Run an experiment that must fail, and return what its verdict accuses."""
    home = tmp_path / "home"
    home.mkdir()
    resolved = resolve(Request(home=home))
    database = StateDatabase.of(resolved.settings, SystemClock())

    def run(experiment):
        journal = Conductor(resolved, database, "tester", lambda: None).conduct(experiment)
        assert not journal.passed
        return journal.verdict.accused

    yield run
    database.close()


def test_without_dead_letters_poisoned_messages_are_lost(accused):
    experiment = shortened("poison-messages", seconds=1.5, settings={"dead_letters.enabled": False})
    assert "dead-letter topic" in accused(experiment)


def test_without_its_circuit_breaker_a_registry_that_is_away_is_asked_on_and_on(
    accused, monkeypatch
):
    monkeypatch.setattr(
        CircuitBreaker, "call", lambda _self, function, *given, **named: function(*given, **named)
    )
    assert accused(shortened("registry-outage", seconds=2.5)) == ["circuit breaker"]


def test_without_backpressure_a_slow_handler_is_fed_on_and_on(accused, monkeypatch):
    monkeypatch.setattr(Fetcher, "_full", lambda _self: False)
    experiment = shortened("slow-handler", seconds=2, only="streaming.handle")
    assert accused(experiment) == ["backpressure"]


def test_a_consumer_that_forgets_what_it_did_does_it_twice(accused):
    experiment = shortened(
        "slow-handler", seconds=3.5, only="streaming.fetch", arguments={"remembers": False}
    )
    assert accused(experiment) == ["idempotent effects"]


def test_an_outage_of_the_brokers_that_nobody_watches_for_is_not_told(accused, monkeypatch):
    monkeypatch.setattr(BrokerAbsence, "overdue", lambda _self, _reachable: None)
    experiment = shortened("broker-outage", seconds=3, settings={"kafka.request_timeout_s": 1.5})
    assert "outage watch" in accused(experiment)
