"""Running the command line in this process or in another, and masking what differs each time."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from alchemiser_cli.app import app

MASKS = [
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:\+00:00|Z)"), "<time>"),
    (re.compile(r"next open \d{4}-\d\d-\d\d \d\d:\d\d UTC"), "next open <time>"),
    (re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1:<port>"),
    (re.compile(r" *\b\d+(?:\.\d+)? m?s\b"), " <duration>"),
    (re.compile(r" *[\d,]+/s\b"), " <rate>"),
    (re.compile(r"\b\d+ MB free"), "<n> MB free"),
    (
        re.compile(r'("(?:duration_ms|duration_s|throughput_per_s|p50|p99)": )[\d.e-]+'),
        r"\1<number>",
    ),
    (re.compile(r"Python 3\.\d+\.\d+"), "Python <version>"),
    (re.compile(r"librdkafka \d+\.\d+\.\d+"), "librdkafka <version>"),
    (re.compile(r"\b\d{4,} files\b"), "<n> files"),
]


@pytest.fixture
def home(tmp_path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def cli(home, monkeypatch):
    """Run one command line in this process, with a home of the test's own."""
    monkeypatch.setenv("ALCHEMISER_HOME", str(home))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")

    def run(*arguments):
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return run


@pytest.fixture
def process(home, monkeypatch):
    """Start one command line in a process of its own; killed at the end if it still runs."""
    started = []

    def start(*arguments, **options):
        environment = os.environ | {"ALCHEMISER_HOME": str(home), "NO_COLOR": "1"}
        command = [sys.executable, "-m", "alchemiser_cli", *map(str, arguments)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        one = subprocess.Popen(command, env=environment, **(pipes | options))
        started.append(one)
        return one

    yield start
    for one in started:
        one.kill()
        one.communicate()


@pytest.fixture
def masked(home, tmp_path):
    """Replace what differs between runs and machines by names."""

    def mask(text):
        # Longest first: the home lies in the temporary folder.
        for path, name in ((home, "HOME"), (tmp_path, "TMP"), (sys.prefix, "VENV")):
            text = text.replace(str(path), name)
        text = text.replace(tempfile.gettempdir(), "TMPDIR")
        for pattern, name in MASKS:
            text = pattern.sub(name, text)
        return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"

    return mask
