"""The engine: hypothesis, method, hypothesis, rollbacks always, and a verdict that accuses."""

import threading

import counting_workload
import pytest
from counting_workload import register
from experiment_files import EXPECTED, PROBES, document, outage, probe, step

from alchemiser_cli.chaos.experiments.conducting import Conductor
from alchemiser_cli.chaos.experiments.reading import experiment_of
from alchemiser_cli.chaos.experiments.runs import RunStore
from alchemiser_cli.chaos.leases import LeaseStore
from alchemiser_cli.clock import SystemClock
from alchemiser_cli.errors import ChaosRefusedError, ExperimentAbortedError
from alchemiser_cli.faults import fault_points
from alchemiser_cli.settings.resolve import Request, resolve
from alchemiser_cli.state import StateDatabase


@pytest.fixture
def conductor(tmp_path, monkeypatch):
    """What runs experiments for a home of the test's own; nobody is permitted to break it."""
    register(monkeypatch)
    resolved = resolve(Request(home=tmp_path / "home"))
    (tmp_path / "home").mkdir()
    database = StateDatabase.of(resolved.settings, SystemClock())

    def refuse():
        raise ChaosRefusedError("no", why="Because.", next_step="Do not.")

    def made(**more):
        return Conductor(resolved, database, "tester", **{"permit": refuse, **more})

    yield made
    database.close()
    assert not [one for one in fault_points().values() if one.armed is not None]


def conducted(conductor, *method, **parts):
    made = document(*method, **{"expect": [EXPECTED], **parts})
    return conductor().conduct(experiment_of("mine", made))


def test_a_fault_that_is_handled_passes_and_every_question_is_answered(conductor, tmp_path):
    lines = []
    made = document(expect=[EXPECTED | {"told": True}])
    journal = conductor(say=lines.append).conduct(experiment_of("mine", made))
    assert journal.passed
    assert (journal.status, journal.deviated, journal.troubles) == ("completed", False, [])
    assert [one.status for one in journal.run] == ["succeeded", "succeeded"]
    assert [one.output for one in journal.rollbacks] == [0]  # nothing was left to end
    (fault,) = journal.verdict.faults
    assert fault.strikes > 0
    assert [one.question for one in fault.findings] == [
        "struck",
        "detected",
        "journalled",
        "reacted",
        "told",
        "steady",
        "lost",
        "twice",
        "availability",
    ]
    assert lines[0] == "the work begins"
    store = RunStore(StateDatabase.of(conductor().resolved.settings, SystemClock()), SystemClock())
    assert store.under_way() == []


@pytest.mark.parametrize(
    ("laboratory", "question", "accused"),
    [
        ({"sets_aside": False}, "reacted", "dead letters"),
        ({"loses": 3}, "lost", "dead letters"),
    ],
)
def test_a_defence_that_is_missing_fails_the_verdict_and_is_accused(
    conductor, laboratory, question, accused
):
    journal = conducted(conductor, laboratory=laboratory)
    assert not journal.passed
    failed = [one for one in journal.verdict.faults[0].findings if not one.passed]
    assert question in [one.question for one in failed]
    assert accused in journal.verdict.accused


def test_too_little_work_that_gets_through_accuses_its_guard(conductor):
    journal = conducted(conductor, expect=[EXPECTED | {"availability": 0.9}])
    assert journal.verdict.accused == ["cache"]


def test_a_fault_that_never_struck_proves_nothing(conductor, monkeypatch):
    monkeypatch.setattr("alchemiser_cli.chaos.experiments.collecting.STRUCK_WITHIN_S", 0.1)
    lazy = outage(probability=0.0)
    journal = conducted(conductor, lazy, expect=[{"target": "registry.get"}])
    assert journal.verdict.accused == ["struck"]


