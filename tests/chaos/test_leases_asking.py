"""What may be asked for: a target that there is, an error it can have, numbers with a sense."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alchemiser_cli.chaos.asking import asked, checked_begin, checked_duration, find_target
from alchemiser_cli.errors import FaultImpossibleError, FaultTargetNotFoundError
from alchemiser_cli.exits import ExitCode
from alchemiser_cli.faults import CATALOGUE, Fault, FaultKind
from alchemiser_cli.settings import Settings

AMOUNTS = {"delay": 0.5, "skew": -3.0, "throttle": 1_000.0, "delete": 2.0}
WORDS = [(target.name, word) for target in CATALOGUE for word in target.words]


@pytest.mark.parametrize(("target", "word"), WORDS)
def test_every_word_of_every_target_can_be_asked_for(target, word):
    fault = asked(target, word, amount=AMOUNTS.get(word, 0.0))
    assert (fault.word or fault.kind) == word


def test_all_that_limits_a_fault_is_taken_over():
    fault = asked(
        "streaming.handle",
        "delay",
        amount=0.2,
        probability=0.1,
        count=5,
        every_s=10.0,
        active_s=2.0,
        seed=7,
    )
    assert fault == Fault(
        kind=FaultKind.DELAY,
        amount=0.2,
        probability=0.1,
        count=5,
        every_s=10.0,
        active_s=2.0,
        seed=7,
    )


@pytest.mark.provokes("fault-target-not-found")
@pytest.mark.parametrize("name", ["registry.gt", "", "proxy.", "proxy.Not A Name", "*"])
def test_an_unknown_target_is_not_found(name):
    with pytest.raises(FaultTargetNotFoundError) as missing:
        asked(name, "delay", amount=1)
    assert missing.value.exit_code == ExitCode.NOT_FOUND


def test_the_nearest_target_is_offered():
    with pytest.raises(FaultTargetNotFoundError) as missing:
        find_target("registry.gt")
    assert "registry.get" in missing.value.next_step


def test_a_proxy_is_a_target_wherever_it_runs():
    assert asked("proxy.postgres", "down").kind is FaultKind.DOWN


@pytest.mark.provokes("fault-impossible")
def test_an_error_that_the_target_cannot_have_is_refused_with_what_it_can():
    with pytest.raises(FaultImpossibleError) as refused:
        asked("registry.get", "registry-unreachabel")
    assert refused.value.exit_code == ExitCode.USAGE
    assert "registry-unreachable, schema-not-found, delay, hang" in refused.value.why
    assert refused.value.next_step == "Did you mean registry-unreachable?"


@given(st.floats().filter(lambda value: not 0 <= value <= 1))
def test_a_probability_outside_0_to_1_is_refused(probability):
    with pytest.raises(FaultImpossibleError, match="probability"):
        asked("streaming.fetch", "drop", probability=probability)


@pytest.mark.parametrize(
    ("word", "numbers"),
    [
        ("delay", {}),
        ("delay", {"amount": -1.0}),
        ("delay", {"amount": math.inf}),
        ("drop", {"amount": 3.0}),
        ("drop", {"count": 0}),
        ("drop", {"every_s": 10.0}),
        ("drop", {"active_s": 10.0}),
        ("drop", {"every_s": 10.0, "active_s": 11.0}),
        ("drop", {"every_s": 0.0, "active_s": 0.0}),
        ("drop", {"every_s": math.nan, "active_s": 1.0}),
    ],
)
def test_numbers_without_a_sense_are_refused(word, numbers):
    with pytest.raises(FaultImpossibleError):
        asked("streaming.fetch", word, **numbers)


@pytest.mark.parametrize("duration", [None, math.inf, math.nan, 0.0, -1.0, 61.0])
def test_a_duration_that_is_none_endless_or_too_long_is_refused(duration):
    settings = Settings(chaos={"max_duration_s": 60})
    with pytest.raises(FaultImpossibleError):
        checked_duration(settings, duration)
    assert checked_duration(settings, 60.0) == 60.0


@pytest.mark.parametrize("begins_in", [-1.0, math.inf, math.nan, 3_601.0])
def test_a_fault_cannot_begin_in_the_past_or_far_away(begins_in):
    with pytest.raises(FaultImpossibleError):
        checked_begin(Settings(), begins_in)
