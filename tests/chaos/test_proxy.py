"""What passes a proxy, and what its faults make of it: HTTP, SMTP, SQL, and plain bytes."""

import smtplib
import socket
import threading
import time
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest

from alchemiser_cli.chaos.proxy import Address, TcpProxy
from alchemiser_cli.clock import SystemClock
from alchemiser_cli.errors import ProxyFailedError, StateUnreachableError, UsageError
from alchemiser_cli.errors.journal.store import JournalStore
from alchemiser_cli.faults import Armed, Fault, FaultKind, disarm_all
from alchemiser_cli.state import StateDatabase
from alchemiser_cli.testing.mailbox import running_mailbox
from alchemiser_cli.testing.postgresql import postgresql_programs, temporary_postgresql

LONG_S = 20.0
ANY = Address("127.0.0.1", 0)


@pytest.fixture(autouse=True)
def healed():
    yield
    disarm_all()


@contextmanager
def answering(answer):
    """Run a service that calls ``answer`` with each connection; yield its address."""
    server = socket.create_server(("127.0.0.1", 0))
    taken = []

    def serve():
        while True:
            try:
                one, _ = server.accept()
            except OSError:
                return
            taken.append(one)
            threading.Thread(target=quietly, args=(one,), daemon=True).start()

    def quietly(one):
        try:
            answer(one)
        except OSError:
            one.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield Address(*server.getsockname())
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(5)
        for one in taken:
            one.close()


def echo(one):
    while data := one.recv(65_536):
        one.sendall(data)
    one.shutdown(socket.SHUT_WR)


@pytest.fixture
def proxy():
    with answering(echo) as service, TcpProxy("echo", listen=ANY, to=service) as running:
        yield running


@pytest.fixture
def connect(proxy):
    with ExitStack() as stack:

        def one():
            address = (proxy.address.host, proxy.address.port)
            return stack.enter_context(socket.create_connection(address, timeout=10))

        yield one


def arm(proxy, kind, *, lasts_s=LONG_S, **fault):
    armed = Armed(Fault(kind=kind, **fault), lasts_s, target=proxy.point.name)
    proxy.point.arm(armed)
    return armed


def said(connection, data=b"ping", size=None):
    """Send ``data`` and return the answer of as many bytes."""
    connection.sendall(data)
    return received(connection, size or len(data))


def is_broken(connection):
    """Tell whether the other side resets the connection; what came before is read."""
    try:
        while connection.recv(65_536):
            pass
    except ConnectionResetError:
        return True
    return False


def received(connection, size):
    got = b""
    while len(got) < size and (more := connection.recv(65_536)):
        got += more
    return got


def until(condition, within_s=10.0):
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)  # allow no-bare-sleep: polls with the deadline above


def test_without_a_fault_everything_passes_both_ways(proxy, connect):
    sent = bytes(range(256)) * 4_000
    first, second = connect(), connect()
    writing = threading.Thread(target=first.sendall, args=(sent,))
    writing.start()
    assert received(first, len(sent)) == sent
    writing.join()
    assert said(second) == b"ping"
    traffic = proxy.traffic
    until(lambda: traffic.bytes_to_client == len(sent) + 4)  # counted once it is sent
    assert (traffic.connections, traffic.bytes_to_service) == (2, len(sent) + 4)


def test_an_end_of_one_direction_passes_too(connect):
    one = connect()
    one.sendall(b"last words")
    one.shutdown(socket.SHUT_WR)
    assert received(one, 100) == b"last words"


def test_a_service_that_is_not_there_resets_the_client():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nowhere = Address(*probe.getsockname())
    with TcpProxy("nowhere", listen=ANY, to=nowhere) as proxy:
        address = (proxy.address.host, proxy.address.port)
        with socket.create_connection(address, timeout=10) as one:
            assert is_broken(one)


