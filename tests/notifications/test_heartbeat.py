"""The dead man's switch, against a real HTTP server on loopback."""

import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from alchemiser_cli.notifications.heartbeat import Heartbeat
from alchemiser_cli.settings import HeartbeatSettings


class PingServer:
    """Notes every ping; hangs for ``hang_s`` seconds, or answers with another status."""

    def __init__(self):
        self.pings = []
        self.status = 200
        self.hang = threading.Event()
        self.hang.set()
        self.url = ""

    @property
    def paths(self):
        return [urlsplit(ping).path.removeprefix("/check") for ping in self.pings]

    @property
    def runs(self):
        return {parse_qs(urlsplit(ping).query)["rid"][0] for ping in self.pings}

    def wait_for(self, count, seconds=5.0):
        deadline = time.monotonic() + seconds
        while len(self.pings) < count and time.monotonic() < deadline:
            time.sleep(0.01)  # allow no-bare-sleep: polls with a deadline
        return self.paths


@contextmanager
def ping_server():
    server = PingServer()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            server.pings.append(self.path)
            server.hang.wait(10)
            try:
                self.send_response(server.status)
                self.end_headers()
            except OSError:
                return  # the client gave up

        def log_message(self, *_):
            """Say nothing."""

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    listener.daemon_threads = True
    thread = threading.Thread(target=listener.serve_forever, args=(0.02,))
    thread.start()
    server.url = f"http://127.0.0.1:{listener.server_address[1]}/check"
    try:
        yield server
    finally:
        server.hang.set()
        listener.shutdown()
        thread.join()
        listener.server_close()


@pytest.fixture
def server():
    with ping_server() as server:
        yield server


def settings(server, **values):
    return HeartbeatSettings(url=server.url, **({"timeout_s": 10.0} | values))


def test_a_job_pings_its_start_and_its_exit_code_as_one_run(server):
    beat = Heartbeat(settings(server), lasting=False).start()
    beat.end(0)
    assert server.paths == ["/start", "/0"]
    assert len(server.runs) == 1


@pytest.mark.parametrize("exit_code", [1, 70, 130])
def test_a_run_that_fails_pings_its_exit_code(server, exit_code):
    Heartbeat(settings(server), lasting=False).start().end(exit_code)
    assert server.paths == ["/start", f"/{exit_code}"]


def test_a_lasting_run_pings_while_it_goes_on(server):
    beat = Heartbeat(settings(server, interval_s=0.02), lasting=True).start()
    assert server.wait_for(4)[:4] == ["/start", "", "", ""]
    beat.end(130)
    assert server.paths[-1] == "/130"


def test_a_job_does_not_claim_success_before_its_end(server):
    beat = Heartbeat(settings(server, interval_s=0.01), lasting=False).start()
    server.wait_for(1)
    server.wait_for(2, seconds=0.2)
    assert server.paths == ["/start"]
    beat.end(0)


def test_a_server_that_hangs_delays_the_end_by_no_more_than_its_limit(server):
    server.hang.clear()
    began = time.monotonic()
    beat = Heartbeat(settings(server, timeout_s=0.3), lasting=False).start()
    started_s = time.monotonic() - began
    beat.end(0)
    assert started_s < 0.2
    assert time.monotonic() - began < 1.5


def test_a_server_that_is_gone_is_said_once_and_without_its_url(logs):
    secret = HeartbeatSettings(url="http://127.0.0.1:9/s3cr3t-uuid", interval_s=0.02)
    beat = Heartbeat(secret, lasting=True, name="consume").start()
    deadline = time.monotonic() + 5
    while not any(one.get("command") == "consume" for one in logs) and time.monotonic() < deadline:
        time.sleep(0.01)  # allow no-bare-sleep: polls with a deadline
    beat.end(0)
    said = [one for one in logs if one.get("command") == "consume"]
    assert [one["why"] for one in said] == ["ConnectError"]
    assert "s3cr3t" not in str(said)


def test_a_refusal_is_said_with_its_status(server, logs):
    server.status = 404
    Heartbeat(settings(server), lasting=False).start().end(0)
    assert [one["why"] for one in logs if one["event"] == "heartbeat_not_taken"] == ["HTTP 404"]


def test_without_a_url_nothing_is_started():
    before = threading.active_count()
    beat = Heartbeat(HeartbeatSettings(), lasting=True).start()
    assert threading.active_count() == before
    beat.end(0)


def test_a_command_pings_its_exit_code(server, tmp_path):
    """`preflight --only` with a category that is none ends with 2, and says so."""
    command = [sys.executable, "-m", "alchemiser_cli", "--home", str(tmp_path / "home")]
    command += ["--set", f"heartbeat.url={server.url}", "preflight", "--only", "state"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert server.paths == ["/start", f"/{done.returncode}"], done.stderr.decode()
