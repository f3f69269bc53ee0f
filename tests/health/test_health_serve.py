"""The health server over real sockets: its three pages, and clients that mean no good."""

import http.client
import json
import os
import re
import socket
import threading
import time
from contextlib import ExitStack, closing, contextmanager

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from alchemiser_cli.errors import (
    CredentialsMissingError,
    PortInUseError,
    ProductionPolicyError,
    SettingInvalidError,
)
from alchemiser_cli.exits import ExitCode
from alchemiser_cli.health.serve import HealthAddress, Limits, serve_health
from alchemiser_cli.settings import HealthSettings, Settings, TelemetrySettings
from alchemiser_cli.settings.policy import HEALTH_TOKEN_LENGTH, policy_problems
from alchemiser_cli.telemetry import open_telemetry
from alchemiser_cli.telemetry.names import CONSUMED

TOKEN = "t" * HEALTH_TOKEN_LENGTH
# The limits of most tests are the usual ones: a shared machine may stall for a second.
USUAL = Limits()
IMPATIENT = Limits(request_s=0.4)
SOON = Limits(answer_s=0.4)
PAGES = ("/healthz", "/readyz", "/metrics")


class Status(msgspec.Struct):
    status: str
    alerts: list[str] = []


class Site:
    """A server whose status and journal a test sets."""

    def __init__(self):
        self.telemetry = open_telemetry(TelemetrySettings())
        self.captured = []
        self.look = lambda: Status("healthy", ["none"])

    def status(self):
        return self.look()

    def capture(self, error):
        self.captured.append(error)
        return f"id-{len(self.captured)}"

    @contextmanager
    def serve(self, *, production=False, limits=USUAL, **fields):
        given = HealthSettings(**{"port": 0, **fields})
        with serve_health(
            given,
            self.status,
            self.capture,
            self.telemetry.registry,
            production=production,
            limits=limits,
        ) as address:
            yield address


@pytest.fixture
def site():
    return Site()


def ask(address, path, method="GET", **headers):
    with closing(http.client.HTTPConnection(address.host, address.port, timeout=10)) as client:
        client.request(method, path, headers=headers)
        answer = client.getresponse()
        return answer.status, answer.read(), answer.headers


def raw(address, content, *, half_close=False):
    """Send bytes as they are and return all that comes back."""
    with socket.create_connection((address.host, address.port), timeout=10) as client:
        client.sendall(content)
        if half_close:
            client.shutdown(socket.SHUT_WR)
        return received(client)


def received(client):
    parts = []
    while part := client.recv(65536):
        parts.append(part)
    return b"".join(parts)


def test_healthz_says_that_the_process_lives_whatever_its_status(site):
    site.look = lambda: Status("critical")
    with site.serve() as address:
        status, body, headers = ask(address, "/healthz")
    assert (status, json.loads(body)) == (200, {"status": "alive"})
    assert headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("status", "code"), [("healthy", 200), ("degraded", 200), ("critical", 503)]
)
def test_readyz_gives_the_status_and_its_code(site, status, code):
    site.look = lambda: Status(status, ["a"])
    with site.serve() as address:
        found, body, _ = ask(address, "/readyz?verbose=1")
    assert (found, json.loads(body)) == (code, {"status": status, "alerts": ["a"]})