def test_a_delay_is_longer_or_shorter_by_a_fifth_at_most(proxy, connect):
    one = connect()
    armed = arm(proxy, FaultKind.DELAY, amount=0.1)
    taken = []
    for _ in range(5):
        begun = time.monotonic()
        said(one)
        taken.append(time.monotonic() - begun)
    assert min(taken) >= 2 * 0.08
    assert len({round(one, 2) for one in taken}) > 1
    assert armed.strikes.count == 10
    proxy.point.disarm()
    begun = time.monotonic()
    assert said(one) == b"ping"
    assert time.monotonic() - begun < 0.16


def test_a_throttle_lets_so_many_bytes_a_second_pass(proxy, connect):
    one = connect()
    arm(proxy, FaultKind.THROTTLE, amount=100_000)
    begun = time.monotonic()
    one.sendall(b"x" * 50_000)
    assert len(received(one, 50_000)) == 50_000
    assert 0.45 < time.monotonic() - begun < 2.0


def test_a_throttle_is_shared_by_all_connections(proxy, connect):
    arm(proxy, FaultKind.THROTTLE, amount=100_000)
    both = [connect(), connect()]
    begun = time.monotonic()
    for one in both:
        one.sendall(b"x" * 25_000)
    for one in both:
        received(one, 25_000)
    assert time.monotonic() - begun > 0.45


def test_a_reset_comes_in_the_middle_of_an_answer(proxy, connect):
    one = connect()
    armed = arm(proxy, FaultKind.RESET, count=1)
    assert said(one, b"0123456789", size=5) == b"01234"
    with pytest.raises(ConnectionResetError):
        one.recv(1)
    assert armed.strikes.count == 1
    assert said(connect()) == b"ping"


def test_a_black_hole_takes_everything_and_answers_when_it_is_over(proxy, connect):
    old = connect()
    said(old)
    arm(proxy, FaultKind.HANG)
    new = connect()
    for one in (old, new):
        one.settimeout(0.15)
        with pytest.raises(TimeoutError):
            said(one, b"later")
    proxy.point.disarm()
    for one in (old, new):
        one.settimeout(10)
        assert received(one, 5) == b"later"


def test_a_half_closed_connection_still_carries_what_the_client_says():
    heard = []

    def listen(one):
        while data := one.recv(65_536):
            heard.append(data)
            one.sendall(b"yes")

    with answering(listen) as service, TcpProxy("half", listen=ANY, to=service) as proxy:
        address = (proxy.address.host, proxy.address.port)
        with socket.create_connection(address, timeout=10) as one:
            assert said(one, b"first", size=3) == b"yes"
            arm(proxy, FaultKind.HALF_CLOSE)
            one.sendall(b"second")
            assert one.recv(10) == b""
            one.sendall(b"third")
            until(lambda: b"".join(heard) == b"firstsecondthird")


def test_while_it_is_down_connections_break_and_new_ones_are_refused(proxy, connect):
    one = connect()
    said(one)
    armed = arm(proxy, FaultKind.DOWN)
    assert is_broken(one)
    with pytest.raises(ConnectionRefusedError):
        until(lambda: connect() is None)
    proxy.point.disarm()
    until(lambda: _is_back(connect))
    assert armed.strikes.count == 1


def _is_back(connect):
    try:
        return said(connect()) == b"ping"
    except OSError:
        return False


def test_a_schedule_takes_it_down_again_and_again_and_its_end_heals_it(proxy, connect):
    armed = arm(proxy, FaultKind.DOWN, lasts_s=0.7, every_s=0.2, active_s=0.1)
    until(lambda: proxy.point.armed is None)
    assert armed.strikes.count >= 3
    until(lambda: _is_back(connect))


def test_with_a_chance_the_same_pieces_are_reset_again(proxy, connect):
    def fates():
        arm(proxy, FaultKind.RESET, probability=0.5, seed=3)
        outcomes = []
        for _ in range(12):
            try:
                outcomes.append(said(connect(), b"0123456789") == b"0123456789")
            except ConnectionResetError:
                outcomes.append(False)
        return outcomes

    first = fates()
    assert 0 < sum(first) < 12
    assert first == fates()


