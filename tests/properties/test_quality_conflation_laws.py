"""What is skipped has a newer one of its kind; what is kept and what is skipped are all."""

from hypothesis import given
from hypothesis import strategies as st

from alchemiser_cli.market.columns import TickColumns
from alchemiser_cli.market.quality import CONFLATED_KINDS, latest_only, latest_only_columns
from alchemiser_cli.market.ticks import Tick

ticks = st.lists(
    st.builds(
        Tick,
        symbol=st.sampled_from("AB"),
        venue=st.sampled_from(["XNYS", "XNAS"]),
        kind=st.sampled_from(["trade", "quote", "bar"]),
        sequence=st.integers(1, 9),
        event_time_ns=st.integers(0, 20),
        price=st.just(100.0),
    ),
    max_size=60,
)
kinds = st.sampled_from([CONFLATED_KINDS, frozenset({"quote"}), frozenset(), {"trade", "bar"}])


@given(waiting=ticks, kinds=kinds)
def test_only_what_has_a_newer_one_is_skipped(waiting, kinds):
    conflated = latest_only(waiting, kinds)
    assert sorted(conflated.kept + conflated.skipped) == list(range(len(waiting)))

    def key(at):
        return waiting[at].venue, waiting[at].symbol, waiting[at].kind

    newest = {}
    for at in sorted(range(len(waiting)), key=lambda at: waiting[at].event_time_ns):
        newest[key(at)] = at
    for at, tick in enumerate(waiting):
        assert (at in conflated.kept) == (tick.kind not in kinds or newest[key(at)] == at)


@given(waiting=ticks, kinds=kinds)
def test_columns_are_conflated_as_ticks_are(waiting, kinds):
    assert latest_only_columns(TickColumns.of(waiting), kinds) == latest_only(waiting, kinds)