def test_metrics_are_those_of_the_registry_in_the_format_that_is_asked_for(site):
    site.telemetry.counter(CONSUMED, topic="market.ticks").inc(3)
    with site.serve() as address:
        status, body, headers = ask(address, "/metrics")
        _, openmetrics, other = ask(
            address, "/metrics", Accept="application/openmetrics-text; version=1.0.0"
        )
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
    values = {
        sample.name: sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }
    assert values[CONSUMED.name] == 3
    assert other["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert openmetrics.endswith(b"# EOF\n")


@pytest.mark.parametrize("path", [*PAGES, "/nothing"])
def test_head_is_get_without_its_body(site, path):
    with site.serve() as address:
        status, body, headers = ask(address, path)
        head_status, nothing, head_headers = ask(address, path, "HEAD")
    assert (head_status, nothing) == (status, b"")
    for name in ("Content-Type", "Content-Length"):
        assert head_headers[name] == headers[name]
    assert int(headers["Content-Length"]) == len(body)


@pytest.mark.parametrize("path", ["/", "/nothing", "/metrics/", "//etc/passwd", "/../state.db"])
def test_there_is_nothing_else(site, path):
    with site.serve() as address:
        status, body, _ = ask(address, path)
    assert (status, json.loads(body)["error"]["status"]) == (404, 404)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
def test_only_get_and_head_are_answered(site, method):
    with site.serve() as address:
        status, body, headers = ask(address, "/readyz", method)
    assert (status, json.loads(body)["error"]["status"]) == (405, 405)
    assert headers["Allow"] == "GET, HEAD"


def test_no_answer_tells_versions_or_is_kept(site):
    with site.serve() as address:
        for path in (*PAGES, "/nothing"):
            _, _, headers = ask(address, path)
            assert headers["Server"] == "alchemiser"
            assert headers["Cache-Control"] == "no-store"
            assert headers["X-Content-Type-Options"] == "nosniff"


def test_a_token_opens_all_pages_and_only_healthz_goes_without(site):
    with site.serve(token=SecretStr(TOKEN)) as address:
        assert ask(address, "/healthz")[0] == 200
        for path in ("/readyz", "/metrics"):
            assert ask(address, path, Authorization=f"Bearer {TOKEN}")[0] == 200
            assert ask(address, path, Authorization=f"bearer  {TOKEN}")[0] == 200


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Bearer {TOKEN[1:]}", f"Basic {TOKEN}", TOKEN],
)
@pytest.mark.parametrize("path", ["/readyz", "/metrics", "/nothing"])
def test_a_missing_or_wrong_token_opens_nothing(site, path, authorization):
    site.look = lambda: pytest.fail("nobody may look")
    with site.serve(token=SecretStr(TOKEN)) as address:
        status, body, headers = ask(address, path, Authorization=authorization)
        assert status == 401
        assert headers["WWW-Authenticate"].startswith("Bearer")
        assert TOKEN.encode() not in body
        assert ask(address, path)[0] == 401


def test_a_token_may_hold_any_letters(site):
    with site.serve(token=SecretStr("schlüssel-" + TOKEN)) as address:
        sent = f"Bearer schlüssel-{TOKEN}".encode().decode("latin-1")
        assert ask(address, "/readyz", Authorization=sent)[0] == 200


@pytest.mark.provokes("credentials-missing")
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "desk.example.com"])  # noqa: S104
@pytest.mark.parametrize("production", [True, False])
def test_beyond_loopback_a_token_is_needed(site, host, production):
    with (
        pytest.raises(CredentialsMissingError),
        site.serve(host=host, production=production),
    ):
        pytest.fail("it listens")


@pytest.mark.provokes("production-policy")
def test_beyond_loopback_production_needs_a_long_token(site):
    short = {"host": "0.0.0.0", "token": SecretStr(TOKEN[1:])}  # noqa: S104  the case in question
    with pytest.raises(ProductionPolicyError), site.serve(production=True, **short):
        pytest.fail("it listens")
    with site.serve(**short) as address:
        assert ask(HealthAddress("127.0.0.1", address.port), "/readyz")[0] == 401


@pytest.mark.parametrize("environment", ["development", "paper", "production"])
def test_the_policy_of_the_settings_refuses_the_same(environment):
    def found(**health):
        problems = policy_problems(Settings(environment=environment, health=health))
        return [problem.code for problem in problems if problem.key == "health.token"]

    beyond = {"host": "0.0.0.0"}  # noqa: S104  the case in question
    assert found() == found(token="short") == found(host="::1") == []  # noqa: S106
    assert found(**beyond) == ["credentials-missing"]
    short = ["production-policy"] if environment == "production" else []
    assert found(**beyond, token="short") == short  # noqa: S106  no secret
    assert found(**beyond, token=TOKEN) == []


@pytest.mark.provokes("port-in-use")
def test_a_port_in_use_is_a_coded_error(site):
    with site.serve() as address:
        with pytest.raises(PortInUseError) as refused, site.serve(port=address.port):
            pytest.fail("it listens twice")
        assert refused.value.exit_code is ExitCode.CONFIG
        assert ask(address, "/healthz")[0] == 200
    with site.serve(port=address.port) as again:
        assert ask(again, "/healthz")[0] == 200


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_an_address_that_is_not_ours_is_a_coded_error(site, host):
    with (
        pytest.raises(SettingInvalidError, match=host),
        site.serve(host=host, token=SecretStr(TOKEN)),
    ):
        pytest.fail("it listens")


