"""An order's story, read out of audit records."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alchemiser_cli.errors import OrderNotFoundError
from alchemiser_cli.render.output import json_document, plain_text
from alchemiser_cli.render.why import order_view
from alchemiser_cli.trading.why import explain_order, merged


def test_a_filled_order_has_its_whole_story(trail, limits):
    trail.trade(7)
    order = trail.trade(8)
    story = explain_order(trail.records, order.order_id)
    assert story.state == "filled"
    assert str(story.signal.origin) == "market.ticks/2/8"
    assert story.signal.features == {"return_5": 0.0123, "volatility_20": 0.11}
    assert story.signal.model.name == "momentum-sp500"
    assert story.decision.limits == limits
    assert story.order == order
    assert (story.filled, story.average_price) == (3, 2_802.0)
    assert story.commission == pytest.approx(0.02)
    assert story.position == 6
    assert [one.event for one in story.timeline] == [
        "SIGNAL",
        "TRADE_APPROVED",
        "ORDER_SUBMITTED",
        "EXECUTED",
        "EXECUTED",
        "ORDER_CLOSED",
    ]
    assert [one.after_s for one in story.timeline] == [0.0, 0.001, 0.002, 0.003, 0.004, 0.005]


def test_a_signal_s_id_a_decision_s_and_the_beginning_of_one_tell_the_same(trail):
    order = trail.trade(7)
    trail.trade(8)
    story = explain_order(trail.records, order.order_id)
    for identity in (order.signal_id, order.decision_id, order.order_id[:12], order.signal_id[:9]):
        assert explain_order(trail.records, identity) == story


def test_a_refused_signal_has_a_story_without_an_order(trail, stale):
    signal = trail.signal(7)
    trail.decision(signal, quantity=0, reason="stale_market_data", limits=stale)
    story = explain_order(trail.records, signal.signal_id)
    assert (story.state, story.order, story.position) == ("refused", None, None)
    assert story.decision.limits[-1].value == 90.0


def test_an_order_that_its_broker_rejected_says_why(trail):
    order = trail.order(trail.decision(trail.signal(7)))
    trail.closed(order, "rejected", filled=0, reason="the market is closed")
    story = explain_order(trail.records, order.order_id)
    assert (story.state, story.updates[0].reason) == ("rejected", "the market is closed")


@pytest.mark.parametrize(
    ("steps", "state"),
    [(1, "undecided"), (2, "approved"), (3, "submitted"), (4, "partially_filled")],
)
def test_a_trail_that_ends_early_tells_how_far_it_came(trail, steps, state):
    order = trail.trade(7)
    assert explain_order(trail.records[:steps], order.signal_id).state == state


def test_lines_that_a_crash_repeated_count_once(trail):
    order = trail.trade(7)
    again = [msgspec.structs.replace(one, at_ns=one.at_ns + 1) for one in trail.records]
    story = explain_order([*trail.records, *again], order.order_id)
    assert (story.filled, story.position, len(story.timeline)) == (3, 3, 6)


def test_the_trails_of_several_services_are_one_story(trail):
    order = trail.trade(7)
    of_services = [trail.records[:1], trail.records[1:2], trail.records[2:]]
    expected = explain_order(trail.records, order.order_id)
    assert explain_order(merged(of_services), order.order_id) == expected
    assert explain_order(merged(reversed(of_services)), order.order_id) == expected


def test_without_the_strategy_s_trail_the_decision_still_has_the_signal(trail):
    order = trail.trade(7)
    story = explain_order(trail.records[1:], order.order_id)
    assert story.signal.origin == order.origin
    assert story.signal.features == {}


def test_a_settlement_counts_to_the_position_and_to_no_order(trail):
    order = trail.trade(7)
    trail.write("EXECUTED", "settled-1", {"kind": "settlement", "order_id": ""}, quantity=-3)
    later = trail.trade(9)
    assert explain_order(trail.records, order.order_id).position == 3
    assert explain_order(trail.records, later.order_id).position == 3


def test_a_detail_that_cannot_be_read_leaves_the_rest(trail):
    order = trail.trade(7)
    records = [
        msgspec.structs.replace(one, detail=msgspec.Raw(b'{"half":'))
        if one.event == "SIGNAL"
        else one
        for one in trail.records
    ]
    story = explain_order(records, order.order_id)
    assert story.signal == msgspec.structs.replace(story.decision.signal)
    assert len(story.timeline) == 6


@pytest.mark.provokes("order-not-found")
def test_an_unknown_order_names_the_nearest(trail):
    order = trail.trade(7)
    wrong = order.order_id[:-2] + "zz"
    with pytest.raises(OrderNotFoundError) as caught:
        explain_order(trail.records, wrong)
    assert caught.value.next_step == (
        f"The nearest are {order.order_id}: alchemiser trade why {order.order_id}"
    )
    assert caught.value.context["orders"] == 1


@pytest.mark.provokes("order-not-found")
def test_the_beginning_of_several_orders_is_not_enough(trail):
    orders = [trail.trade(offset).order_id for offset in range(40)]
    beginning = next(
        one[:3] for one in orders if sum(other.startswith(one[:3]) for other in orders) > 1
    )
    with pytest.raises(OrderNotFoundError) as caught:
        explain_order(trail.records, beginning)
    assert "Write more digits" in caught.value.next_step
    assert set(caught.value.context["near"]) == {one for one in orders if one.startswith(beginning)}


@pytest.mark.parametrize("identity", ["", "  ", "o-", "d-"])
def test_an_empty_id_is_no_order(trail, identity):
    trail.trade(7)
    with pytest.raises(OrderNotFoundError):
        explain_order(trail.records, identity)


def test_an_empty_trail_knows_no_order():
    with pytest.raises(OrderNotFoundError) as caught:
        explain_order([], "o-abc")
    assert caught.value.next_step == "See what is on record: alchemiser audit show"


@given(
    offsets=st.lists(st.integers(0, 200), min_size=1, max_size=8, unique=True), at=st.integers(0, 7)
)
def test_the_position_is_the_sum_of_what_was_executed_until_then(new_trail, offsets, at):
    trail = new_trail()
    orders = [trail.trade(offset) for offset in offsets]
    index = at % len(orders)
    story = explain_order(iter(trail.records), orders[index].order_id)
    assert story.position == 3 * (index + 1)


def test_the_story_as_people_read_it(trail, file_regression):
    trail.trade(7)
    order = trail.trade(8)
    view = order_view(explain_order(trail.records, order.order_id))
    file_regression.check(plain_text(view.blocks), extension=".txt")


def test_the_story_as_a_document(trail, file_regression):
    order = trail.trade(8)
    view = order_view(explain_order(trail.records, order.order_id))
    file_regression.check(json_document(view.document), extension=".json")


def test_a_refusal_as_people_read_it(trail, stale, file_regression):
    signal = trail.signal(7, reason="trend\x1b[31m is up")
    trail.decision(signal, quantity=0, reason="stale_market_data", limits=stale)
    view = order_view(explain_order(trail.records, signal.signal_id))
    file_regression.check(plain_text(view.blocks), extension=".txt")
