"""Why a symbol was not traded around a moment."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alchemiser_cli.clock import NS_PER_SECOND, iso_from_ns
from alchemiser_cli.render.output import json_document, plain_text
from alchemiser_cli.render.why import refusals_view
from alchemiser_cli.trading.decisions import REASONS
from alchemiser_cli.trading.why import HeldDetail, explain_refusals
from alchemiser_cli.trading.why.refusals import SHOWN

HOUR_NS = 3_600 * NS_PER_SECOND


def hold(trail, reason, *, since_s, until_s, ticks=10, symbol="SPX", strategy="momentum"):
    start_ns = trail.at_ns
    detail = HeldDetail(
        reason=reason,
        since_ns=start_ns + since_s * NS_PER_SECOND,
        until_ns=start_ns + until_s * NS_PER_SECOND,
        ticks=ticks,
    )
    trail.at_ns = detail.until_ns
    trail.write("HELD", f"held-{len(trail.records)}", detail, symbol=symbol, strategy_id=strategy)
    trail.at_ns = start_ns


def refuse(trail, offset, reason="stale_market_data", limits=(), **fields):
    trail.decision(trail.signal(offset, **fields), quantity=0, reason=reason, limits=limits)


def test_a_refusal_tells_the_limit_that_failed_and_what_was_wanted(trail, stale):
    at_ns = trail.at_ns
    refuse(trail, 7, limits=stale)
    story = explain_refusals(trail.records, "SPX", at_ns)
    (refusal,) = story.refusals
    assert (refusal.reason, refusal.by, refusal.target) == ("stale_market_data", "risk gate", 3)
    assert (refusal.limit.value, refusal.limit.threshold) == (90.0, 60.0)
    assert refusal.strategy_id == "momentum"
    assert story.by_reason == {"stale_market_data": 1}
    assert REASONS["stale_market_data"] in story.said


def test_the_nearest_refusal_comes_first_and_of_two_as_near_the_newer(trail):
    at_ns = trail.at_ns
    for seconds in (-30, 5, -10, 10):
        trail.at_ns = at_ns + seconds * NS_PER_SECOND - 1_000_000  # the signal stands before
        refuse(trail, seconds + 100)
    story = explain_refusals(trail.records, "SPX", at_ns)
    assert [one.away_s for one in story.refusals] == [5.0, 10.0, -10.0, -30.0]


def test_what_is_beyond_the_window_is_left_out(trail):
    at_ns = trail.at_ns
    refuse(trail, 7)
    story = explain_refusals(trail.records, "SPX", at_ns + 2 * HOUR_NS)
    assert story.refusals == ()
    nearest = iso_from_ns(at_ns + 1_000_000)[:19]
    assert story.said.endswith(f"The nearest line about it is of {nearest}Z.")
    assert explain_refusals(trail.records, "SPX", at_ns + 2 * HOUR_NS, 3 * 3_600).refusals


def test_an_underlying_stands_for_its_contracts(trail):
    refuse(trail, 7, symbol="SPX-20180119-C-2750")
    refuse(trail, 8, symbol="SPXW")
    story = explain_refusals(trail.records, "SPX", trail.at_ns)
    assert [one.symbol for one in story.refusals] == ["SPX-20180119-C-2750"]


def test_a_broker_s_rejection_is_a_refusal_too(trail):
    order = trail.order(trail.decision(trail.signal(7)))
    trail.closed(order, "rejected", filled=0, reason="the market is closed")
    story = explain_refusals(trail.records, "SPX", trail.at_ns)
    (refusal,) = story.refusals
    assert (refusal.by, refusal.reason) == ("broker", "the market is closed")
    assert refusal.signal_id == order.signal_id
    assert story.approved == (order.order_id,)


def test_a_hold_lasts_until_the_next_line_of_its_strategy_and_symbol(trail):
    at_ns = trail.at_ns
    hold(trail, "too few ticks", since_s=-9_000, until_s=-9_000, ticks=1)
    hold(trail, "no trend", since_s=-7_000, until_s=-7_000, ticks=1)
    hold(trail, "no trend", since_s=-7_000, until_s=-3_800, ticks=320)
    hold(trail, "no trend", since_s=-7_000, until_s=-3_800, ticks=320, strategy="breakout")
    trail.at_ns = at_ns + 60 * NS_PER_SECOND
    signal = trail.signal(7)
    story = explain_refusals(trail.records, "SPX", at_ns)
    held, other = sorted(story.holds, key=lambda one: one.strategy_id, reverse=True)
    assert (held.reason, held.ticks) == ("no trend", 320)
    assert held.since_ns == at_ns - 7_000 * NS_PER_SECOND
    assert held.until_ns == signal.decided_at_ns
    assert other.strategy_id == "breakout"
    assert "held, no trend" in story.said


def test_holds_that_were_written_long_after_are_put_where_they_belong(trail):
    at_ns = trail.at_ns
    trail.at_ns = at_ns - 1_000 * NS_PER_SECOND
    trail.signal(7)
    trail.at_ns = at_ns + 9_000 * NS_PER_SECOND
    for reason, ago_s, since_s in (("too few ticks", 5_000, 6_000), ("no trend", 500, 900)):
        told_ns = at_ns - ago_s * NS_PER_SECOND
        since_ns = at_ns - since_s * NS_PER_SECOND
        detail = {"reason": reason, "since_ns": since_ns, "at_ns": told_ns, "ticks": 4}
        trail.write("HELD", f"h-{ago_s}", detail, reason=reason)
    story = explain_refusals(trail.records, "SPX", at_ns)
    assert [one.reason for one in story.holds] == ["no trend", "too few ticks"]
    assert story.holds[1].until_ns == at_ns - 1_000 * NS_PER_SECOND


def test_a_hold_ends_with_its_run(trail):
    at_ns = trail.at_ns
    hold(trail, "no trend", since_s=-9_000, until_s=-9_000)
    trail.at_ns = at_ns - 8_000 * NS_PER_SECOND
    trail.write("RUN_ENDED", "run-1", symbol="", strategy_id="")
    trail.at_ns = at_ns
    trail.write("RUN_STARTED", "run-2", symbol="", strategy_id="", run_id="run-2")
    assert explain_refusals(trail.records, "SPX", at_ns).holds == ()
    assert explain_refusals(trail.records, "SPX", at_ns - 8_500 * NS_PER_SECOND).holds


def test_stretches_with_the_same_reason_are_one_row(trail):
    at_ns = trail.at_ns
    hold(trail, "no trend", since_s=-60, until_s=-60, ticks=2)
    hold(trail, "too few ticks", since_s=-30, until_s=-30, ticks=3)
    hold(trail, "no trend", since_s=-10, until_s=-10, ticks=5)
    story = explain_refusals(trail.records, "SPX", at_ns)
    assert {one.reason: one.ticks for one in story.holds} == {"no trend": 7, "too few ticks": 3}


def test_a_hold_at_the_moment_comes_before_those_around_it(trail):
    at_ns = trail.at_ns
    hold(trail, "before", since_s=-60, until_s=-30)
    hold(trail, "during", since_s=-20, until_s=20)
    hold(trail, "after", since_s=25, until_s=60, strategy="breakout")
    story = explain_refusals(trail.records, "SPX", at_ns)
    assert [one.reason for one in story.holds] == ["during", "before", "after"]


def test_a_hold_whose_detail_cannot_be_read_is_still_one(trail):
    trail.write("HELD", "h", ["no", "hold"], reason="no trend")
    (held,) = explain_refusals(trail.records, "SPX", trail.at_ns).holds
    assert (held.reason, held.ticks) == ("no trend", 0)


def test_trades_that_were_made_then_are_named(trail):
    order = trail.trade(7)
    story = explain_refusals(trail.records, "SPX", trail.at_ns)
    assert story.refusals == ()
    assert story.said.endswith(f"1 trade was approved, see: alchemiser trade why {order.order_id}")


def test_all_approvals_are_counted_though_only_the_nearest_are_named(trail):
    at_ns = trail.at_ns
    orders = [trail.trade(offset).order_id for offset in range(SHOWN + 20)]
    story = explain_refusals(trail.records, "SPX", at_ns)
    assert (story.approvals, story.approved) == (SHOWN + 20, tuple(orders[:SHOWN]))
    assert f"{SHOWN + 20} trades were approved, the nearest: " in story.said


def test_lines_that_a_crash_repeated_are_one_refusal(trail):
    refuse(trail, 7)
    story = explain_refusals([*trail.records, *trail.records], "SPX", trail.at_ns)
    assert story.by_reason == {"stale_market_data": 1}
    assert len(story.refusals) == 1


def test_a_symbol_that_nobody_looks_at_is_told_from_one_without_ticks(trail):
    trail.write("RUN_STARTED", "run-1", symbol="", strategy_id="")
    at_ns = trail.at_ns
    story = explain_refusals(trail.records, "SPX", at_ns)
    assert "no tick was seen" in story.said
    hold(trail, "no trend", since_s=0, until_s=60, symbol="NDX")
    story = explain_refusals(trail.records, "NDXX", at_ns)
    assert "it tells of NDX. Did you mean NDX?" in story.said
    assert story.holds == ()


def test_without_a_run_nothing_was_seen(trail):
    assert "No run was under way" in explain_refusals([], "SPX", trail.at_ns).said


def test_what_held_at_the_moment_is_told_and_what_came_later_is_not(trail):
    plain = {"symbol": "", "strategy_id": ""}
    trail.write("RUN_STARTED", "run-1", **plain)
    trail.write("STRATEGY_DISABLED", "breakout", symbol="", strategy_id="breakout", reason="hung")
    trail.write("KILL_SWITCH_SET", "k-1", reason="drill", **plain)
    trail.write("KILL_SWITCH_CLEARED", "k-2", reason="over", **plain)
    trail.write(
        "TRADING_STATE", "reduce_only", {"state": "reduce_only"}, reason="breaker open", **plain
    )
    trail.write("TRADING_STATE", "day-1", reason="day_started", **plain)
    at_ns = trail.at_ns
    trail.at_ns += 1
    trail.write("KILL_SWITCH_SET", "k-3", reason="later", **plain)
    story = explain_refusals(trail.records, "SPX", at_ns)
    assert [(one.event, one.reason) for one in story.circumstances] == [
        ("STRATEGY_DISABLED", "hung"),
        ("TRADING_STATE", "breaker open"),
    ]
    assert story.circumstances[1].state == "reduce_only"


def test_only_the_nearest_are_kept_and_all_are_counted(trail):
    at_ns = trail.at_ns
    for offset in range(SHOWN + 20):
        refuse(trail, offset)
    story = explain_refusals(iter(trail.records), "SPX", at_ns)
    assert len(story.refusals) == SHOWN
    assert story.by_reason == {"stale_market_data": SHOWN + 20}
    assert "20 more refusals are not shown" in plain_text(refusals_view(story).blocks)


@given(
    seconds=st.lists(st.integers(-7_200, 7_200), max_size=30, unique=True),
    window_s=st.integers(0, 7_200),
)
def test_every_refusal_in_the_window_is_told_once_and_in_order(new_trail, seconds, window_s):
    trail = new_trail()
    at_ns = trail.at_ns
    for second in seconds:
        trail.at_ns = at_ns + second * NS_PER_SECOND - 1_000_000
        refuse(trail, second + 10_000)
    story = explain_refusals(trail.records, "SPX", at_ns, float(window_s))
    inside = [second for second in seconds if abs(second) <= window_s]
    away = [one.away_s for one in story.refusals]
    assert sorted(away) == sorted(inside)
    assert away == sorted(away, key=lambda one: (abs(one), -one))


@pytest.fixture
def day(trail, stale):
    at_ns = trail.at_ns
    trail.write("RUN_STARTED", "run-1", symbol="", strategy_id="")
    trail.write("STRATEGY_DISABLED", "b", symbol="", strategy_id="breakout", reason="it hung")
    refuse(trail, 7, limits=stale)
    hold(trail, "no \x1b[31mtrend", since_s=-60, until_s=600)
    return explain_refusals(trail.records, "SPX", at_ns + 10_000_000)


def test_refusals_and_holds_as_people_read_them(day, file_regression):
    file_regression.check(plain_text(refusals_view(day).blocks), extension=".txt")


def test_refusals_and_holds_as_a_document(day, file_regression):
    file_regression.check(json_document(refusals_view(day).document), extension=".json")