def test_ipv6_loopback_is_served(site):
    if not socket.has_ipv6 or not os.path.exists("/proc/net/if_inet6"):  # noqa: PTH110
        pytest.skip("this machine has no IPv6")
    try:
        serving = ExitStack()
        address = serving.enter_context(site.serve(host="::1"))
    except SettingInvalidError:
        pytest.skip("this machine has no IPv6 loopback")
    with serving:
        assert ask(address, "/healthz")[0] == 200
        assert address.url == f"http://[::1]:{address.port}"


@pytest.mark.parametrize("path", ["/readyz", "/metrics"])
@pytest.mark.parametrize("production", [True, False])
def test_an_unexpected_exception_is_captured_and_answered_with_its_id(site, path, production):
    def fail():
        raise RuntimeError("secret plans")

    site.look = site.telemetry.registry.collect = fail
    with site.serve(production=production) as address:
        status, body, _ = ask(address, path)
        assert ask(address, "/healthz")[0] == 200
    error = json.loads(body)["error"]
    assert (status, error["id"]) == (500, "id-1")
    assert [str(captured) for captured in site.captured] == ["secret plans"]
    assert (b"secret plans" in body) is (not production)


class UnspeakableError(Exception):
    def __str__(self):
        raise ValueError("not even this")


@pytest.mark.parametrize(
    "outcome",
    [SystemExit(3), UnspeakableError(), Status("wonderful"), object(), None, TimeoutError("mine")],
)
def test_whatever_the_status_function_does_is_answered(site, outcome):
    def look():
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    site.look = look
    with site.serve() as address:
        assert ask(address, "/readyz")[0] == 500
        site.look = lambda: Status("healthy")
        assert ask(address, "/readyz")[0] == 200
    assert len(site.captured) == 1


def test_a_journal_that_fails_costs_only_the_id(site):
    site.look = lambda: 1 / 0
    site.capture = lambda error: 1 / 0
    with site.serve() as address:
        status, body, _ = ask(address, "/readyz")
    assert (status, json.loads(body)["error"]["id"]) == (500, "not recorded")


def test_a_status_that_hangs_is_not_ready_and_costs_one_thread(site):
    looks, release = [], threading.Event()

    def hang():
        looks.append(1)
        release.wait(30)
        return Status("healthy")

    site.look = hang
    with site.serve(limits=SOON) as address:
        try:
            for _ in range(3):
                status, body, _ = ask(address, "/readyz")
                assert status == 503
                assert "0.4 s" in json.loads(body)["error"]["message"]
            assert ask(address, "/healthz")[0] == 200
            assert ask(address, "/metrics")[0] == 200
            assert len(looks) == 1
        finally:
            release.set()
        until(lambda: ask(address, "/readyz")[0] == 200)


def test_a_collector_that_hangs_costs_only_the_metrics(site):
    release = threading.Event()
    site.telemetry.registry.collect = lambda: release.wait(30) and []
    with site.serve(limits=SOON) as address:
        try:
            assert ask(address, "/metrics")[0] == 503
            assert ask(address, "/readyz")[0] == 200
        finally:
            release.set()


def until(done, timeout_s=10.0):
    deadline = time.monotonic() + timeout_s
    while not done():
        if time.monotonic() > deadline:
            pytest.fail("it did not come to pass")
        time.sleep(0.01)  # allow no-bare-sleep: polls with the deadline above


