"""A proxy in one terminal, and the fault that breaks it from another."""

import json
import signal
import socket
import threading
import time
from contextlib import contextmanager

import pytest

from alchemiser_cli.exits import ExitCode


@contextmanager
def echoing():
    """Run a service that says again what it hears; yield HOST:PORT."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            while True:
                try:
                    one, _ = server.accept()
                except OSError:
                    return
                with one:
                    while data := one.recv(4_096):
                        one.sendall(data)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield "{}:{}".format(*server.getsockname())
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def until(condition, within_s=15.0):
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)  # allow no-bare-sleep: polls with the deadline above


def test_a_fault_from_another_terminal_reaches_the_proxy_and_ends(process, cli):
    with echoing() as service:
        running = process("chaos", "proxy", "--name", "db", "--to", service, "-o", "json")
        opening = ""
        while not opening.endswith("}\n"):
            opening += running.stdout.readline()
        told = json.loads(opening)
        assert told["target"] == "proxy.db"
        host, _, port = told["listen"].rpartition(":")
        with socket.create_connection((host, int(port)), timeout=10) as one:

            def took_s():
                begun = time.monotonic()
                one.sendall(b"ping")
                assert one.recv(4) == b"ping"
                return time.monotonic() - begun

            took_s()
            injected = cli(
                "chaos", "inject", "proxy.db", "delay", "--amount", "0.2", "--duration", "30"
            )
            assert injected.exit_code == ExitCode.OK, injected.output
            until(lambda: took_s() > 0.3)
            assert cli("chaos", "stop", "proxy.db").exit_code == ExitCode.OK
            until(lambda: took_s() < 0.3)
        running.send_signal(signal.SIGINT)
        assert running.wait(10) == ExitCode.INTERRUPTED


@pytest.mark.provokes("proxy-failed")
def test_a_port_that_is_taken_ends_the_command_and_says_why(cli):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = "{}:{}".format(*taken.getsockname())
        result = cli("chaos", "proxy", "--name", "late", "--listen", listen, "--to", ":1")
    assert result.exit_code == ExitCode.FAILED
    assert "proxy.late cannot listen" in result.output


@pytest.mark.provokes("fault-target-not-found")
def test_a_name_that_no_target_can_have_is_refused(cli):
    result = cli("chaos", "proxy", "--name", "My DB", "--to", ":1")
    assert result.exit_code == ExitCode.NOT_FOUND


@pytest.mark.provokes("usage")
def test_what_is_no_address_is_refused_before_anything_listens(cli):
    result = cli("chaos", "proxy", "--name", "db", "--to", "nowhere")
    assert result.exit_code == ExitCode.USAGE
