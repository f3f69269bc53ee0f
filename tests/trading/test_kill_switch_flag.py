"""The kill switch stops trading when it is set, and whenever it cannot be read."""

import json
import os
import stat
import subprocess
import sys

import msgspec
import pytest

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.errors import (
    KillSwitchActiveError,
    KillSwitchUnreadableError,
    ValidationError,
)
from alchemiser_cli.shm.files import segment_names
from alchemiser_cli.trading.kill_switch import KillSwitch, KillSwitchRecord, require_inactive
from alchemiser_cli.trading.kill_switch.flag import flag_file
from alchemiser_cli.trading.kill_switch.record import write_record


@pytest.fixture
def shm(tmp_path):
    folder = tmp_path / "shm"
    folder.mkdir()
    return folder


@pytest.fixture
def file(tmp_path):
    return tmp_path / "home" / "run" / "kill_switch.json"


@pytest.fixture
def attach(shm, file):
    """Attach one more process's view of the switch."""
    return lambda: KillSwitch(shm, file, ManualClock())


def test_a_new_home_has_a_clear_switch_in_both_places(attach, shm, file):
    assert not attach().active
    assert json.loads(file.read_text())["state"] == "clear"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(flag_file(shm, file).stat().st_mode) == 0o600


def test_the_flag_is_no_segment_of_weights(attach, shm):
    attach()

    assert segment_names(shm) == []


def test_every_process_sees_it_set_and_cleared_at_once(attach, logs):
    desk, operator = attach(), attach()

    state = operator.set("a wrong price", "trade halt")

    assert desk.active
    assert (state.active, state.reason, state.by) == (True, "a wrong price", "trade halt")
    operator.clear("the feed is mended", "operator")
    assert not desk.active
    assert not desk.refresh()
    events = [line["event"] for line in logs]
    assert events == ["KILL_SWITCH_SET", "KILL_SWITCH_CLEARED"]


def test_it_is_read_in_another_process(attach, shm, file):
    switch = attach()
    switch.set("stop", "me")
    script = (
        "import sys; from pathlib import Path; from alchemiser_cli.clock import SystemClock; "
        "from alchemiser_cli.trading.kill_switch import KillSwitch; "
        "s = KillSwitch(Path(sys.argv[1]), Path(sys.argv[2]), SystemClock()); "
        "sys.stdout.write(f'{s.active}'); s.clear('mended', 'other')"
    )

    said = subprocess.run(
        [sys.executable, "-c", script, str(shm), str(file)], capture_output=True, check=True
    )

    assert said.stdout == b"True"
    assert not switch.refresh()
    assert switch.state().by == "other"


def test_it_survives_a_reboot(attach, shm, file):
    """Shared memory is empty then; the file is not."""
    attach().set("stop", "me")
    flag_file(shm, file).unlink()

    assert attach().active


def test_a_clear_switch_is_clear_after_a_reboot(attach, shm, file):
    attach()
    flag_file(shm, file).unlink()

    assert not attach().active


@pytest.mark.parametrize("word", [b"\0" * 8, b"\xff" * 8, b"RUNNING?"])
def test_any_other_word_stops(attach, shm, file, word):
    switch = attach()
    flag_file(shm, file).write_bytes(word)  # the same inode

    assert switch.active
    assert attach().active


@pytest.mark.parametrize("content", [b"", b"{", b'{"state":"maybe"}', b"\xff\xfe"])
def test_a_file_that_cannot_be_understood_stops(attach, file, content):
    running = attach()
    file.write_bytes(content)

    state = attach().state()

    assert state.active
    assert not state.readable
    assert "no record" in state.evidence
    assert running.refresh()


def test_a_folder_in_the_place_of_the_file_stops(attach, file):
    file.mkdir(parents=True)

    assert attach().active


@pytest.mark.parametrize("mode", [0o644, 0o000])
def test_a_flag_of_another_mode_stops(attach, shm, file, mode):
    attach()
    flag_file(shm, file).chmod(mode)

    assert attach().active


def test_a_truncated_flag_is_never_mapped(attach, shm, file):
    attach()
    os.truncate(flag_file(shm, file), 0)

    assert attach().active


def test_a_folder_that_is_not_there_stops(tmp_path, file):
    switch = KillSwitch(tmp_path / "none", file, ManualClock())

    assert switch.active
    assert "cannot be made" in switch.state().evidence


def test_set_wins_where_flag_and_file_disagree(attach, shm, file):
    switch = attach()
    write_record(file, _record(file, state="set"))

    assert not switch.active  # one read of memory
    assert switch.refresh()
    assert flag_file(shm, file).read_bytes() == bytes(8)  # now for everybody


