"""Ticks seen as columns teach the same pace as ticks seen one by one."""

from hypothesis import given
from hypothesis import strategies as st

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.market.columns import TickColumns
from alchemiser_cli.market.quality import StalenessMonitor
from alchemiser_cli.market.ticks import Tick
from alchemiser_cli.settings.sections import QualitySettings

batches = st.lists(
    st.tuples(
        st.integers(-7_000, 20_000),
        st.lists(
            st.builds(
                Tick,
                symbol=st.sampled_from("ABC"),
                venue=st.sampled_from(["XNYS", "XNAS"]),
                kind=st.just("trade"),
                sequence=st.just(1),
                event_time_ns=st.just(0),
                price=st.just(100.0),
            ),
            max_size=8,
        ),
    ),
    max_size=40,
)


@given(batches)
def test_columns_teach_the_same_pace_as_ticks(steps):
    clock = ManualClock()
    settings = QualitySettings(stale_factor=1.5, stale_floor_s=0.5)
    one_by_one, at_once = (StalenessMonitor(settings, clock, max_symbols=4) for _ in range(2))
    for step_ms, batch in steps:
        clock.jump(step_ms / 1_000)
        assert at_once.stale() == one_by_one.stale()
        for tick in batch:
            one_by_one.seen(tick.symbol, tick.venue)
        at_once.seen_columns(TickColumns.of(batch))
    clock.advance(10)
    assert at_once.stale() == one_by_one.stale()
