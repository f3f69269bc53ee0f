"""The links of messages over real sockets, against real incidents in a real database."""

import http.client
import json
import re
import socket
from contextlib import closing, contextmanager

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from alchemiser_cli.clock import NS_PER_SECOND, ManualClock
from alchemiser_cli.errors import StateUnreachableError
from alchemiser_cli.health.serve import serve_health
from alchemiser_cli.notifications.acknowledging import LIFETIME_S, Acknowledger, token
from alchemiser_cli.notifications.alert import Alert
from alchemiser_cli.notifications.incidents import IncidentStore
from alchemiser_cli.notifications.policies import Policies
from alchemiser_cli.settings import AlertSettings, HealthSettings
from alchemiser_cli.state import StateDatabase

KEY = b"k" * 32
BEARER = "t" * 32


class Desk:
    """A server with links, and the incidents behind them."""

    def __init__(self, database, clock):
        self.clock = clock
        self.captured = []
        self.store = IncidentStore(database, AlertSettings(), clock, Policies.load(None))
        self.acknowledger = Acknowledger(self.store, KEY, clock)

    def incident(self, what="it failed", component="feed:prices", **fields):
        return self.store.take(
            Alert(
                fingerprint=component.encode().hex()[:16],
                kind="error",
                severity="critical",
                code="websocket-lost",
                component=component,
                what=what,
                at_ns=self.clock.now_ns(),
                **fields,
            )
        )

    def token(self, incident, channel="email", *, good_s=LIFETIME_S):
        return token(incident, channel, KEY, self.clock.now_ns() + good_s * NS_PER_SECOND)

    @contextmanager
    def serve(self, *, links=True, **fields):
        with serve_health(
            HealthSettings(**{"port": 0, **fields}),
            lambda: pytest.fail("nobody may look"),
            lambda error: self.captured.append(error) or f"id-{len(self.captured)}",
            CollectorRegistry(),
            production=True,
            acknowledger=self.acknowledger if links else None,
        ) as address:
            yield address


@pytest.fixture
def desk(tmp_path):
    clock = ManualClock()
    database = StateDatabase(f"sqlite:///{tmp_path / 'state.db'}", clock)
    yield Desk(database, clock)
    database.close()


def ask(address, path, method="GET", **headers):
    with closing(http.client.HTTPConnection(address.host, address.port, timeout=10)) as client:
        client.request(method, path, headers=headers)
        answer = client.getresponse()
        return answer.status, answer.read().decode(), answer.headers


def test_to_look_acknowledges_nothing_and_the_button_does(desk):
    incident = desk.incident()
    path = f"/ack/{desk.token(incident)}"
    with desk.serve() as address:
        for method in ("GET", "HEAD", "GET"):  # scanners of mail follow links
            status, _, headers = ask(address, path, method)
            assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        _, page, _ = ask(address, path)
        assert desk.store.find(incident).acknowledged_ns is None
        assert '<form method="post">' in page
        assert "[CRITICAL] websocket-lost" in page
        status, page, _ = ask(address, path, "POST")
    found = desk.store.find(incident)
    assert status == 200
    assert "Acknowledged by link:email" in page
    assert (found.acknowledged_by, found.acknowledged_ns) == ("link:email", desk.clock.now_ns())
    assert desk.captured == []


def test_a_second_click_changes_nothing(desk):
    incident = desk.incident()
    with desk.serve() as address:
        for channel in ("email", "sms"):
            status, page, _ = ask(address, f"/ack/{desk.token(incident, channel)}", "POST")
            assert status == 200
            assert "Acknowledged by link:email" in page
            desk.clock.advance(5)
        _, page, _ = ask(address, f"/ack/{desk.token(incident)}")
    assert "<form" not in page
    assert desk.store.find(incident).acknowledged_by == "link:email"


def test_a_link_is_for_one_incident(desk):
    one, other = desk.incident(), desk.incident(component="consumer")
    with desk.serve() as address:
        ask(address, f"/ack/{desk.token(one)}", "POST")
    assert desk.store.find(one).acknowledged_by is not None
    assert desk.store.find(other).acknowledged_by is None


def test_the_link_stands_in_for_the_bearer_token_on_its_path_alone(desk):
    path = f"/ack/{desk.token(desk.incident())}"
    with desk.serve(token=SecretStr(BEARER)) as address:
        assert ask(address, path)[0] == 200
        assert ask(address, "/readyz", Authorization=f"Bearer {path[5:]}")[0] == 401
        for wrong in ("/ack", f"/readyz/..{path}", f"/ACK/{path[5:]}"):
            assert ask(address, wrong)[0] == 401
        # The bearer token is no link.
        assert ask(address, f"/ack/{BEARER}", Authorization=f"Bearer {BEARER}")[0] == 404


def test_without_a_lasting_key_there_are_no_links(desk):
    incident = desk.incident()
    with desk.serve(links=False, token=SecretStr(BEARER)) as address:
        for method in ("GET", "POST"):
            status, body, _ = ask(address, f"/ack/{desk.token(incident)}", method)
            assert (status, json.loads(body)["error"]["status"]) == (404, 404)
    assert desk.store.find(incident).acknowledged_by is None


