"""The folder registry keeps schemas, shares them, and refuses what would break readers."""

import json
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from alchemiser_cli.errors import (
    HomeNotWritableError,
    RegistryUnreachableError,
    SchemaIncompatibleError,
    SchemaNotFoundError,
)
from alchemiser_cli.market.ticks import tick_schema
from alchemiser_cli.settings.sections import RegistrySettings
from alchemiser_cli.streaming import open_registry


def schema(*fields, name="R"):
    return json.dumps({"type": "record", "name": name, "fields": list(fields)})


OLD = schema({"name": "a", "type": "int"})
NEW = schema({"name": "a", "type": "long"}, {"name": "b", "type": "int", "default": 0})
BREAKING = schema({"name": "a", "type": "string"})


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "schemas"


def test_a_registered_schema_is_found_by_its_id_and_subject(registry):
    schema_id = registry.register("s", OLD)
    assert json.loads(registry.schema(schema_id)) == json.loads(OLD)
    assert registry.latest("s") == (schema_id, registry.schema(schema_id))
    assert registry.latest("unknown") is None


def test_one_schema_has_one_id_whatever_its_subject_spacing_or_folder(registry, tmp_path):
    other = open_registry(RegistrySettings(), f"file://{tmp_path / 'other'}")
    ids = {
        registry.register("s", OLD),
        registry.register("t", json.dumps(json.loads(OLD), indent=2)),
        other.register("s", OLD),
    }
    assert len(ids) == 1


def test_schemas_survive_the_process_that_registered_them(registry, folder):
    schema_id = registry.register("s", OLD)
    again = open_registry(RegistrySettings(), f"file:{folder}")
    assert json.loads(again.schema(schema_id)) == json.loads(OLD)


def test_a_compatible_schema_becomes_the_latest_and_the_old_one_stays(registry):
    first = registry.register("s", OLD)
    assert registry.compatible("s", NEW)
    second = registry.register("s", NEW)
    assert registry.latest("s")[0] == second != first
    assert json.loads(registry.schema(first)) == json.loads(OLD)


@pytest.mark.provokes("schema-incompatible")
def test_a_schema_that_breaks_readers_is_refused_with_its_reason(registry):
    registry.register("s", OLD)
    assert not registry.compatible("s", BREAKING)
    with pytest.raises(SchemaIncompatibleError) as raised:
        registry.register("s", BREAKING)
    assert "a: string cannot read int" in raised.value.why


@pytest.mark.provokes("schema-incompatible")
@pytest.mark.parametrize(
    "text", ["", "{", '{"type": "nonsense"}', "[1]", "null", '{"type":"enum"}']
)
def test_text_that_is_no_schema_is_refused(registry, text):
    with pytest.raises(SchemaIncompatibleError, match="not an Avro schema"):
        registry.register("s", text)


@pytest.mark.provokes("schema-not-found")
def test_an_unknown_id_is_not_found(registry):
    with pytest.raises(SchemaNotFoundError, match="12345"):
        registry.schema(12345)


@pytest.mark.provokes("registry-unreachable")
def test_a_damaged_file_is_named(registry, folder):
    registry.register("s", OLD)
    (folder / "subject-s.json").write_text("[torn")
    with pytest.raises(RegistryUnreachableError, match=r"subject-s\.json"):
        registry.latest("s")


@pytest.mark.provokes("home-not-writable")
def test_a_folder_that_cannot_be_made_is_a_coded_error(tmp_path):
    (tmp_path / "file").write_text("")
    registry = open_registry(RegistrySettings(), f"file:{tmp_path / 'file' / 'schemas'}")
    with pytest.raises(HomeNotWritableError):
        registry.register("s", OLD)


def test_a_subject_with_slashes_stays_inside_the_folder(registry, folder):
    registry.register("../../etc/s", OLD)
    assert all(path.parent == folder for path in folder.rglob("*"))
    assert registry.latest("../../etc/s") is not None


def register_there(folder, number):
    subjects = open_registry(RegistrySettings(), f"file:{folder}")
    fields = [{"name": f"f{n}", "type": "int", "default": 0} for n in range(number + 1)]
    return subjects.register("shared", schema(*fields))


def test_processes_that_register_at_once_lose_no_version(folder):
    with ProcessPoolExecutor(4, get_context("spawn")) as pool:
        ids = list(pool.map(register_there, [str(folder)] * 8, range(8)))
    versions = json.loads((folder / "subject-shared.json").read_text())
    assert sorted(versions) == sorted(set(ids))


def test_the_shipped_tick_schema_is_one(registry):
    assert registry.register("market.ticks-value", tick_schema()) > 0


@pytest.mark.provokes("registry-unreachable")
@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000])
def test_a_torn_schema_file_is_named(registry, folder, content):
    schema_id = registry.register("s", OLD)
    (folder / f"schema-{schema_id}.json").write_bytes(content)
    again = open_registry(RegistrySettings(), f"file:{folder}")
    with pytest.raises(RegistryUnreachableError, match=f"schema-{schema_id}.json"):
        again.schema(schema_id)


@pytest.mark.provokes("registry-unreachable")
def test_a_schema_that_was_changed_by_hand_would_misread_and_is_refused(registry, folder):
    schema_id = registry.register("s", OLD)
    (folder / f"schema-{schema_id}.json").write_text(BREAKING)
    again = open_registry(RegistrySettings(), f"file:{folder}")
    with pytest.raises(RegistryUnreachableError, match="cannot be used") as refused:
        again.schema(schema_id)
    assert "changed after it was registered" in refused.value.why


def test_a_schema_that_was_only_laid_out_anew_is_still_itself(registry, folder):
    schema_id = registry.register("s", OLD)
    path = folder / f"schema-{schema_id}.json"
    path.write_text(json.dumps(json.loads(OLD), indent=2))
    again = open_registry(RegistrySettings(), f"file:{folder}")
    assert json.loads(again.schema(schema_id)) == json.loads(OLD)
