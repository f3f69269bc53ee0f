"""The HTTP registry, against a local server that speaks Confluent's interface."""

import base64
import json
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pydantic import SecretStr

from alchemiser_cli.errors import (
    RegistryUnreachableError,
    SchemaIncompatibleError,
    SchemaNotFoundError,
)
from alchemiser_cli.market.ticks import tick_schema
from alchemiser_cli.settings.sections import RegistrySettings
from alchemiser_cli.streaming import TickDecoder, TickEncoder, open_registry

SCHEMA = '{"type": "record", "name": "R", "fields": []}'
INCOMPATIBLE = '{"type": "record", "name": "Other", "fields": []}'


class Registry(BaseHTTPRequestHandler):
    """Keeps schemas on its server object; refuses the schema named Other."""

    def do_GET(self):
        self.server.seen.append((self.path, self.headers.get("Authorization")))
        parts = self.path.split("?")[0].strip("/").split("/")
        if self.server.broken or self.flaps():
            self.answer(self.server.broken or 503, {"error_code": 50001, "message": "broken"})
        elif parts[:2] == ["schemas", "ids"] and int(parts[2]) in self.server.schemas:
            self.answer(200, {"schema": self.server.schemas[int(parts[2])]})
        elif parts[0] == "subjects" and parts[1] in self.server.latest:
            schema_id = self.server.latest[parts[1]]
            text = self.server.schemas[schema_id]
            self.answer(200, {"subject": parts[1], "version": 1, "id": schema_id, "schema": text})
        else:
            self.answer(404, {"error_code": 40401, "message": "not found"})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.seen.append((self.path, self.headers.get("Authorization")))
        parts = self.path.split("?")[0].strip("/").split("/")
        good = body["schema"] != INCOMPATIBLE
        if self.server.broken or self.flaps():
            self.answer(self.server.broken or 503, {"error_code": 50001, "message": "broken"})
        elif parts[0] == "compatibility":
            known = parts[2] in self.server.latest
            status, answer = (
                (200, {"is_compatible": good}) if known else (404, {"error_code": 40401})
            )
            self.answer(status, answer)
        elif not good:
            self.answer(409, {"error_code": 409, "message": "incompatible with an earlier schema"})
        else:
            schema_id = len(self.server.schemas) + 1
            self.server.schemas[schema_id] = body["schema"]
            self.server.latest[parts[1]] = schema_id
            self.answer(200, {"id": schema_id})

    def flaps(self):
        self.server.flaps -= self.server.flaps > 0
        return self.server.flaps > 0

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        """Keep quiet."""


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Registry) as running:
        running.daemon_threads = True
        running.schemas, running.latest, running.seen, running.broken = {}, {}, [], 0
        running.flaps = 0
        running.url = f"http://127.0.0.1:{running.server_port}"
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def registry(server):
    with closing(open_registry(RegistrySettings(timeout_s=1), server.url)) as opened:
        yield opened


def test_register_look_up_latest_and_compare(registry):
    schema_id = registry.register("s", SCHEMA)
    assert registry.schema(schema_id) == SCHEMA
    assert registry.latest("s") == (schema_id, SCHEMA)
    assert registry.latest("unknown") is None
    assert registry.compatible("s", SCHEMA)
    assert not registry.compatible("s", INCOMPATIBLE)
    assert registry.compatible("unknown", INCOMPATIBLE)


def test_latest_sees_what_another_process_registered(registry, server):
    registry.register("s", SCHEMA)
    registry.latest("s")
    server.schemas[9], server.latest["s"] = INCOMPATIBLE, 9
    assert registry.latest("s") == (9, INCOMPATIBLE)


def test_a_schema_is_asked_for_once(registry, server):
    server.schemas[7] = SCHEMA
    assert {registry.schema(7) for _ in range(5)} == {SCHEMA}
    assert len(server.seen) == 1


def test_a_tick_goes_through_it_and_back(registry, make_tick):
    encoder = TickEncoder(registry, "market.ticks-value")
    assert json.loads(registry.schema(encoder.schema_id)) == json.loads(tick_schema())
    assert TickDecoder(registry).decode(encoder.encode(make_tick())) == make_tick()


@pytest.mark.parametrize("inside_url", [True, False])
def test_user_and_password_are_sent_and_never_shown(server, inside_url):
    settings = RegistrySettings(timeout_s=1)
    url = server.url.replace("http://", "http://ann:p%40ss@")
    if not inside_url:
        settings = RegistrySettings(timeout_s=1, username="ann", password=SecretStr("p@ss"))
        url = server.url
    with closing(open_registry(settings, url)) as registry:
        registry.register("s", SCHEMA)
        server.broken = 500
        with pytest.raises(RegistryUnreachableError) as raised:
            registry.schema(3)
    expected = "Basic " + base64.b64encode(b"ann:p@ss").decode()
    assert server.seen[0][1] == expected
    assert "ss@" not in f"{raised.value.why} {raised.value.context}"


@pytest.mark.provokes("schema-not-found")
def test_404_is_schema_not_found(registry):
    with pytest.raises(SchemaNotFoundError, match="schema 3"):
        registry.schema(3)


@pytest.mark.provokes("schema-incompatible")
def test_409_is_schema_incompatible(registry):
    with pytest.raises(SchemaIncompatibleError) as raised:
        registry.register("s", INCOMPATIBLE)
    assert "incompatible with an earlier schema" in raised.value.why


@pytest.mark.provokes("registry-unreachable")
@pytest.mark.parametrize("status", [401, 500, 503])
def test_other_refusals_are_registry_unreachable(registry, server, status):
    server.broken = status
    with pytest.raises(RegistryUnreachableError) as raised:
        registry.register("s", SCHEMA)
    assert raised.value.context["status"] == status


@pytest.mark.provokes("registry-unreachable")
def test_a_registry_that_does_not_listen_is_unreachable(closed_port):
    url = f"http://127.0.0.1:{closed_port}"
    with (
        closing(open_registry(RegistrySettings(timeout_s=0.5), url)) as registry,
        pytest.raises(RegistryUnreachableError),
    ):
        registry.latest("s")


@pytest.mark.provokes("registry-unreachable")
def test_an_outage_while_decoding_is_not_blamed_on_the_message(registry, server):
    server.broken = 503
    with pytest.raises(RegistryUnreachableError):
        TickDecoder(registry).decode(b"\x00\x00\x00\x00\x07rest")


def test_a_registry_that_flaps_does_not_fail_a_start(registry, server, make_tick):
    server.flaps = 3
    encoder = TickEncoder(registry, "market.ticks-value")
    server.flaps = 3
    assert TickDecoder(registry).decode(encoder.encode(make_tick())) == make_tick()
    assert len(server.seen) == 6


@pytest.mark.provokes("registry-unreachable")
def test_a_registry_that_does_not_know_us_is_asked_once(registry, server):
    server.broken = 401
    with pytest.raises(RegistryUnreachableError):
        registry.register("s", SCHEMA)
    assert len(server.seen) == 1
