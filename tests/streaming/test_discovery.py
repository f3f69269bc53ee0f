"""Commands of one home find the served cluster, and are not misled by a dead one."""

import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

import alchemiser_cli
from alchemiser_cli.errors import (
    BrokerUnreachableError,
    DiskFullError,
    EmbeddedBrokerRunningError,
    HomeNotWritableError,
)
from alchemiser_cli.settings.sections import KafkaSettings, TopicSettings
from alchemiser_cli.streaming import broker_metadata, find_served, open_cluster, serve

ROOT = Path(alchemiser_cli.__file__).parents[1]
EMBEDDED = KafkaSettings()
TOPICS = TopicSettings()
SERVE = """
import sys
from pathlib import Path
from alchemiser_cli.clock import SystemClock
from alchemiser_cli.settings.sections import KafkaSettings, TopicSettings
from alchemiser_cli.streaming import serve
with serve(KafkaSettings(), TopicSettings(), Path(sys.argv[1]), SystemClock()) as serving:
    print(serving.served.bootstrap, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def run_folder(tmp_path):
    return tmp_path / "home" / "run"


@pytest.fixture
def serving_process(run_folder):
    with subprocess.Popen(
        [sys.executable, "-c", SERVE, str(run_folder)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        lines = iter(process.stdout.readline, "")
        process.bootstrap = next(line.strip() for line in lines if line.startswith("127."))
        yield process
        process.kill()


def rewrite(run_folder, **changes):
    path = run_folder / "broker.json"
    path.write_bytes(msgspec.json.encode(msgspec.json.decode(path.read_bytes()) | changes))


def test_a_cluster_served_by_another_process_is_found_and_used(serving_process, run_folder):
    assert find_served(run_folder).pid == serving_process.pid
    with open_cluster(EMBEDDED, TOPICS, run_folder) as cluster:
        assert (cluster.origin, cluster.embedded) == ("served", None)
        assert cluster.bootstrap == serving_process.bootstrap
        assert broker_metadata(EMBEDDED, cluster.bootstrap).topics == {"market.ticks": 4}


@pytest.mark.provokes("embedded-broker-running")
def test_a_second_server_of_one_home_is_refused_and_the_first_goes_on(
    serving_process, run_folder, clock
):
    with (
        pytest.raises(EmbeddedBrokerRunningError, match=str(serving_process.pid)),
        serve(EMBEDDED, TOPICS, run_folder, clock),
    ):
        pass
    assert find_served(run_folder).pid == serving_process.pid


@pytest.mark.provokes("stale-run-file")
def test_the_run_file_of_a_killed_server_is_removed_with_a_warning(
    serving_process, run_folder, logs
):
    serving_process.send_signal(signal.SIGKILL)
    serving_process.wait(10)
    assert (run_folder / "broker.json").exists()
    assert find_served(run_folder) is None
    assert [(log["level"], log["code"]) for log in logs] == [("warning", "stale-run-file")]
    assert not (run_folder / "broker.json").exists()


@pytest.mark.provokes("stale-run-file")
@pytest.mark.parametrize(
    "changes",
    [
        {"process_start": 1},  # the number now belongs to another process
        {"boot_id": "another start of this machine"},
        {"pid": 2**22 + 1},  # above the largest process id
        {"pid": "not a number"},
    ],
)
def test_a_run_file_that_fits_no_living_process_is_stale(run_folder, clock, changes, logs):
    with serve(EMBEDDED, TOPICS, run_folder, clock):
        rewrite(run_folder, **changes)
        assert find_served(run_folder) is None
        assert logs[-1]["code"] == "stale-run-file"


@pytest.mark.provokes("stale-run-file")
def test_a_malformed_run_file_does_not_keep_a_server_from_starting(run_folder, clock):
    run_folder.mkdir(parents=True)
    (run_folder / "broker.json").write_text("{torn")
    with serve(EMBEDDED, TOPICS, run_folder, clock) as serving:
        assert find_served(run_folder) == serving.served


def test_the_run_file_is_private_and_goes_with_the_server(run_folder, clock):
    with serve(EMBEDDED, TOPICS, run_folder, clock) as serving:
        path = run_folder / "broker.json"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(run_folder.stat().st_mode) == 0o700
        assert serving.served.pid == os.getpid()
        assert serving.served.topics == ("market.ticks",)
    assert not path.exists()
    assert find_served(run_folder) is None


@pytest.mark.provokes("broker-unreachable")
def test_a_served_cluster_that_is_down_is_not_replaced_by_an_empty_own_one(run_folder, clock):
    with serve(EMBEDDED, TOPICS, run_folder, clock) as serving:
        serving.embedded.broker_down()
        assert find_served(run_folder) is None
        with pytest.raises(BrokerUnreachableError), open_cluster(EMBEDDED, TOPICS, run_folder):
            pass
        serving.embedded.broker_up()
        with open_cluster(EMBEDDED, TOPICS, run_folder) as cluster:
            assert cluster.origin == "served"


def test_without_a_server_an_own_cluster_lives_as_long_as_the_block(run_folder):
    with open_cluster(EMBEDDED, TOPICS, run_folder) as cluster:
        assert cluster.origin == "own"
        assert broker_metadata(EMBEDDED, cluster.bootstrap).topics == {"market.ticks": 4}
        bootstrap = cluster.bootstrap
    quick = KafkaSettings(request_timeout_s=0.2)
    with pytest.raises(BrokerUnreachableError):
        broker_metadata(quick, bootstrap)
    assert not run_folder.exists()


def test_external_mode_takes_the_bootstrap_of_the_settings(run_folder):
    settings = KafkaSettings(mode="external", bootstrap="kafka.example:9092")
    with open_cluster(settings, TOPICS, run_folder) as cluster:
        assert (cluster.bootstrap, cluster.origin) == ("kafka.example:9092", "external")


@pytest.mark.provokes("home-not-writable")
def test_a_run_folder_that_cannot_be_made_is_a_coded_error(tmp_path, clock):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(HomeNotWritableError),
        serve(EMBEDDED, TOPICS, tmp_path / "file" / "run", clock),
    ):
        pass


@pytest.mark.provokes("disk-full")
def test_a_full_disk_is_a_coded_error_and_leaves_no_file(run_folder, clock, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(DiskFullError), serve(EMBEDDED, TOPICS, run_folder, clock):
        pass
    assert [path.name for path in run_folder.iterdir()] == [".broker.lock"]
