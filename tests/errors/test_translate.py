"""Foreign exceptions become coded errors at the edge, from real failures of real libraries."""

import asyncio
import csv
import errno
import gzip
import http.client
import http.server
import importlib
import inspect
import json
import os
import pickle
import socket
import sqlite3
import ssl
import subprocess
import sys
import threading
import tomllib
import traceback
import urllib.error
import urllib.request
import zlib
from concurrent.futures import Future

import msgspec
import pydantic
import pytest
import sqlalchemy
from hypothesis import given
from hypothesis import strategies as st

from alchemiser_cli.errors.base import RetrySafety, Severity
from alchemiser_cli.errors.context import context_of, operation
from alchemiser_cli.errors.runtime import InternalError
from alchemiser_cli.errors.trading import OrderRejectedError
from alchemiser_cli.errors.translate import translated, translating
from alchemiser_cli.errors.translations import _BY_CLASS
from alchemiser_cli.exits import ExitCode
from alchemiser_cli.faults import denial

CORRUPT = b"SQLite format 3\x00" + b"\x00" * 4080


def provoked_by(cause, code):
    return pytest.param(cause, code, marks=pytest.mark.provokes(code))


def raised(act):
    """The exception that ``act`` ends with."""
    with pytest.raises(Exception) as caught:  # noqa: PT011  which one is what is looked at
        act()
    return caught.value


def system_error(number):
    return lambda: (_ for _ in ()).throw(OSError(number, os.strerror(number), "ticks.csv"))


def extra_is_missing():
    raise ModuleNotFoundError("No module named 'torch.nn'", name="torch.nn")


def write_to_full_device():
    with open("/dev/full", "w") as file:  # noqa: PTH123  Path has no device of its own
        file.write("tick")


def connect_where_nobody_listens():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = probe.getsockname()
        socket.create_connection(address, timeout=5)


def ask_where_nobody_listens():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        urllib.request.urlopen(f"http://127.0.0.1:{probe.getsockname()[1]}", timeout=5)


def wait_in_vain():
    Future().result(timeout=0)


def peer_hangs_up():
    raise asyncio.IncompleteReadError(b"\x00", 4)


def name_is_unknown():
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def handshake_ends_early():
    raise ssl.SSLEOFError(8, "EOF occurred in violation of protocol")


