"""Errors of every retry safety, and a clock that only moves when told to."""

import pytest

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.errors import (
    BrokerUnreachableError,
    DeliveryFailedError,
    OrderOutcomeUnknownError,
    RateLimitError,
)

WORDS = {"why": "because", "next_step": "mend it"}


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def safe():
    return BrokerUnreachableError("no broker answered", **WORDS)


@pytest.fixture
def if_idempotent():
    return DeliveryFailedError("not acknowledged", **WORDS)


@pytest.fixture
def never():
    return OrderOutcomeUnknownError("no answer to the order", **WORDS)


@pytest.fixture
def rate_limited():
    def make(retry_after_s=None):
        return RateLimitError("slow down", retry_after_s=retry_after_s, **WORDS)

    return make


@pytest.fixture
def scripted():
    """A function that raises the errors of a list in turn, then returns 'done' for ever."""

    def make(*errors):
        left, calls = list(errors), []

        def function(*args, **keywords):
            calls.append((args, keywords))
            if left and (error := left.pop(0)) is not None:
                raise error
            return "done"

        function.calls = calls
        return function

    return make
