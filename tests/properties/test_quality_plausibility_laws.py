"""Columns and single ticks are judged alike; what is flagged breaks the rule that is named."""

from hypothesis import given
from hypothesis import strategies as st

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.market.columns import TickColumns
from alchemiser_cli.market.quality import PlausibilityGate, rules
from alchemiser_cli.market.ticks import Tick
from alchemiser_cli.settings.sections import QualitySettings

NOW_NS = 1_700_000_000_000_000_000
SECOND = 1_000_000_000

odd_number = st.sampled_from([0.0, -1.0, float("inf"), float("-inf"), 5e-324, 1e308])
usual_price = st.sampled_from([99.0, 100.0, 100.5, 101.0, 250.0, 251.0, 10.0])
price = st.one_of(usual_price, usual_price, usual_price, st.floats(1e-3, 1e6), odd_number)
optional = st.one_of(st.none(), st.none(), st.none(), price)
ticks = st.lists(
    st.builds(
        Tick,
        symbol=st.sampled_from(["A", "A", "A", "B", "?"]),
        venue=st.sampled_from(["XNYS", "XNYS", "XNAS"]),
        kind=st.sampled_from(["trade", "quote", "bar"]),
        sequence=st.integers(1, 9),
        event_time_ns=st.integers(-10, 7).map(lambda ahead_s: NOW_NS + ahead_s * SECOND),
        price=st.one_of(price, st.just(float("nan"))),
        size=st.one_of(st.just(1.0), st.just(0.0), odd_number),
        bid=optional,
        ask=optional,
        open=optional,
        high=optional,
        low=optional,
        implied_volatility=st.one_of(st.none(), st.just(0.2), odd_number),
    ),
    max_size=60,
)
names = [rule.name for rule in rules()]
qualities = st.builds(
    QualitySettings,
    rules_off=st.lists(st.sampled_from(names), max_size=2, unique=True).map(tuple),
    symbols=st.sampled_from([(), ("A", "B")]),
    jump_window=st.integers(8, 16),
    jump_sigmas=st.floats(1, 20),
    jump_believed_after=st.integers(2, 5),
)


@given(batches=st.lists(ticks, max_size=3), quality=qualities, symbols=st.integers(2, 100))
def test_columns_are_judged_exactly_as_single_ticks_are(batches, quality, symbols):
    clock = ManualClock(NOW_NS)
    one_by_one, at_once = (PlausibilityGate(quality, clock, max_symbols=symbols) for _ in range(2))
    for batch in batches:
        verdicts = [(row, one_by_one.judge(tick, NOW_NS)) for row, tick in enumerate(batch)]
        found = at_once.judge_columns(TickColumns.of(batch), NOW_NS)
        assert repr(found) == repr([pair for pair in verdicts if pair[1]])  # repr: NaN is itself


@given(batch=ticks, quality=qualities)
def test_a_rule_that_is_off_is_never_named(batch, quality):
    gate = PlausibilityGate(quality, ManualClock(NOW_NS))
    broken = {violation.rule for tick in batch if (violation := gate.judge(tick))}
    assert broken.isdisjoint(quality.rules_off)
    assert broken <= set(names)


@given(st.lists(st.floats(99, 101), max_size=300))
def test_prices_within_the_floor_of_one_another_are_never_jumps(prices):
    gate = PlausibilityGate(QualitySettings(), ManualClock(NOW_NS))
    for sequence, value in enumerate(prices, start=1):
        tick = Tick(
            symbol="A",
            venue="XNYS",
            kind="trade",
            sequence=sequence,
            event_time_ns=NOW_NS,
            price=value,
        )
        assert gate.judge(tick) is None
