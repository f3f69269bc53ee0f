"""The delay of a 200-byte message through iceoryx2's publish-subscribe, between two processes.

Only a yardstick for ``shm.py``; iceoryx2 is not needed for anything else. The message is a plain C
struct: nothing is encoded, checked or decoded, and nothing survives a killed publisher.
"""

import ctypes
import importlib
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from alchemiser_cli.clock import Clock, SystemClock

__all__ = ["available", "measure", "watch"]

TEXT = 184
GAP_NS = 500_000
PATIENCE_NS = 30_000_000_000


class Message(ctypes.Structure):
    """A message of 200 bytes with the monotonic time at which its publication began."""

    _fields_ = (
        ("number", ctypes.c_uint64),
        ("sent_ns", ctypes.c_uint64),
        ("text", ctypes.c_char * TEXT),
    )


def available() -> bool:
    """Tell whether iceoryx2 is installed."""
    return importlib.util.find_spec("iceoryx2") is not None


def measure(clock: Clock, messages: int) -> list[int]:
    """Return the delay of each message that a spinning child saw, in nanoseconds, in order."""
    name = f"alchemiser-bench-{os.getpid()}"
    node, service = _service(name)
    publisher = service.publisher_builder().create()
    script = [sys.executable, __file__, name, str(messages)]
    with subprocess.Popen(script, stdout=subprocess.PIPE, cwd=Path(__file__).parent) as child:
        if child.stdout is None or child.stdout.readline() != b"ready\n":
            raise RuntimeError("the reading process did not start")
        for number in range(1, messages + 1):
            pause_ns = clock.monotonic_ns() + GAP_NS
            while clock.monotonic_ns() < pause_ns:
                pass
            message = Message(number, clock.monotonic_ns(), b"x" * (TEXT - 1))
            publisher.loan_uninit().write_payload(message).send()
        answer, _ = child.communicate(timeout=60)
    del publisher, service, node
    return sorted(json.loads(answer))


def watch(name: str, messages: int, clock: Clock) -> None:
    """Spin until the last message came, and write each one's delay to standard output."""
    node, service = _service(name)
    receive = service.subscriber_builder().create().receive
    os.write(1, b"ready\n")
    taken: list[int] = []
    give_up_ns = clock.monotonic_ns() + PATIENCE_NS
    while clock.monotonic_ns() < give_up_ns:
        sample = receive()
        if sample is not None:
            message = sample.payload().contents
            taken.append(clock.monotonic_ns() - message.sent_ns)
            if message.number == messages:
                break
    os.write(1, json.dumps(taken).encode())
    del service, node


def _service(name: str) -> tuple[Any, Any]:
    iox = importlib.import_module("iceoryx2")
    iox.set_log_level(iox.LogLevel.Error)
    node = iox.NodeBuilder.new().create(iox.ServiceType.Ipc)
    builder = node.service_builder(iox.ServiceName.new(name)).publish_subscribe(Message)
    return node, builder.open_or_create()


if __name__ == "__main__":
    watch(sys.argv[1], int(sys.argv[2]), SystemClock())
