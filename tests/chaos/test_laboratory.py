"""Laboratories: a private scratch home, reached by faults, with people to tell; gone at the end."""

import subprocess
import sys
import threading

import pytest

from alchemiser_cli.chaos.asking import asked
from alchemiser_cli.chaos.laboratory import ScratchLaboratory
from alchemiser_cli.errors import SettingUnknownError
from alchemiser_cli.faults import fault_point
from alchemiser_cli.state import StateDatabase


def until(holds, seconds=5.0):
    """Poll until it holds."""
    pause = threading.Event()
    for _ in range(round(seconds / 0.02)):
        if holds():
            return True
        pause.wait(0.02)
    return holds()


def test_a_home_of_its_own_that_nobody_else_reads_and_that_goes(tmp_path):
    with ScratchLaboratory({"consumer.batch_size": 7, "plugins": []}) as laboratory:
        home = laboratory.home
        assert home.stat().st_mode & 0o777 == 0o700
        settings = laboratory.settings
        assert settings.home == home
        assert settings.consumer.batch_size == 7
        assert settings.shm.directory == home / "shm"
        assert settings.state_url.endswith(f"{home}/state.db")
        assert settings.chaos.poll_s == pytest.approx(0.1)
    assert not home.exists()


def test_settings_that_are_none_are_refused_and_nothing_stays(tmp_path):
    folder = tmp_path / "laboratory"
    with (
        pytest.raises(SettingUnknownError),
        ScratchLaboratory({"consumer.bach_size": 7}, folder=folder),
    ):
        pass
    assert not folder.exists()


def test_a_folder_that_is_there_already_is_not_taken(tmp_path):
    (tmp_path / "theirs").write_text("precious")
    with pytest.raises(FileExistsError), ScratchLaboratory(folder=tmp_path / "theirs"):
        pass
    assert (tmp_path / "theirs").read_text() == "precious"


def test_faults_of_its_leases_strike_this_process_and_are_over_with_it():
    point = fault_point("registry.get")
    with ScratchLaboratory() as laboratory:
        laboratory.leases.take(
            "registry.get",
            asked("registry.get", "registry-unreachable"),
            duration_s=60,
            environment="development",
            owner="tester",
        )
        assert until(lambda: point.armed is not None)
    assert point.armed is None


def test_what_is_journalled_is_told_through_a_real_channel():
    with ScratchLaboratory() as laboratory:
        laboratory.journal.capture(RuntimeError("a defect"))
        assert until(lambda: len(laboratory.people.taken) > 0)
        assert "internal" in str(laboratory.people.taken[0])


def test_a_child_works_on_the_same_home(monkeypatch, tmp_path):
    program = (
        "import os; from pathlib import Path\n"
        "from alchemiser_cli.settings.resolve import Request, resolve\n"
        "print(resolve(Request(environ=os.environ, dotenv=Path('none'))).settings.home)"
    )
    with ScratchLaboratory(environ={"ALCHEMISER_HOME": "/elsewhere"}) as laboratory:
        environment = laboratory.child_environment()
        printed = subprocess.check_output(
            [sys.executable, "-c", program], env=environment, text=True
        )
        assert printed.strip() == str(laboratory.home)


def test_the_runner_reads_past_faults_of_the_state_database():
    with ScratchLaboratory() as laboratory:
        assert isinstance(laboratory.evidence, StateDatabase)
        fault = asked("state.write", "database-locked")
        laboratory.leases.take(
            "state.write", fault, duration_s=60, environment="development", owner="tester"
        )
        assert until(lambda: fault_point("state.write").armed is not None)
        assert len(laboratory.leases.in_force()) == 1  # nobody else could ask now


def test_an_embedded_kafka_comes_with_its_first_use():
    with ScratchLaboratory() as laboratory:
        assert laboratory.kafka.bootstrap.startswith("127.0.0.1:")
        assert laboratory.kafka is laboratory.kafka