def speak_tls_to_who_does_not():
    """OpenSSL's error number 1 is also EPERM; a handshake is no missing right."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    incoming.write(b"HTTP/1.0 400 Bad Request\r\n\r\n")
    ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="a").do_handshake()


def certificate_is_unknown():
    raise ssl.SSLCertVerificationError(1, "certificate verify failed: self-signed certificate")


def sqlite(*statements):
    with_timeout = sqlite3.connect("work.db", timeout=0)
    try:
        for statement in statements:
            with_timeout.execute(statement)
    finally:
        with_timeout.close()


def database_is_locked():
    holder = sqlite3.connect("work.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        sqlite("CREATE TABLE t (a)")
    finally:
        holder.close()


def database_is_damaged():
    with open("work.db", "wb") as file:  # noqa: PTH123  a scratch file
        file.write(CORRUPT)
    sqlite("SELECT * FROM sqlite_master")


def database_is_full():
    sqlite("PRAGMA max_page_count = 1", "CREATE TABLE t (a)")


def database_folder_is_missing():
    sqlite3.connect("absent/work.db")


def through_sqlalchemy():
    engine = sqlalchemy.create_engine("sqlite:///absent/work.db")
    try:
        engine.connect()
    finally:
        engine.dispose()


class Order(pydantic.BaseModel):
    size: int


@pytest.mark.parametrize(
    ("act", "code"),
    [
        provoked_by(extra_is_missing, "extra-missing"),
        provoked_by(write_to_full_device, "disk-full"),
        provoked_by(system_error(errno.EDQUOT), "disk-full"),
        provoked_by(system_error(errno.EIO), "disk-failing"),
        provoked_by(system_error(errno.EACCES), "environment-misconfigured"),
        provoked_by(system_error(errno.EPERM), "environment-misconfigured"),
        provoked_by(system_error(errno.EROFS), "environment-misconfigured"),
        provoked_by(lambda: bytearray(sys.maxsize), "environment-misconfigured"),
        provoked_by(system_error(errno.EMFILE), "file-limit-low"),
        provoked_by(system_error(errno.EHOSTUNREACH), "service-unreachable"),
        provoked_by(connect_where_nobody_listens, "service-unreachable"),
        provoked_by(ask_where_nobody_listens, "service-unreachable"),
        provoked_by(wait_in_vain, "service-unreachable"),
        provoked_by(peer_hangs_up, "service-unreachable"),
        provoked_by(name_is_unknown, "service-unreachable"),
        provoked_by(handshake_ends_early, "service-unreachable"),
        provoked_by(speak_tls_to_who_does_not, "security-violation"),
        provoked_by(certificate_is_unknown, "security-violation"),
        provoked_by(database_is_locked, "state-unreachable"),
        provoked_by(database_folder_is_missing, "state-unreachable"),
        provoked_by(through_sqlalchemy, "state-unreachable"),
        provoked_by(database_is_damaged, "state-corrupt"),
        provoked_by(database_is_full, "disk-full"),
        provoked_by(lambda: json.loads("{"), "validation-failed"),
        provoked_by(lambda: msgspec.json.decode(b'"a"', type=int), "validation-failed"),
        provoked_by(lambda: Order(size="many"), "validation-failed"),
        provoked_by(lambda: tomllib.loads("a ="), "validation-failed"),
        provoked_by(lambda: gzip.decompress(b"no gzip"), "validation-failed"),
        provoked_by(lambda: b"\xff".decode("utf-8"), "validation-failed"),
        provoked_by(lambda: zlib.decompress(b"no zlib"), "validation-failed"),
        provoked_by(lambda: list(csv.reader(["a\0b", '"'], strict=True)), "validation-failed"),
        provoked_by(lambda: sqlite("SELECT nothing FROM nowhere"), "internal-error"),
        provoked_by(lambda: {}["missing"], "internal-error"),
        provoked_by(lambda: open("absent"), "internal-error"),  # noqa: PTH123, SIM115  fails
    ],
)
def test_a_foreign_failure_has_the_code_that_it_amounts_to(act, code):
    error = raised(act)
    failure = translated(error, doing="read ticks")
    assert failure.code == code
    assert failure.__cause__ is error
    assert failure.__suppress_context__
    kind = type(error)
    assert failure.context["doing"] == "read ticks"
    assert failure.context["exception"].startswith(f"{kind.__module__}.") or failure.context[
        "exception"
    ].startswith(("sqlite3.", "builtins."))
    assert failure.why
    assert failure.next_step
    assert pickle.loads(pickle.dumps(failure)).what == failure.what  # noqa: S301  ours


def test_what_could_not_be_done_is_said_first():
    failure = translated(ConnectionResetError("reset by peer"), doing="place order")
    assert failure.what == "could not place order: the service did not answer"
    assert failure.why == "reset by peer"


def test_the_words_of_a_library_fit_on_one_line():
    failure = translated(raised(lambda: Order(size="many")), doing="read order")
    assert "\n" in str(failure.__cause__)
    assert "\n" not in failure.why


def test_an_exception_without_words_is_called_by_its_name():
    assert translated(RuntimeError(), doing="look").what == "RuntimeError"


def test_an_operating_system_error_names_its_file_and_number():
    failure = translated(raised(system_error(errno.EROFS)), doing="write report")
    assert (failure.context["file"], failure.context["errno"]) == ("ticks.csv", "EROFS")


def test_a_lost_connection_is_retried_only_where_twice_does_no_harm():
    """The request may have been carried out before the connection went."""
    failure = translated(TimeoutError(), doing="place order")
    assert failure.retry_safety is RetrySafety.IF_IDEMPOTENT
    assert failure.recoverable
    assert failure.exit_code is ExitCode.UNREACHABLE


@pytest.fixture
def server():
    """An HTTP server that answers a path ``/STATUS/RETRY-AFTER`` with just that."""

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            _, status, wait = self.path.split("/")
            self.send_response(int(status))
            if wait:
                self.send_header("Retry-After", wait)
            self.end_headers()

        def log_message(self, *words):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as served:
        thread = threading.Thread(target=served.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{served.server_port}"
        served.shutdown()
        thread.join(10)


def answer_of(server, path):
    """The exception of the standard library's client, with its connection closed."""
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{server}/{path}", timeout=10)  # noqa: S310  ours
    caught.value.close()
    return caught.value


@pytest.mark.provokes("rate-limited")
@pytest.mark.parametrize(
    ("answer", "wait"),
    [
        ("429/7", 7.0),
        ("429/", None),
        ("503/120", 120.0),
        ("429/Wed,%2021%20Oct%202026%2007:28:00%20GMT", None),
        ("429/-1", None),
    ],
)
def test_a_service_that_asks_us_to_slow_down_is_given_the_time(server, answer, wait):
    failure = translated(answer_of(server, answer), doing="ask for bars")
    assert failure.code == "rate-limited"
    assert failure.retry_after_s == wait


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("401/", "security-violation"),
        ("403/", "security-violation"),
        ("500/", "service-unreachable"),
        ("503/", "service-unreachable"),
        ("404/", "internal-error"),
    ],
)
def test_the_status_of_an_answer_decides(server, answer, code):
    failure = translated(answer_of(server, answer), doing="ask for bars")
    assert failure.code == code


def test_requests_that_fail_elsewhere_are_known_by_name(server):
    """The client that MLflow brings; this package neither needs nor imports it."""
    requests = pytest.importorskip("requests")
    with requests.get(f"{server}/429/3", timeout=10) as answer:
        error = raised(answer.raise_for_status)
    failure = translated(error, doing="log a metric")
    assert (failure.code, failure.retry_after_s) == ("rate-limited", 3.0)
    error = requests.exceptions.ConnectTimeout("too slow")
    assert translated(error, doing="log a metric").code == "service-unreachable"