def test_a_steady_state_that_does_not_return_is_a_deviation(conductor, monkeypatch):
    monkeypatch.setattr("alchemiser_cli.chaos.experiments.engine.SETTLES_WITHIN_S", 0.3)
    wanted = EXPECTED | {"steady_within_s": 0.1}
    journal = conducted(conductor, laboratory={"heals": False}, expect=[wanted])
    assert journal.deviated
    assert "steady state" in journal.verdict.accused
    assert journal.rollbacks


def test_without_a_steady_state_to_begin_with_nothing_is_broken(conductor, monkeypatch):
    monkeypatch.setattr("alchemiser_cli.chaos.experiments.engine.SETTLES_WITHIN_S", 0.2)
    journal = conducted(conductor, probes=[probe("lag", 7)])
    assert (journal.status, journal.run) == ("failed", [])
    assert journal.rollbacks


def test_a_signal_ends_it_early_and_the_rollbacks_run(conductor):
    asked = threading.Event()
    made = document(outage(duration=60), step("work_for", seconds=60))
    one = conductor(say=lambda line: "work_for" in line and asked.set(), stop=asked.is_set)
    journal = one.conduct(experiment_of("mine", made))
    assert journal.status == "interrupted"
    assert [each.output for each in journal.rollbacks] == [1]
    assert journal.duration < 30


@pytest.mark.provokes("experiment-aborted")
def test_a_safeguard_that_is_passed_aborts_it_and_the_rollbacks_run(conductor):
    journal = conducted(
        conductor,
        outage(duration=60),
        step("work_for", seconds=60),
        safeguards=[{"kind": "error-budget", "limit": 10}],
    )
    assert journal.status == "aborted"
    assert "failures in the journal, more than 10" in journal.aborted_by
    assert [each.output for each in journal.rollbacks] == [1]
    with pytest.raises(ExperimentAbortedError, match="stopped before its end"):
        journal.refuse()


def test_steps_in_the_background_run_beside_the_others(conductor):
    journal = conducted(
        conductor,
        step("work_for", seconds=0.4) | {"background": True, "name": "beside"},
        outage(duration=0.3) | {"pauses": {"after": 0.1}},
        step("offer", what="a schema"),
    )
    assert [one.activity["name"] for one in journal.run] == ["beside", "inject it", "offer it"]
    assert journal.run[2].start < journal.run[0].end
    assert journal.run[2].output == 1


def test_a_step_that_fails_is_told_and_the_experiment_does_not_pass(conductor):
    journal = conducted(conductor, outage(), outage(), step("wait_until_over"))
    assert [one.status for one in journal.run] == ["succeeded", "failed", "succeeded"]
    assert "has a fault already" in journal.run[1].exception[-1]
    assert not journal.passed


def test_a_workload_that_cannot_begin_is_stopped_and_rolled_back(conductor, monkeypatch):
    def fail(workload):
        workload.thread = threading.Thread(target=lambda: None)
        workload.thread.start()
        raise RuntimeError("no market")

    monkeypatch.setattr(counting_workload.CountingWorkload, "start", fail)
    journal = conducted(conductor)
    assert journal.status == "failed"
    assert journal.troubles == ["RuntimeError: no market"]
    assert journal.rollbacks


@pytest.mark.provokes("chaos-refused")
def test_without_a_laboratory_permission_is_asked_for(conductor):
    made = document(probes=[step("journalled", PROBES) | {"type": "probe", "tolerance": 0}])
    made["extensions"] = []
    with pytest.raises(ChaosRefusedError):
        conductor().conduct(experiment_of("mine", made))


def test_with_permission_it_breaks_the_home_itself_and_heals_it(conductor):
    made = document(outage(60), step("stop_faults"), probes=[probe("journalled", 0)])
    made["extensions"] = []
    one = conductor(permit=lambda: None)
    journal = one.conduct(experiment_of("mine", made))
    assert journal.status == "completed"
    (past,) = LeaseStore(one.database, SystemClock()).history()
    assert (past.target, past.owner, past.ended_by) == ("registry.get", "tester", "tester")
    assert journal.verdict.accused == ["struck"]  # no process was there to suffer
