"""No record that holds NaN or an infinite number is published, or handed on."""

from math import inf, isfinite, nan

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alchemiser_cli.errors import RecordNotFiniteError
from alchemiser_cli.shm import Segment
from alchemiser_cli.shm.finite import bad_field_of


class Leg(msgspec.Struct, frozen=True):
    strike: float
    greeks: dict[str, float] = {}


class Order(msgspec.Struct, frozen=True):
    symbol: str
    price: float = 1.0
    limit: float | None = None
    sizes: tuple[float, ...] = ()
    legs: list[Leg] = []
    parent: "Order | None" = None
    tags: tuple[str, ...] = ()


ORDERS = {
    "price": Order("a", price=nan),
    "limit": Order("a", limit=-inf),
    "sizes": Order("a", sizes=(1.0, inf)),
    "legs": Order("a", legs=[Leg(1.0), Leg(2.0, {"delta": nan})]),
    "parent": Order("a", parent=Order("b", parent=Order("c", price=inf))),
}


@pytest.mark.provokes("record-not-finite")
@pytest.mark.parametrize("field", ORDERS)
def test_a_record_that_is_not_finite_is_not_published(shm, clock, field):
    orders = Segment(shm, "orders", Order, clock)
    with orders.writer() as writer, orders.reader() as reader:
        writer.publish(Order("good"))
        with pytest.raises(ValueError, match="not finite") as caught:
            writer.publish(ORDERS[field])
        assert isinstance(caught.value, RecordNotFiniteError)
        assert caught.value.context == {"field": field}
        assert reader.poll() == Order("good")
        assert writer.publish(Order("next")) == 2


@pytest.mark.provokes("record-not-finite")
def test_a_reader_refuses_what_a_careless_writer_published(shm, clock):
    orders = Segment(shm, "orders", Order, clock)
    with orders.writer() as writer, orders.reader() as reader:
        writer.publish(Order("good"))
        reader.poll()
        writer._bad_field = lambda record: None
        writer.publish(Order("bad", price=nan))
        assert reader.poll() is None
        assert reader.value == Order("good")
        found = reader.freshness()
        assert (found.state, found.refusal) == ("stale", "record-not-finite")


numbers = st.floats()
legs = st.builds(Leg, numbers, st.dictionaries(st.text(max_size=2), numbers, max_size=3))


@given(numbers, st.none() | numbers, st.lists(numbers, max_size=3), st.lists(legs, max_size=3))
def test_a_record_is_bad_if_and_only_if_a_number_in_it_is(price, limit, sizes, legs):
    order = Order("a", price, limit, tuple(sizes), legs)
    inside = [price, *sizes, *([] if limit is None else [limit])]
    for leg in legs:
        inside += [leg.strike, *leg.greeks.values()]
    assert (bad_field_of(Order)(order) is None) == all(isfinite(one) for one in inside)