@pytest.mark.parametrize("name", list(_BY_CLASS))
def test_a_class_known_by_name_exists(name):
    """A misspelt name would never match, and nobody would see it."""
    module, _, kind = name.rpartition(".")
    if module.partition(".")[0] in {"psycopg", "requests"}:
        pytest.importorskip(module)
    assert issubclass(getattr(importlib.import_module(module), kind), Exception)


def test_a_server_of_databases_without_space_is_a_full_disk():
    psycopg = pytest.importorskip("psycopg")
    assert translated(psycopg.errors.DiskFull("53100"), doing="write").code == "disk-full"
    away = translated(psycopg.OperationalError("connection refused"), doing="write")
    assert away.code == "state-unreachable"


def test_translating_loads_no_library():
    program = (
        "import sys; from alchemiser_cli.errors.translate import translated\n"
        "translated(OSError(1, 'no'), doing='look')\n"
        "print({'sqlite3', 'ssl', 'requests', 'sqlalchemy', 'pydantic'} & {*sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"


def test_a_coded_error_passes_unchanged():
    error = OrderRejectedError("too large", why="w", next_step="n")
    assert translated(error, doing="place order") is error
    assert error.__cause__ is None
    with pytest.raises(OrderRejectedError) as caught, translating("place order"):
        raise error
    assert caught.value is error


def test_the_context_and_the_mark_of_injection_are_kept():
    error = ConnectionError("dropped on purpose")
    error.injected = True
    with pytest.raises(ConnectionError), operation("fetch bars", symbol="SPY"):
        raise error
    failure = translated(error, doing="fetch bars")
    assert failure.injected
    assert context_of(failure).symbol == "SPY"


class Unspeakable(OSError):  # noqa: N818  as the journal's tests call it
    """Its text and its attributes raise."""

    def __str__(self):
        raise RuntimeError("no words")

    @property
    def errno(self):
        raise RuntimeError("no number")

    @property
    def injected(self):
        raise RuntimeError("no mark")


def test_an_exception_that_cannot_be_examined_is_still_a_failure():
    failure = translated(Unspeakable(), doing="look")
    assert failure.code == "internal-error"
    assert failure.what == "Unspeakable: its text raised RuntimeError"


@given(st.sampled_from([OSError, ValueError, KeyError, ConnectionError]), st.lists(st.integers()))
def test_translation_never_raises(kind, arguments):
    assert translated(kind(*arguments, [1]), doing="look").code


def test_the_gravest_of_a_group_speaks_for_it():
    group = ExceptionGroup("both", [TimeoutError(), ExceptionGroup("", [OSError(28, "full")])])
    failure = translated(group, doing="write")
    assert (failure.code, failure.severity) == ("disk-full", Severity.CRITICAL)


@pytest.mark.provokes("disk-failing")
def test_a_device_that_fails_is_no_defect_of_ours():
    """Only a broken device fails so; the fault point raises what it raises."""
    failure = translated(denial("input-output"), doing="write the trail")
    assert (failure.code, failure.severity) == ("disk-failing", Severity.CRITICAL)
    assert (failure.injected, failure.context["errno"]) == (True, "EIO")
    assert "move the home to a sound disk" in failure.next_step


async def test_a_group_of_tasks_fails_with_a_code():
    async def fail():
        raise TimeoutError

    async def work():
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fail())

    failure = None
    try:
        with translating("ask everybody"):
            await work()
    except Exception as error:  # noqa: BLE001  which one is what is looked at
        failure = error
    assert failure.code == "service-unreachable"
    assert isinstance(failure.__cause__, TimeoutError)


def test_a_block_raises_the_coded_error_from_the_foreign_one():
    with pytest.raises(InternalError) as caught, translating("add up"):
        {}["missing"]
    assert isinstance(caught.value.__cause__, KeyError)
    text = "".join(traceback.format_exception(caught.value))
    assert "The above exception was the direct cause" in text


@pytest.mark.parametrize(
    "ending",
    [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError, StopIteration],
)
def test_what_ends_an_iteration_a_task_or_the_program_is_let_through(ending):
    with pytest.raises(ending), translating("wait"):
        raise ending


def test_a_function_is_guarded_and_keeps_its_name():
    @translating("add up")
    def add(one, two):
        """Add."""
        return one + two

    assert add(1, two=2) == 3
    assert (add.__name__, add.__doc__) == ("add", "Add.")
    with pytest.raises(InternalError):
        add(1, "2")


async def test_a_coroutine_function_is_guarded_while_it_runs():
    @translating("wait")
    async def wait(seconds):
        await asyncio.wait_for(asyncio.Event().wait(), seconds)

    assert inspect.iscoroutinefunction(wait)
    failure = (await asyncio.gather(wait(0), return_exceptions=True))[0]
    assert failure.code == "service-unreachable"


def test_a_generator_function_is_refused():
    """Its body would run outside of the guard."""

    def stream():
        yield 1

    async def flow():
        yield 1

    for function in (stream, flow):
        with pytest.raises(TypeError, match="in its body"):
            translating("stream")(function)


def test_an_answer_that_breaks_off_is_a_lost_connection():
    failure = translated(http.client.IncompleteRead(b"half"), doing="read")
    assert failure.code == "service-unreachable"
