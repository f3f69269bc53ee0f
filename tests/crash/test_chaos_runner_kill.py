"""A runner of an experiment that is killed: the next look takes back what it left."""

import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

from alchemiser_cli.chaos.experiments.runs import RunStore
from alchemiser_cli.clock import SystemClock
from alchemiser_cli.state import StateDatabase

TESTS = Path(__file__).parents[1]

RUNNER = """
import sys
sys.path.insert(0, sys.argv.pop(1))
from counting_workload import CountingWorkload
from alchemiser_cli.chaos.workloads.registry import WORKLOADS
WORKLOADS["counting"] = "counting_workload:CountingWorkload"
from alchemiser_cli.app import main
main()
"""


def alchemiser(home, *arguments, **options):
    command = [sys.executable, "-c", RUNNER, str(TESTS / "chaos"), *arguments]
    environment = os.environ | {"ALCHEMISER_HOME": str(home), "OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=environment, **(pipes | options))


def test_its_faults_are_ended_its_rollbacks_run_and_its_scratch_home_goes(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(TESTS / "chaos")
    from experiment_files import document, outage, step

    home = tmp_path / "home"
    folder = home / "configs" / "experiments"
    folder.mkdir(parents=True)
    made = document(outage(600), step("work_for", seconds=600))
    (folder / "long-outage.json").write_text(json.dumps(made))
    with alchemiser(home, "chaos", "run", "long-outage") as runner:
        guard = threading.Timer(30, runner.kill)  # a runner that says nothing fails the test
        guard.start()
        said = ""
        while "work_for" not in said:
            said = runner.stderr.readline()
            assert said, "the runner ended before its time"
        runner.kill()
        guard.cancel()
    database = StateDatabase(f"sqlite:///{home}/state.db", SystemClock())
    (row,) = RunStore(database, SystemClock()).under_way()
    scratch = Path(row.folder)
    assert scratch.is_dir()

    status = alchemiser(home, "chaos", "status", "-o", "json")
    out, told = status.communicate(timeout=30)
    assert status.returncode == 0, told
    json.loads(out)  # one document, and nothing else
    assert re.search(r"the runner of 'The registry is away' .* is gone", told)
    assert "the fault at registry.get was ended" in told
    assert "rollback: stop_faults it: succeeded" in told
    assert f"its scratch home {scratch} was removed" in told
    assert not scratch.exists()
    after = RunStore(database, SystemClock())
    assert after.under_way() == []
    assert after.find(row.id).state == "abandoned"
    database.close()

    again = alchemiser(home, "chaos", "status")
    _, told = again.communicate(timeout=30)
    assert "is gone" not in told  # once is enough
