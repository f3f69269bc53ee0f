"""A log session over real files, and what it wrote."""

import io
import json

import pytest

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.logs import CHANNELS, channel_file, log_session
from alchemiser_cli.settings import LogSettings


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "home" / "logs"


@pytest.fixture
def stderr():
    return io.StringIO()


@pytest.fixture
def session(folder, stderr):
    """Open a session; keyword arguments are those of ``log_session`` and of the log settings."""

    def open_session(stream=None, **options):
        names = set(LogSettings.model_fields) & set(options)
        settings = LogSettings(**{name: options.pop(name) for name in names})
        return log_session(
            settings,
            folder,
            ManualClock(),
            **({"run_id": "r1", "command": "consume", "stderr": stream or stderr} | options),
        )

    return open_session


@pytest.fixture
def records(folder):
    """Read the records of one channel, or of all, without those of the session itself."""

    def read(channel=None, *, own=False):
        found = []
        for name in [channel] if channel else CHANNELS:
            file = channel_file(folder, name)
            text = file.read_text(encoding="utf-8") if file.exists() else ""
            found += [json.loads(line) for line in text.splitlines()]
        return [one for one in found if own or one.get("component") != "logs"]

    return read
