"""The context of a failure: inner wins, facts add up, and nobody sees another's."""

import asyncio
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alchemiser_cli.errors.base import AlchemiserError
from alchemiser_cli.errors.context import (
    ErrorContext,
    context_of,
    current_context,
    inherit_context,
    operation,
)
from alchemiser_cli.errors.trading import ValidationError

NOWHERE = ErrorContext()
known = st.fixed_dictionaries(
    {},
    optional={
        "component": st.text(),
        "function": st.text(),
        "run_id": st.text(),
        "order_id": st.text(),
        "symbol": st.text(),
        "topic": st.text(),
        "partition": st.integers(),
        "offset": st.integers(),
    },
)
further = st.dictionaries(
    st.sampled_from(["tries", "venue", "name", "self_test", "operation", "data", "kind"]),
    st.integers(),
)
levels = st.lists(st.tuples(st.text(), known, further), min_size=1, max_size=5)


def _fail_inside(nested, error):
    if not nested:
        raise error
    (name, fields, data), *inner = nested
    with operation(name, **fields, **data):
        _fail_inside(inner, error)


@given(levels)
def test_inner_operations_win_and_further_facts_add_up(nested):
    error = ValueError("it broke")
    with pytest.raises(ValueError, match="it broke"):
        _fail_inside(nested, error)

    fields, data = {}, {}
    for _, known_here, data_here in nested:
        fields |= known_here
        data |= data_here
    assert context_of(error) == ErrorContext(operation=nested[-1][0], data=data, **fields)
    assert current_context() == NOWHERE


@given(levels, st.integers(0, 4))
def test_an_error_that_is_handled_halfway_leaves_the_outer_context_in_force(nested, depth):
    def descend(rest, level):
        if not rest:
            raise ValueError
        (name, fields, data), *inner = rest
        with operation(name, **fields, **data):
            before = current_context()
            try:
                descend(inner, level + 1)
            except ValueError:
                assert current_context() == before
                if level != min(depth, len(nested) - 1):
                    raise

    try:
        descend(nested, 0)
    except ValueError:
        pytest.fail("it was handled inside")
    assert current_context() == NOWHERE


def test_a_new_error_from_an_old_one_has_the_context_where_it_arose():
    def read():
        with operation("inner", tries=1):
            raise ValueError

    def place():
        try:
            read()
        except ValueError as cause:
            raise KeyError from cause

    with pytest.raises(KeyError) as caught, operation("outer", symbol="SPY"):
        place()
    assert context_of(caught.value).operation == "outer"
    assert context_of(caught.value.__cause__).operation == "inner"
    assert context_of(caught.value.__cause__).symbol == "SPY"


def test_an_error_that_never_was_in_an_operation_has_the_current_context():
    with operation("look", component="health"):
        assert context_of(ValueError()) == ErrorContext(operation="look", component="health")
    assert context_of(ValueError()) == NOWHERE


@pytest.mark.parametrize("name", ["operation", "data", "name"])
def test_a_fact_may_have_any_name(name):
    with operation("look", **{name: 1}):
        assert current_context() == ErrorContext(operation="look", data={name: 1})


class Sealed(Exception):  # noqa: N818  only here
    """Takes no attributes and computes those that it has, badly."""

    def __getattr__(self, name):
        raise RuntimeError(name)

    def __setattr__(self, name, value):
        raise RuntimeError(name)


def test_an_error_that_takes_no_attributes_passes_unharmed():
    with pytest.raises(Sealed) as caught, operation("outer"), operation("inner"):
        raise Sealed
    assert context_of(caught.value) == NOWHERE


def test_an_error_that_stands_for_another_keeps_its_context():
    cause, error = ValueError("old"), KeyError()
    with pytest.raises(ValueError, match="old"), operation("inner"):
        raise cause
    inherit_context(error, cause)
    assert context_of(error).operation == "inner"


def test_threads_do_not_see_one_another():
    together = threading.Barrier(8)

    def work(number):
        assert current_context() == NOWHERE
        with operation(f"work {number}", tries=number):
            together.wait(10)
            seen = current_context()
            together.wait(10)
        return seen, current_context()

    with operation("make threads"), ThreadPoolExecutor(8) as pool:
        found = list(pool.map(work, range(8)))
    assert [seen for seen, _ in found] == [
        ErrorContext(operation=f"work {number}", data={"tries": number}) for number in range(8)
    ]
    assert {after.operation for _, after in found} == {""}


async def test_tasks_do_not_see_one_another_and_begin_where_they_were_made():
    turns = asyncio.Barrier(8)

    async def work(number):
        with operation(f"work {number}"):
            await turns.wait()
            seen = current_context()
            await turns.wait()
        return seen, current_context()

    with operation("make tasks", run_id="r1"):
        tasks = [asyncio.create_task(work(number)) for number in range(8)]
    assert current_context() == NOWHERE
    for number, (seen, after) in enumerate(await asyncio.gather(*tasks)):
        assert seen == ErrorContext(operation=f"work {number}", run_id="r1")
        assert after == ErrorContext(operation="make tasks", run_id="r1")


async def test_an_error_of_a_task_keeps_its_context_on_the_way_to_the_waiter():
    async def work():
        with operation("work", component="feed"):
            await asyncio.sleep(0)
            raise ValidationError("bad", why="w", next_step="n")

    with operation("wait", component="consumer"):
        (error,) = await asyncio.gather(work(), return_exceptions=True)
    assert isinstance(error, AlchemiserError)
    assert context_of(error).component == "feed"


@given(st.lists(st.integers(0, 3), max_size=30))
def test_generators_that_take_turns_leave_nothing_behind(order):
    """However they interleave, no ended operation is seen afterwards."""

    def stream(number):
        with operation(f"stream {number}"):
            yield
            yield

    with operation("consume"):
        streams = {number: stream(number) for number in range(4)}
        for number in order:
            next(streams[number], None)
        for one in streams.values():
            one.close()
        assert current_context() == ErrorContext(operation="consume")
    assert current_context() == NOWHERE


async def test_an_asynchronous_generator_may_be_closed_by_another_task():
    async def stream():
        with operation("stream"):
            yield 1
            yield 2

    source = stream()

    async def begin():
        assert await anext(source) == 1

    async def end():
        with operation("end"):
            await source.aclose()
            assert current_context().operation == "end"

    await asyncio.create_task(begin())
    await asyncio.create_task(end())
    assert current_context() == NOWHERE


def test_a_copied_context_runs_on_its_own():
    with operation("outer"):
        elsewhere = contextvars.copy_context()
    assert current_context() == NOWHERE
    assert elsewhere.run(lambda: current_context().operation) == "outer"


def test_a_thousand_operations_deep_is_no_deeper_than_one():
    nested = [operation(f"level {number}", tries=number) for number in range(2000)]
    for one in nested:
        one.__enter__()
    assert current_context() == ErrorContext(operation="level 1999", data={"tries": 1999})
    for one in reversed(nested):
        one.__exit__(None, None, None)
    assert current_context() == NOWHERE
