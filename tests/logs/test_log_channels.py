"""Each record lands in the file of its channel, complete, private, and only during a session."""

import logging
import os
import subprocess
import sys
import threading
from datetime import datetime

import pytest

from alchemiser_cli.errors import HomeNotWritableError
from alchemiser_cli.logs import CHANNELS, channel_file, get_logger, session_is_open


def test_a_record_of_each_channel_is_in_exactly_its_file(session, records):
    with session():
        for channel in CHANNELS:
            get_logger(channel, f"part-{channel}").info("happened", number=1)
    for channel in CHANNELS:
        (record,) = records(channel)
        assert record["channel"] == channel
        assert record["component"] == f"part-{channel}"
        assert (record["event"], record["level"], record["number"]) == ("happened", "info", 1)
        assert (record["run_id"], record["command"]) == ("r1", "consume")
        assert datetime.fromisoformat(record["at"]).utcoffset().total_seconds() == 0


def test_one_record_says_which_channel_writes_to_which_file(session, records, folder):
    with session():
        get_logger("trading", "desk").info("happened")
    (record,) = records("application", own=True)
    assert record["event"] == "log_channels"
    assert record["files"] == {name: str(channel_file(folder, name)) for name in CHANNELS}


def test_records_of_other_threads_name_the_run_too(session, records):
    with session():
        logger = get_logger("api", "worker")
        thread = threading.Thread(target=lambda: logger.info("happened"))
        thread.start()
        thread.join()
    assert records("api")[0]["run_id"] == "r1"
    assert records("api")[0]["command"] == "consume"


def test_a_logger_made_before_the_session_and_one_kept_after_it_both_work(session, records):
    logger = get_logger("api", "early")
    logger.warning("before")
    with session():
        logger.info("during")
    logger.warning("between")
    with session(run_id="r2"):
        logger.info("again")
    assert [(one["event"], one["run_id"]) for one in records("api")] == [
        ("during", "r1"),
        ("again", "r2"),
    ]


def test_without_a_session_records_lead_nowhere(capfd):
    assert not session_is_open()
    get_logger("error", "desk").error("happened")
    assert capfd.readouterr() == ("", "")


def test_an_open_session_is_known_as_such(session):
    with session():
        assert session_is_open()
    assert not session_is_open()


def test_the_end_of_a_session_writes_everything_that_was_queued(session, records):
    with session(stderr_level=logging.ERROR):
        logger = get_logger("market_data", "feed")
        for number in range(3_000):
            logger.info("tick", number=number)
    assert [one["number"] for one in records("market_data")] == list(range(3_000))


def test_a_session_that_ends_with_an_error_is_written_too(session, records):
    def failing():
        with session():
            get_logger("error", "desk").error("happened")
            raise KeyError

    with pytest.raises(KeyError):
        failing()
    assert len(records("error")) == 1
    assert not session_is_open()


@pytest.mark.parametrize(
    ("level", "kept"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_records_below_the_level_are_not_kept(level, kept, session, records):
    with session(level=level):
        for name in ("debug", "info", "warning", "error"):
            getattr(get_logger("api", "desk"), name)("happened")
    assert [one["level"] for one in records("api")] == kept


def test_a_traceback_is_in_the_file_and_not_on_the_console(session, records, stderr):
    with session():
        try:
            {}["missing"]
        except KeyError:
            get_logger("error", "desk").exception("failed")
    assert "KeyError: 'missing'" in records("error")[0]["exception"]
    assert "failed" in stderr.getvalue()
    assert "KeyError" not in stderr.getvalue()


def test_what_main_shows_itself_is_not_shown_twice(session, records, stderr):
    with session():
        get_logger("error", "desk").error("failed", shown_by_main=True)
    assert [one["event"] for one in records("error")] == ["failed"]
    assert "shown_by_main" not in records("error")[0]
    assert stderr.getvalue() == ""


def test_the_console_shows_short_lines_for_people(session, stderr):
    with session():
        get_logger("api", "desk").info("too quiet")
        get_logger("api", "desk").warning("broker_slow", seconds=3)
    assert stderr.getvalue() == "22:13:20 warning  broker_slow  component=desk seconds=3\n"


def test_only_the_owner_may_read_the_folder_and_the_files(session, folder):
    before = os.umask(0)
    try:
        with session():
            for channel in CHANNELS:
                get_logger(channel, "desk").info("happened")
    finally:
        os.umask(before)
    for one in (folder.parent, folder):
        assert one.stat().st_mode & 0o777 == 0o700
    files = list(folder.iterdir())
    assert {channel_file(folder, name) for name in CHANNELS} <= set(files)
    for file in files:
        assert file.stat().st_mode & 0o777 == 0o600, file


def test_a_file_comes_into_being_with_its_first_record(session, folder):
    with session():
        get_logger("audit", "desk").info("happened")
    assert sorted(file.name for file in folder.glob("*.jsonl")) == [
        "application.jsonl",
        "audit.jsonl",
    ]


@pytest.mark.provokes("home-not-writable")
def test_a_folder_that_cannot_be_made_is_told(session, tmp_path):
    (tmp_path / "home").touch()
    with pytest.raises(HomeNotWritableError) as caught, session():
        pass
    assert caught.value.context == {"folder": str(tmp_path / "home" / "logs")}
    assert not session_is_open()


def test_importing_creates_and_prints_nothing(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    script = (
        "import alchemiser_cli.logs as logs\nlogs.get_logger('api', 'desk').warning('happened')\n"
    )
    places = {"HOME": str(empty), "XDG_STATE_HOME": str(empty), "TMPDIR": str(empty)}
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=empty,
        env=os.environ | places,
    )
    assert (done.stdout, done.stderr) == ("", "")
    assert list(empty.iterdir()) == []


def test_sessions_that_start_together_do_not_trip_over_each_other(tmp_path):
    script = (
        "import sys; from pathlib import Path\n"
        "from alchemiser_cli.logs.session import _make_folder\n"
        "for _ in range(300): _make_folder(Path(sys.argv[1]))\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "home" / "logs")]
    together = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    assert [one.communicate(timeout=60)[1] for one in together] == ["", "", ""]