def test_many_at_once_are_all_answered(site):
    answers = []

    def client(address, path):
        answers.append(ask(address, path)[0])

    with site.serve(limits=Limits(connections=64)) as address:
        threads = [
            threading.Thread(target=client, args=(address, path))
            for path in PAGES
            for _ in range(12)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert answers == [200] * 36


def test_more_connections_than_there_is_room_for_are_turned_away(site):
    with site.serve(limits=Limits(connections=2, request_s=30)) as address, ExitStack() as held:
        where = (address.host, address.port)
        for _ in range(2):
            held.enter_context(closing(socket.create_connection(where)))
        until(lambda: turned_away(address))
        held.close()
        until(lambda: not turned_away(address))


def turned_away(address):
    try:
        return ask(address, "/healthz")[0] == 503
    except ConnectionError:  # the refusal does not wait for the request to be sent
        return True


@pytest.mark.parametrize("start", [b"", b"GET /healthz", b"GET /healthz HTTP/1.1\r\nHost: a\r\nX"])
def test_a_request_that_does_not_come_is_given_up(site, start):
    with site.serve(limits=IMPATIENT) as address:
        answer = raw(address, start)
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_a_client_that_trickles_has_no_more_time_than_another(site):
    """Slow loris: each byte comes in time, and the request never ends."""
    with (
        site.serve(limits=IMPATIENT) as address,
        socket.create_connection((address.host, address.port), timeout=10) as client,
    ):
        began = time.monotonic()
        client.sendall(b"GET /healthz HTTP/1.1\r\nX-Slow: ")
        client.settimeout(0.02)
        answer = b""
        while not answer and time.monotonic() - began < 10:
            try:
                client.sendall(b"x")
                answer = client.recv(4096)
            except TimeoutError:
                continue
        took_s = time.monotonic() - began
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert took_s < 5


@pytest.mark.parametrize(
    "content",
    [
        b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nX: " + b"a" * 40_000 + b"\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n" + b"X: a\r\n" * 6_000 + b"\r\n",
    ],
)
def test_a_head_that_is_too_large_is_refused(site, content):
    with site.serve() as address:
        assert raw(address, content).startswith(b"HTTP/1.1 431 ")


def test_a_body_is_not_read_and_does_not_spoil_the_answer(site):
    body = b"x" * 30_000
    request = b"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 30000\r\n\r\n" + body
    with site.serve() as address:
        for _ in range(10):
            assert b'{"status":"alive"}' in raw(address, request)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=200)
    | st.builds(
        lambda line, rest: b"GET " + line + b" HTTP/1.1\r\n" + rest,
        st.binary(max_size=40),
        st.binary(max_size=80),
    )
)
def test_garbage_is_refused_and_the_server_lives_on(garbage_server, content):
    site, address = garbage_server
    answer = raw(address, content, half_close=True)
    assert re.match(rb"$|HTTP/1\.1 [2345]\d\d |\{", answer)
    assert b"Traceback" not in answer
    assert ask(address, "/healthz")[0] == 200
    assert site.captured == []


@pytest.fixture
def garbage_server(site):
    with site.serve() as address:
        yield site, address


def test_a_client_that_leaves_early_is_no_error(site):
    release = threading.Event()
    site.look = lambda: release.wait(5) and Status("healthy", ["x" * 100_000])
    with site.serve() as address:
        for _ in range(5):
            client = socket.create_connection((address.host, address.port))
            client.sendall(b"GET /readyz HTTP/1.1\r\n\r\n")
            linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"  # closing resets the connection
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            client.close()
        release.set()
        assert ask(address, "/healthz")[0] == 200
    assert site.captured == []


def test_an_answer_under_way_is_finished_when_the_server_stops(site):
    looking, release, answers = threading.Event(), threading.Event(), []

    def look():
        looking.set()
        release.wait(10)
        return Status("healthy")

    site.look = look
    with site.serve() as address:
        thread = threading.Thread(target=lambda: answers.append(ask(address, "/readyz")[0]))
        thread.start()
        assert looking.wait(10)
        threading.Timer(0.1, release.set).start()
    thread.join()
    assert answers == [200]


def test_stopping_does_not_wait_for_who_never_asks(site):
    with ExitStack() as held:
        with site.serve(limits=Limits(request_s=60)) as address:
            where = (address.host, address.port)
            for _ in range(3):
                held.enter_context(closing(socket.create_connection(where)))
            ask(address, "/healthz")
            began = time.monotonic()
        assert time.monotonic() - began < 10
    with pytest.raises(ConnectionError):
        ask(address, "/healthz")


def test_nothing_is_printed(site, capfd):
    site.look = lambda: 1 / 0
    with site.serve() as address:
        ask(address, "/readyz")
        raw(address, b"nonsense\r\n\r\n")
    assert capfd.readouterr() == ("", "")
