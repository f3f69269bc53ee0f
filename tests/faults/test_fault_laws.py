"""Laws of chance: seeds repeat, counts bound, spoiled bytes differ by one to three bits."""

from hypothesis import assume, given
from hypothesis import strategies as st

from alchemiser_cli.faults import Armed, Fault, FaultKind, FaultPoint, FaultTarget

TARGET = FaultTarget(name="test.place", summary="a place of a test")
LONG_S = 1_000.0
seeds = st.integers(0, 2**32)


def armed_with(**fault):
    return Armed(Fault(**({"kind": FaultKind.DROP} | fault)), LONG_S, target=TARGET.name)


def passed(items, **fault):
    point = FaultPoint(TARGET)
    point.arm(armed_with(**fault))
    return point.alter_all(items)


@given(seed=seeds, probability=st.floats(0.01, 0.99), chances=st.integers(1, 200))
def test_the_same_seed_strikes_the_same_chances(seed, probability, chances):
    draws = [
        [armed.draw() for _ in range(chances)]
        for armed in (armed_with(seed=seed, probability=probability) for _ in range(2))
    ]
    assert draws[0] == draws[1]


@given(seed=seeds)
def test_another_target_draws_otherwise_by_the_same_seed(seed):
    fault = Fault(kind=FaultKind.DROP, probability=0.5, seed=seed)
    here, there = (Armed(fault, LONG_S, target=name) for name in ("here", "there"))
    assert [here.draw() for _ in range(64)] != [there.draw() for _ in range(64)]


@given(seed=seeds, count=st.integers(1, 50), probability=st.floats(0.0, 1.0))
def test_a_count_is_never_exceeded(seed, count, probability):
    armed = armed_with(seed=seed, count=count, probability=probability)
    struck = sum(armed.draw() for _ in range(100))
    assert struck == armed.strikes.count <= count


@given(seed=seeds)
def test_a_probability_of_zero_never_strikes_and_of_one_always(seed):
    assert not any(armed_with(seed=seed, probability=0.0).draw() for _ in range(50))
    assert all(armed_with(seed=seed, probability=1.0).draw() for _ in range(50))


@given(seed=seeds, probability=st.floats(0.1, 0.9))
def test_about_the_asked_share_is_struck(seed, probability):
    """Within six standard deviations of a binomial, which chance leaves once in a billion."""
    chances = 2_000
    armed = armed_with(seed=seed, probability=probability)
    struck = sum(armed.draw() for _ in range(chances))
    deviation = (chances * probability * (1 - probability)) ** 0.5
    assert abs(struck - chances * probability) < 6 * deviation


@given(data=st.binary(max_size=64), seed=seeds)
def test_spoiled_bytes_differ_by_one_to_three_bits_and_in_nothing_else(data, seed):
    spoiled = armed_with(kind=FaultKind.CORRUPT, seed=seed).spoiled(data)
    assert len(spoiled) == len(data)
    flipped = sum((one ^ other).bit_count() for one, other in zip(data, spoiled, strict=True))
    assert 1 <= flipped <= 3 if data else flipped == 0


@given(items=st.lists(st.integers(), max_size=40), seed=seeds, probability=st.floats(0.0, 1.0))
def test_what_is_not_dropped_keeps_its_order(items, seed, probability):
    numbered = list(enumerate(items))
    left = passed(numbered, seed=seed, probability=probability)
    assert left == [one for one in numbered if one in left]


@given(items=st.lists(st.integers(), max_size=40), seed=seeds, probability=st.floats(0.0, 1.0))
def test_duplicates_add_nothing_and_lose_nothing(items, seed, probability):
    numbered = list(enumerate(items))
    left = passed(numbered, kind=FaultKind.DUPLICATE, seed=seed, probability=probability)
    assert list(dict.fromkeys(left)) == numbered
    assert max((left.count(one) for one in left), default=0) <= 2


@given(
    every_s=st.floats(0.5, 5.0),
    share=st.floats(0.1, 0.9),
    periods=st.floats(0.0, 20.0),
)
def test_a_schedule_is_in_force_in_the_first_part_of_each_period(every_s, share, periods):
    """The age of the fault is set by its begin, since waiting would take the test a minute."""
    phase = periods % 1
    assume(abs(phase - share) > 0.02)
    assume(0.02 < phase < 0.98)
    armed = Armed(
        Fault(kind=FaultKind.DROP, every_s=every_s, active_s=share * every_s),
        LONG_S,
        target=TARGET.name,
        begins_in_s=-periods * every_s,
    )
    assert armed.in_force() is (phase < share)


@given(remaining_s=st.floats(-10.0, 0.0))
def test_a_fault_whose_time_is_up_never_strikes(remaining_s):
    armed = Armed(Fault(kind=FaultKind.DROP), remaining_s, target=TARGET.name)
    assert armed.is_over
    assert not armed.draw()