def test_the_end_of_the_proxy_breaks_what_still_talks():
    with answering(echo) as service:
        with TcpProxy("echo", listen=ANY, to=service) as proxy:
            address = (proxy.address.host, proxy.address.port)
            one = socket.create_connection(address, timeout=10)
            said(one)
        assert is_broken(one)
        one.close()


@pytest.mark.provokes("proxy-failed")
def test_a_port_that_is_taken_is_said_with_the_way_out():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        busy = Address(*taken.getsockname())
        proxy = TcpProxy("late", listen=busy, to=busy)
        with pytest.raises(ProxyFailedError, match="cannot listen") as raised:
            proxy.__enter__()
    assert "in use" in raised.value.why
    assert "--listen" in raised.value.next_step


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:80", Address("127.0.0.1", 80)),
        ("[::1]:80", Address("::1", 80)),
        ("db.local:5432", Address("db.local", 5432)),
        (":0", Address("127.0.0.1", 0)),
    ],
)
def test_addresses_are_read_and_written(text, address):
    assert Address.of(text) == address
    assert Address.of(str(address)) == address


@pytest.mark.provokes("usage")
@pytest.mark.parametrize("text", ["", "localhost", "localhost:", "localhost:99999", "a:-1", "a:²"])
def test_what_is_no_address_is_refused(text):
    with pytest.raises(UsageError):
        Address.of(text)


def test_http_passes_and_a_broken_answer_is_an_error_of_its_client():
    class Pages(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "100000")
            self.end_headers()
            self.wfile.write(b"x" * 100_000)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        with TcpProxy("pages", listen=ANY, to=Address(*server.server_address)) as proxy:
            url = f"http://{proxy.address}/"
            with httpx2.Client(timeout=10) as client:
                assert len(client.get(url).content) == 100_000
                arm(proxy, FaultKind.RESET, count=1)
                with pytest.raises(httpx2.TransportError):
                    client.get(url)
                assert client.get(url).status_code == 200
                arm(proxy, FaultKind.HANG)
                with pytest.raises(httpx2.ReadTimeout):
                    client.get(url, timeout=0.2)
                arm(proxy, FaultKind.DOWN)
                until(lambda: proxy.point.armed.strikes.count)
                with pytest.raises(httpx2.ConnectError):
                    client.get(url)
        server.shutdown()
        thread.join()


def test_mail_passes_and_a_black_hole_times_the_client_out():
    with (
        running_mailbox() as box,
        TcpProxy("mail", listen=ANY, to=Address("127.0.0.1", box.port)) as proxy,
    ):

        def mail(timeout_s):
            host, port = proxy.address.host, proxy.address.port
            with smtplib.SMTP(host, port, timeout=timeout_s) as server:
                server.sendmail("a@example.org", ["b@example.org"], "Subject: hello\r\n\r\nhello")

        mail(10)
        arm(proxy, FaultKind.HANG)
        with pytest.raises(smtplib.SMTPServerDisconnected, match="timed out"):
            mail(0.3)
        proxy.point.disarm()
        mail(10)
        assert box.attempts == 2


@pytest.mark.skipif(postgresql_programs() is None, reason="no PostgreSQL server is installed")
@pytest.mark.provokes("state-unreachable")
def test_a_state_database_behind_a_proxy_that_is_down_is_unreachable_and_comes_back():
    with temporary_postgresql(postgresql_programs()) as url:
        place, _, rest = url.removeprefix("postgresql://").partition("/")
        who, _, address = place.partition("@")
        with TcpProxy("state", listen=ANY, to=Address.of(address)) as proxy:
            database = StateDatabase(
                f"postgresql://{who}@{proxy.address}/{rest}", SystemClock(), 1.0
            )
            store = JournalStore(database)
            assert store.groups() == []
            arm(proxy, FaultKind.DOWN)

            def is_reachable():
                try:
                    store.groups()
                except StateUnreachableError:
                    return False
                return True

            until(lambda: not is_reachable())
            proxy.point.disarm()
            until(is_reachable)
            database.close()