def test_a_stop_is_not_lost_with_the_flag_or_the_file(attach, shm, file):
    switch = attach()
    switch.set("stop", "me")
    file.unlink()
    flag_file(shm, file).unlink()

    assert switch.refresh()
    assert attach().active


def test_a_reader_follows_a_flag_that_was_replaced(attach, shm, file):
    reader = attach()
    flag_file(shm, file).unlink()
    operator = attach()  # makes another one
    operator.set("stop", "me")

    assert not reader.active  # it maps the old one
    assert reader.refresh()
    operator.clear("mended", "me")
    assert not reader.active


def test_a_flag_that_is_gone_is_made_again_as_it_was(attach, shm, file):
    running = attach()
    flag_file(shm, file).unlink()

    assert not running.refresh()
    assert flag_file(shm, file).exists()


@pytest.mark.provokes("kill-switch-unreadable")
def test_it_is_set_although_the_disk_is_full(attach, file, monkeypatch):
    """The word holds; what the disk refused is written when it takes it."""
    desk, operator = attach(), attach()
    with monkeypatch.context() as full:
        full.setattr("alchemiser_cli.trading.kill_switch.switch.write_record", _no_room)
        with pytest.raises(KillSwitchUnreadableError, match="only in memory") as caught:
            operator.set("stop", "me")
        assert desk.active
        assert operator.refresh()
    assert caught.value.context["in_memory"] is True
    assert json.loads(file.read_text())["state"] == "clear"

    assert operator.refresh()
    assert json.loads(file.read_text())["state"] == "set"


def test_it_is_set_although_shared_memory_is_gone(tmp_path, file):
    """Only the file is written; whoever attaches sees it."""
    broken = KillSwitch(tmp_path / "none", file, ManualClock())

    assert broken.set("stop", "me").active
    assert json.loads(file.read_text())["state"] == "set"


@pytest.mark.provokes("kill-switch-unreadable")
def test_with_both_gone_the_process_that_sets_it_stops(tmp_path, monkeypatch):
    switch = KillSwitch(tmp_path / "none", tmp_path / "run" / "k.json", ManualClock())
    monkeypatch.setattr("alchemiser_cli.trading.kill_switch.switch.write_record", _no_room)

    with pytest.raises(KillSwitchUnreadableError, match="only this process"):
        switch.set("stop", "me")

    (tmp_path / "none").mkdir()
    assert switch.refresh()


@pytest.mark.provokes("validation-failed")
@pytest.mark.parametrize("reason", ["", "  \n"])
def test_it_is_not_cleared_without_a_reason(attach, reason):
    switch = attach()
    switch.set("stop", "me")

    with pytest.raises(ValidationError):
        switch.clear(reason, "me")
    assert switch.active


@pytest.mark.provokes("kill-switch-unreadable")
def test_it_stays_set_where_the_clearing_cannot_be_written(attach, monkeypatch):
    switch = attach()
    switch.set("stop", "me")
    monkeypatch.setattr("alchemiser_cli.trading.kill_switch.switch.write_record", _no_room)

    with pytest.raises(KillSwitchUnreadableError, match="stays set"):
        switch.clear("mended", "me")
    assert switch.active


@pytest.mark.provokes("kill-switch-active")
def test_what_must_not_happen_while_it_is_set_is_refused_with_its_reason(attach):
    switch = attach()
    require_inactive(switch)
    switch.set("a wrong price", "risk")

    with pytest.raises(KillSwitchActiveError) as caught:
        require_inactive(switch, "a start")
    assert caught.value.what == "a start is stopped by the kill switch"
    assert caught.value.why == "It was set by risk: a wrong price."


@pytest.mark.provokes("kill-switch-unreadable")
def test_what_cannot_be_read_is_refused_with_its_evidence(attach, file):
    attach()
    file.write_bytes(b"{")

    with pytest.raises(KillSwitchUnreadableError) as caught:
        require_inactive(attach())
    assert str(file) in caught.value.why


def test_a_closed_switch_is_active(attach):
    switch = attach()
    switch.close()

    assert switch.active
    assert switch.refresh()
    assert not attach().active


def test_a_file_that_is_gone_does_not_stop_and_is_written_again(attach, file):
    """Nothing says stop: the flag runs, and setting writes the flag before the file."""
    switch = attach()
    file.unlink()

    assert not switch.refresh()
    assert not attach().active
    assert file.exists()


def _no_room(_file, _record):
    raise OSError(28, os.strerror(28))


def _record(file, **changes):

    found = msgspec.json.decode(file.read_bytes(), type=KillSwitchRecord)
    return msgspec.structs.replace(found, **changes)
