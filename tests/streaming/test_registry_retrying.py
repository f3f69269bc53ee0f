"""A registry that flaps is asked again; one that is down is left alone; refusals count at once."""

import pytest

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.errors import RegistryUnreachableError, SchemaNotFoundError
from alchemiser_cli.streaming.registry_memory import MemoryRegistry
from alchemiser_cli.streaming.registry_retrying import ATTEMPTS, RetryingRegistry

SCHEMA = '{"type": "record", "name": "R", "fields": []}'


class Flapping(MemoryRegistry):
    """Fails the next ``failures`` questions, with ``status``; each takes ``takes_s``."""

    def __init__(self, clock):
        super().__init__()
        self.failures, self.status, self.asked, self.takes_s = 0, None, 0, 0.0
        self._clock = clock

    def _flap(self):
        self.asked += 1
        self._clock.sleep(self.takes_s)
        if self.failures:
            self.failures -= 1
            raise RegistryUnreachableError(
                "no answer", why="It is down.", next_step="Wait.", context={"status": self.status}
            )

    def register(self, subject, schema):
        self._flap()
        return super().register(subject, schema)

    def schema(self, schema_id):
        self._flap()
        return super().schema(schema_id)

    def latest(self, subject):
        self._flap()
        return super().latest(subject)

    def compatible(self, subject, schema):
        self._flap()
        return super().compatible(subject, schema)


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def flapping(clock):
    return Flapping(clock)


@pytest.fixture
def retrying(flapping, clock):
    return RetryingRegistry(flapping, clock, deadline_s=5)


def test_a_registry_that_flaps_does_not_fail_a_start(flapping, retrying):
    flapping.failures = ATTEMPTS - 1
    schema_id = retrying.register("s", SCHEMA)
    for question in (
        lambda: retrying.latest("s"),
        lambda: retrying.schema(schema_id),
        lambda: retrying.compatible("s", SCHEMA),
    ):
        flapping.failures = ATTEMPTS - 1
        assert question()


@pytest.mark.provokes("registry-unreachable")
def test_a_registry_that_stays_away_is_asked_so_often_and_no_more(flapping, retrying):
    flapping.failures = 1_000
    with pytest.raises(RegistryUnreachableError, match="no answer") as raised:
        retrying.latest("s")
    assert flapping.asked == raised.value.context["attempts"] == ATTEMPTS


@pytest.mark.provokes("registry-unreachable")
def test_one_that_is_slow_to_fail_is_not_asked_past_the_deadline(flapping, retrying, clock):
    flapping.failures, flapping.takes_s = 1_000, 5.0
    with pytest.raises(RegistryUnreachableError):
        retrying.latest("s")
    assert flapping.asked == 1
    assert clock.monotonic_ns() == 5_000_000_000


@pytest.mark.provokes("registry-unreachable")
def test_one_that_is_down_is_left_alone_for_a_while_and_then_tried(flapping, retrying, clock):
    flapping.failures = 1_000
    with pytest.raises(RegistryUnreachableError):
        retrying.latest("s")
    for _ in range(100):
        with pytest.raises(RegistryUnreachableError, match="was not asked") as raised:
            retrying.latest("s")
        assert raised.value.retry_after_s > 0
    assert flapping.asked == ATTEMPTS
    flapping.failures = 0
    clock.advance(1.1)
    assert retrying.latest("s") is None


@pytest.mark.provokes("registry-unreachable")
@pytest.mark.parametrize("status", [401, 403, 400])
def test_a_refusal_is_not_repeated_nor_held_against_it(flapping, retrying, status):
    flapping.failures, flapping.status = 10, status
    for asked in range(1, 11):
        with pytest.raises(RegistryUnreachableError, match="no answer"):
            retrying.latest("s")
        assert flapping.asked == asked
    assert retrying.latest("s") is None


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_what_may_pass_is_tried_again(flapping, retrying, status):
    flapping.failures, flapping.status = 2, status
    assert retrying.latest("s") is None
    assert flapping.asked == 3


@pytest.mark.provokes("schema-not-found")
def test_an_answer_that_there_is_none_is_an_answer(flapping, retrying):
    for _ in range(20):
        with pytest.raises(SchemaNotFoundError):
            retrying.schema(1)
    assert flapping.asked == 20