def test_a_link_ends_after_a_week(desk):
    incident = desk.incident()
    path = f"/ack/{desk.token(incident)}"
    desk.clock.advance(LIFETIME_S)
    with desk.serve() as address:
        for method in ("GET", "POST"):
            status, page, _ = ask(address, path, method)
            assert status == 410
            assert "expired" in page
            assert incident not in page
    assert desk.store.find(incident).acknowledged_by is None


def test_an_incident_that_is_not_kept_is_no_more_than_a_wrong_link(desk):
    with desk.serve() as address:
        _, wrong, _ = ask(address, "/ack/wrong", "POST")
        status, page, _ = ask(address, f"/ack/{desk.token('f' * 32)}", "POST")
    assert (status, page) == (404, wrong)


def test_no_answer_can_be_framed_kept_indexed_or_tell_where_it_came_from(desk):
    good = f"/ack/{desk.token(desk.incident())}"
    with desk.serve() as address:
        for path in (good, "/ack/wrong"):
            _, _, headers = ask(address, path)
            policy = headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert headers["X-Frame-Options"] == "DENY"
            assert headers["Referrer-Policy"] == "no-referrer"
            assert headers["Cache-Control"] == "no-store"
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert "noindex" in headers["X-Robots-Tag"]


def test_foreign_text_of_an_incident_is_text(desk):
    incident = desk.incident(component='<script>alert("1")</script>&')
    with desk.serve() as address:
        _, page, _ = ask(address, f"/ack/{desk.token(incident)}?<b>=<i>", Referer="<u>")
    assert "&lt;script&gt;" in page
    for foreign in ("<script", "<b>", "<i>", "<u>"):
        assert foreign not in page


def test_an_incident_that_is_over_has_no_button(desk):
    class Over:
        def find(self, prefix):
            return msgspec.structs.replace(desk.store.find(prefix), state="resolved")

    incident = desk.incident()
    desk.acknowledger = Acknowledger(Over(), KEY, desk.clock)
    with desk.serve() as address:
        status, page, _ = ask(address, f"/ack/{desk.token(incident)}")
    assert status == 200
    assert "It is over" in page
    assert "<form" not in page


@pytest.mark.parametrize("failure", [StateUnreachableError, RuntimeError, KeyError])
def test_what_fails_is_captured_and_says_that_nothing_was_acknowledged(desk, failure):
    class Broken:
        def acknowledge(self, prefix, by):
            if failure is StateUnreachableError:
                raise failure("secret plans", why="It is so.", next_step="Wait.")
            raise failure("secret plans")

    incident = desk.incident()
    desk.acknowledger = Acknowledger(Broken(), KEY, desk.clock)
    with desk.serve() as address:
        status, page, _ = ask(address, f"/ack/{desk.token(incident)}", "POST")
    assert status == (503 if failure is StateUnreachableError else 500)
    assert "Nothing was acknowledged" in page
    assert "errors show id-1" in page
    assert "secret plans" not in page
    assert [type(one) for one in desk.captured] == [failure]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "BREW"])
def test_other_methods_acknowledge_nothing(desk, method):
    incident = desk.incident()
    with desk.serve() as address:
        assert ask(address, f"/ack/{desk.token(incident)}", method)[0] == 405
    assert desk.store.find(incident).acknowledged_by is None


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/nothing", "/"])
def test_nothing_else_can_be_posted_to(desk, path):
    with desk.serve() as address:
        status, _, headers = ask(address, path, "POST")
    assert (status, headers["Allow"]) == (405, "GET, HEAD")


def test_the_body_of_a_click_is_not_read(desk):
    """Browsers send an empty one; a large or an endless one spoils nothing."""
    incident = desk.incident()
    with (
        desk.serve() as address,
        socket.create_connection((address.host, address.port), timeout=10) as client,
    ):
        head = f"POST /ack/{desk.token(incident)} HTTP/1.1\r\nHost: a\r\n"
        client.sendall(f"{head}Content-Length: 99999999\r\n\r\n".encode() + b"x" * 30_000)
        assert client.recv(65_536).startswith(b"HTTP/1.1 200 ")
    assert desk.store.find(incident).acknowledged_by == "link:email"


@pytest.fixture
def open_desk(desk):
    with desk.serve(token=SecretStr(BEARER)) as address:
        yield desk, desk.incident(), address


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=120).map(lambda raw: re.sub(rb"[\s?]", b"", raw)),
    st.sampled_from([b"GET", b"POST", b"HEAD"]),
)
def test_made_up_links_are_refused_and_repeated_nowhere(open_desk, made_up, method):
    desk, incident, address = open_desk
    with socket.create_connection((address.host, address.port), timeout=10) as client:
        client.sendall(method + b" /ack/marked" + made_up + b" HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = b"".join(iter(lambda: client.recv(65_536), b""))
    assert re.match(rb"HTTP/1\.1 4(00|04) ", answer)
    assert b"marked" not in answer
    assert desk.captured == []
    assert desk.store.find(incident).acknowledged_by is None
