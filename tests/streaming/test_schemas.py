"""Schemas are asked for once, unknown ids rarely, and an outage is never taken for garbage."""

import json

import pytest

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.errors import (
    MessageUndecodableError,
    RegistryUnreachableError,
    SchemaNotFoundError,
)
from alchemiser_cli.market.ticks import tick_schema
from alchemiser_cli.streaming.schemas import SchemaCache


class CountingRegistry:
    """A registry of texts by id that counts questions, and can be down."""

    def __init__(self, texts=()):
        self.texts = dict(texts)
        self.asked = []
        self.down = False

    def schema(self, schema_id):
        self.asked.append(schema_id)
        if self.down:
            raise RegistryUnreachableError("no answer", why="It is down.", next_step="Wait.")
        if schema_id not in self.texts:
            raise SchemaNotFoundError("no such schema", why="Unknown.", next_step="Look.")
        return self.texts[schema_id]


@pytest.fixture
def manual():
    return ManualClock()


@pytest.fixture
def counting():
    return CountingRegistry({7: tick_schema()})


@pytest.fixture
def cache(counting, manual):
    return SchemaCache(counting, manual, unknown_limit=3, ask_again_s=30)


def reason(cache, schema_id):
    with pytest.raises(MessageUndecodableError) as raised:
        cache.writer(schema_id)
    return raised.value.context["reason"]


def test_a_known_schema_is_asked_for_once(cache, counting):
    assert cache.writer(7) is cache.writer(7)
    assert counting.asked == [7]


def test_our_own_schema_needs_no_resolution(cache):
    assert cache.writer(7).reader is None


def test_an_evolved_schema_is_resolved_to_ours(cache, counting):
    evolved = json.loads(tick_schema())
    evolved["fields"].append({"name": "note", "type": "string", "default": ""})
    counting.texts[8] = json.dumps(evolved)
    assert cache.writer(8).reader is not None


@pytest.mark.provokes("message-undecodable", "schema-not-found")
def test_an_unknown_id_is_asked_for_again_after_half_a_minute(cache, counting, manual):
    assert [reason(cache, 1) for _ in range(5)] == ["unknown-schema"] * 5
    assert counting.asked == [1]
    counting.texts[1] = tick_schema()
    manual.advance(29)
    assert reason(cache, 1) == "unknown-schema"
    manual.advance(1)
    assert cache.writer(1).schema_id == 1


def test_a_flood_of_unknown_ids_is_bounded_in_questions_and_memory(cache, counting, manual):
    assert {reason(cache, schema_id) for schema_id in range(100, 1_100)} == {"unknown-schema"}
    assert counting.asked == [100, 101, 102]
    assert len(cache._unknown) == 3
    manual.advance(30)
    assert reason(cache, 500) == "unknown-schema"
    assert counting.asked == [100, 101, 102, 500]
    assert len(cache._unknown) == 1


def test_known_schemas_are_found_during_a_flood(cache):
    cache.writer(7)
    for schema_id in range(100, 200):
        reason(cache, schema_id)
    assert cache.writer(7).schema_id == 7


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        '{"type": "record"}',
        '"Unheard"',
        '{"type": "record", "name": "A", "fields": [{"name": "b", "type": "Unheard"}]}',
        "[" * 100_000,
    ],
    ids=["text", "no-name", "unknown-name", "unknown-part", "deep"],
)
def test_text_that_is_no_schema_is_refused_and_remembered(cache, counting, text):
    counting.texts[9] = text
    assert [reason(cache, 9), reason(cache, 9)] == ["wrong-schema"] * 2
    assert counting.asked == [9]


@pytest.mark.provokes("registry-unreachable")
def test_an_outage_is_passed_on_and_not_remembered(cache, counting):
    counting.down = True
    for _ in range(2):
        with pytest.raises(RegistryUnreachableError):
            cache.writer(7)
    counting.down = False
    assert cache.writer(7).schema_id == 7
    assert counting.asked == [7, 7, 7]
