"""``chaos run``, ``validate`` and ``drill``: what they print, and with which exit code they end."""

import json
from pathlib import Path

import pytest

from alchemiser_cli.chaos.experiments.runs import only_one
from alchemiser_cli.exits import ExitCode

CHAOS = Path(__file__).parents[1] / "chaos"
DEAD_LETTERS = "dead letters"


@pytest.fixture(autouse=True)
def experiments(monkeypatch, home):
    """Experiments of the home on the workload ``counting``, written by ``write``."""
    monkeypatch.syspath_prepend(CHAOS)
    from counting_workload import register
    from experiment_files import EXPECTED, document

    register(monkeypatch)
    folder = home / "configs" / "experiments"
    folder.mkdir(parents=True)

    def write(name, *method, **parts):
        made = document(*method, **{"expect": [EXPECTED], **parts})
        (folder / f"{name}.json").write_text(json.dumps(made))

    return write


def test_a_passed_experiment_ends_with_0_and_its_journal_is_chaos_toolkits(
    cli, experiments, tmp_path
):
    experiments("registry-away")
    file = tmp_path / "journal.json"
    done = cli("chaos", "run", "registry-away", "-o", "json", "--journal", file)
    assert done.exit_code == ExitCode.OK, done.output
    journal = json.loads(done.stdout)
    assert json.loads(file.read_text()) == journal
    assert (journal["schema_version"], journal["passed"]) == (1, True)
    assert (journal["status"], journal["deviated"]) == ("completed", False)
    assert journal["steady_states"]["before"]["steady_state_met"] is True
    assert journal["steady_states"]["after"]["probes"][0]["tolerance_met"] is True
    assert journal["run"][0]["activity"]["name"] == "inject it"
    assert journal["rollbacks"][0]["status"] == "succeeded"
    assert journal["start"] < journal["end"]
    assert journal["duration"] > 0
    assert journal["experiment"]["title"] == "The registry is away"
    assert journal["verdict"]["faults"][0]["target"] == "registry.get"
    assert "action: inject it" in done.stderr


def test_quiet_says_nothing_meanwhile_and_a_table_is_for_people(cli, experiments):
    experiments("registry-away")
    done = cli("--quiet", "chaos", "run", "registry-away")
    assert done.stderr == ""
    assert "registry.get registry-unreachable" in done.stdout
    assert "passed: the experiment completed" in done.stdout


def test_a_failed_verdict_ends_with_1_and_accuses_the_defence(cli, experiments):
    experiments("registry-away", laboratory={"loses": 2})
    done = cli("chaos", "run", "registry-away")
    assert done.exit_code == ExitCode.FAILED
    assert f"lost: expected nothing, seen 2; this accuses: {DEAD_LETTERS}" in done.stdout


def test_a_file_is_checked_without_running_it(cli, experiments):
    experiments("registry-away")
    experiments("broken", laboratory={"loses": 2}, rollbacks=[{"type": "action"}])
    assert "is in order" in cli("chaos", "validate", "registry-away").stdout
    done = cli("chaos", "validate", "broken")
    assert done.exit_code == ExitCode.CONFIG
    assert "rollbacks[0]" in done.stderr
    assert cli("chaos", "run", "broken").exit_code == ExitCode.CONFIG
    assert cli("chaos", "run", "nothing-like-it").exit_code == ExitCode.NOT_FOUND


@pytest.mark.provokes("experiment-aborted")
def test_a_safeguard_ends_it_with_1_after_the_journal_is_shown(cli, experiments):
    from experiment_files import outage, step

    limit = {"kind": "error-budget", "limit": 5}
    experiments("registry-away", outage(9), step("work_for", seconds=9), safeguards=[limit])
    done = cli("chaos", "run", "registry-away", "-o", "json")
    assert done.exit_code == ExitCode.FAILED
    assert json.loads(done.stdout)["status"] == "aborted"
    assert "experiment-aborted" in done.stderr


@pytest.mark.provokes("experiment-running")
def test_a_second_experiment_of_one_home_is_refused(cli, experiments, home):
    experiments("registry-away")
    with only_one(home / "run"):
        done = cli("chaos", "run", "registry-away")
    assert done.exit_code == ExitCode.REFUSED
    assert "experiment-running" in done.stderr


def test_a_drill_shows_a_score_card_and_what_failed(cli, experiments):
    experiments("registry-away")
    experiments("loses-some", laboratory={"loses": 2})
    done = cli("chaos", "drill", "--only", "registry-away", "--only", "loses-some")
    assert done.exit_code == ExitCode.FAILED
    assert "Drill FAILED: 1 of 2 experiments passed" in done.stdout, done.output
    assert "loses-some: registry.get registry-unreachable: lost" in done.stdout


def test_an_experiment_that_cannot_be_run_fails_the_drill_and_the_next_one_runs(cli, experiments):
    experiments("registry-away")
    experiments("no-such-argument", laboratory={"speed": 3})
    names = ("no-such-argument", "registry-away")
    done = cli("chaos", "drill", "--only", names[0], "--only", names[1], "-o", "json")
    assert done.exit_code == ExitCode.FAILED
    card = json.loads(done.stdout)
    assert [one["name"] for one in card["experiments"]] == list(names)
    assert [one["passed"] for one in card["experiments"]] == [False, True]
    assert "speed" in card["experiments"][0]["trouble"]
    assert card["experiments"][1]["journal"]["status"] == "completed"


@pytest.mark.provokes("extra-missing")
def test_what_needs_an_extra_that_is_not_installed_is_skipped(cli, experiments, monkeypatch):
    monkeypatch.setattr("alchemiser_cli.chaos.workloads.training.find_spec", lambda _package: None)
    experiments("registry-away")
    done = cli("chaos", "drill", "--only", "tracking-down", "--only", "registry-away")
    assert done.exit_code == ExitCode.OK, done.output
    assert "tracking-down: skipped: the package torch is not installed" in done.stdout
    assert "Drill passed: 1 of 2 experiments passed, 1 skipped" in done.stdout
    assert cli("chaos", "drill", "--only", "tracking-down").exit_code == ExitCode.FAILED
    alone = cli("chaos", "run", "tracking-down")
    assert alone.exit_code == ExitCode.CONFIG
    assert "extra-missing" in alone.stderr
