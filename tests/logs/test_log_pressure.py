"""Under pressure: storms, full queues, full disks, rotation, several processes."""

import json
import logging
import os
import subprocess
import sys
import threading
import time

import pytest

from alchemiser_cli.logs import get_logger
from alchemiser_cli.logs import session as session_module

PAYLOAD = "x" * 1_000


def _read(file):
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def _shown(stderr, event):
    return [line for line in stderr.getvalue().splitlines() if event in line]


def test_a_storm_is_shown_three_times_then_at_its_10th_and_100th(session, records, stderr):
    with session():
        for number in range(1, 251):
            get_logger("error", "desk").error("storm", number=number)
    assert [line.split("number=")[1] for line in _shown(stderr, "storm")] == [
        "1",
        "2",
        "3",
        "10 so_far=10",
        "100 so_far=100",
    ]
    assert len(records("error")) == 250


def test_storms_are_told_apart_by_event_code_and_channel(session, stderr):
    with session():
        for _ in range(5):
            get_logger("error", "desk").error("storm", code="one")
            get_logger("error", "desk").error("storm", code="two")
            get_logger("api", "desk").error("storm", code="one")
    assert len(_shown(stderr, "storm")) == 9


def test_with_verbose_every_record_is_shown(session, stderr):
    with session(stderr_level=logging.DEBUG):
        for _ in range(20):
            get_logger("error", "desk").error("storm")
    assert len(_shown(stderr, "storm")) == 20


@pytest.fixture
def pipe():
    """A console that nobody reads until the test does: its writer blocks when it is full."""
    read, write = os.pipe()
    stream = os.fdopen(write, "w", encoding="utf-8")
    reader = os.fdopen(read, encoding="utf-8")
    yield stream, reader
    stream.close()
    reader.close()


def test_a_full_queue_drops_and_counts_and_never_blocks(session, records, pipe, monkeypatch):
    monkeypatch.setattr(session_module, "QUEUE_LENGTH", 50)
    stream, reader = pipe
    drained = threading.Thread(target=lambda: all(reader))
    with session(stream, stderr_level=logging.DEBUG):
        logger = get_logger("trading", "desk")
        started = time.monotonic()
        for number in range(1_000):
            logger.warning("order", number=number, payload=PAYLOAD)
        assert time.monotonic() - started < 10
        drained.start()
    stream.close()
    drained.join(10)
    numbers = [one["number"] for one in records("trading")]
    assert numbers == sorted(numbers)
    assert len(numbers) < 1_000
    (told,) = [one for one in records(own=True) if one["event"] == "log_records_dropped"]
    assert told["dropped"] == 1_000 - len(numbers)
    assert (told["level"], told["run_id"]) == ("warning", "r1")


HUNG = """
import logging, os, sys, time
from pathlib import Path
from alchemiser_cli.clock import SystemClock
from alchemiser_cli.logs import get_logger, log_session, session
from alchemiser_cli.settings import LogSettings

session.FLUSH_TIMEOUT_S = 0.2
session.QUEUE_LENGTH = int(sys.argv[2])
read, write = os.pipe()
hung = os.fdopen(write, "w")
started = time.monotonic()
with log_session(LogSettings(), Path(sys.argv[1]), SystemClock(), run_id="r", command="c",
                 stderr_level=logging.DEBUG, stderr=hung):
    for _ in range(500):
        get_logger("trading", "desk").warning("order", payload="x" * 1000)
print(time.monotonic() - started < 20, flush=True)
os._exit(0)
"""


@pytest.mark.parametrize("length", [50, 10_000])
def test_an_output_that_hangs_does_not_hold_up_the_end_for_ever(length, folder):
    command = [sys.executable, "-c", HUNG, str(folder), str(length)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "True\n"


def test_a_file_is_rotated_at_its_size_and_only_so_many_are_kept(session, folder):
    with session(max_megabytes=1, keep_files=2):
        logger = get_logger("market_data", "feed")
        for number in range(4_500):
            logger.info("tick", number=number, payload=PAYLOAD)
    files = sorted(folder.glob("market_data.jsonl*"))
    assert [file.name for file in files] == [
        "market_data.jsonl",
        "market_data.jsonl.1",
        "market_data.jsonl.2",
    ]
    for file in files:
        assert file.stat().st_size <= 1_000_000 + 2 * len(PAYLOAD)  # by the last line
        assert file.stat().st_mode & 0o777 == 0o600
    numbers = [one["number"] for file in (*reversed(files[1:]), files[0]) for one in _read(file)]
    assert numbers == list(range(numbers[0], 4_500))


WRITER = """
import sys
from pathlib import Path
from alchemiser_cli.clock import SystemClock
from alchemiser_cli.logs import get_logger, log_session
from alchemiser_cli.settings import LogSettings

settings = LogSettings(max_megabytes=1, keep_files=50)
with log_session(settings, Path(sys.argv[1]), SystemClock(), run_id=sys.argv[2], command="c"):
    logger = get_logger("market_data", "feed")
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(int(sys.argv[3])):
        logger.info("tick", number=number, payload="x" * 1000)
"""


def test_processes_that_rotate_one_file_lose_no_line(folder):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(folder), run, "1500"], **pipes)
        for run in ("one", "two")
    ]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.stdin.write("\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate(timeout=60)
    files = list(folder.glob("market_data.jsonl*"))
    found = sorted((one["run_id"], one["number"]) for file in files for one in _read(file))
    assert found == [(run, number) for run in ("one", "two") for number in range(1_500)]
    assert len(files) >= 3


FULL = """
import resource, sys
from pathlib import Path
from alchemiser_cli.clock import SystemClock
from alchemiser_cli.logs import get_logger, log_session
from alchemiser_cli.settings import LogSettings

resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
with log_session(LogSettings(), Path(sys.argv[1]), SystemClock(), run_id="r", command="c"):
    for number in range(100):
        get_logger("market_data", "feed").info("tick", number=number, payload="x" * 1000)
    get_logger("api", "desk").info("other")
print("done")
"""


def test_a_file_that_takes_no_more_is_told_once_and_does_not_break_the_caller(folder):
    command = [sys.executable, "-c", FULL, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
    (line,) = done.stderr.splitlines()
    assert "log_file_unwritable" in line
    assert str(folder / "market_data.jsonl") in line
    assert "File too large" in line
    kept = (folder / "market_data.jsonl").read_text().splitlines()
    assert len(kept) >= 15
    assert [json.loads(text)["number"] for text in kept[:-1]] == list(range(len(kept) - 1))
    assert "other" in (folder / "api.jsonl").read_text()
