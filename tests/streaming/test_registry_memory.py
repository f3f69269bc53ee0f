"""The registry in this process behaves as the folder does, and is shared by its name."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from alchemiser_cli.errors import SchemaIncompatibleError, SchemaNotFoundError
from alchemiser_cli.market.ticks import tick_schema
from alchemiser_cli.settings.sections import RegistrySettings
from alchemiser_cli.streaming import TickDecoder, TickEncoder, open_registry
from alchemiser_cli.streaming.registry_memory import MemoryRegistry

OLD = '{"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}]}'
BREAKING = '{"type": "record", "name": "R", "fields": [{"name": "a", "type": "string"}]}'


@pytest.fixture
def memory():
    return MemoryRegistry()


def test_a_registered_schema_is_found_by_its_id_and_subject(memory):
    schema_id = memory.register("s", OLD)
    assert json.loads(memory.schema(schema_id)) == json.loads(OLD)
    assert memory.latest("s") == (schema_id, memory.schema(schema_id))
    assert memory.latest("unknown") is None
    assert memory.compatible("unknown", BREAKING)


def test_a_schema_has_the_id_that_a_folder_gives_it(memory, registry):
    assert memory.register("s", tick_schema()) == registry.register("s", tick_schema())


@pytest.mark.provokes("schema-incompatible")
def test_a_schema_that_breaks_readers_is_refused(memory):
    first = memory.register("s", OLD)
    assert not memory.compatible("s", BREAKING)
    with pytest.raises(SchemaIncompatibleError):
        memory.register("s", BREAKING)
    with pytest.raises(SchemaIncompatibleError, match="not an Avro schema"):
        memory.register("s", "{")
    assert memory.latest("s")[0] == first


@pytest.mark.provokes("schema-not-found")
def test_an_unknown_id_is_not_found(memory):
    with pytest.raises(SchemaNotFoundError, match="12345"):
        memory.schema(12345)


def test_one_url_is_one_registry_in_this_process(make_tick):
    one, again, other = (
        open_registry(RegistrySettings(), url)
        for url in ("memory:test-one", "memory:test-one", "memory:test-other")
    )
    data = TickEncoder(one, "s").encode(make_tick())
    assert TickDecoder(again).decode(data) == make_tick()
    assert other.latest("s") is None
    assert open_registry(RegistrySettings(), "memory:") is open_registry(
        RegistrySettings(), "memory:"
    )


def test_threads_that_register_at_once_agree(memory):
    with ThreadPoolExecutor(8) as threads:
        ids = set(threads.map(lambda number: memory.register(f"s{number % 2}", OLD), range(64)))
    assert len(ids) == 1
