"""Controls: called around each part, from allowed modules only, and never in the way."""

import pytest
import recording_controls
from counting_workload import register
from experiment_files import EXPECTED, document

from alchemiser_cli.chaos.controls import trading_halted
from alchemiser_cli.chaos.experiments.conducting import Conductor
from alchemiser_cli.chaos.experiments.ground import current_ground
from alchemiser_cli.chaos.experiments.reading import experiment_of
from alchemiser_cli.clock import SystemClock
from alchemiser_cli.errors import ExperimentMalformedError
from alchemiser_cli.settings.resolve import Request, resolve
from alchemiser_cli.state import StateDatabase
from alchemiser_cli.trading.kill_switch import KillSwitch

HALTED = "alchemiser_cli.chaos.controls.trading_halted"


@pytest.fixture
def conduct(tmp_path, monkeypatch):
    """Runs an experiment with the given controls; tests' own modules are allowed as a plugin's."""
    register(monkeypatch)
    monkeypatch.setattr(recording_controls, "CALLS", [])
    resolved = resolve(Request(home=tmp_path))
    database = StateDatabase.of(resolved.settings, SystemClock())
    conductor = Conductor(resolved, database, "tester", lambda: None)

    def conducted(*controls):
        made = document(expect=[EXPECTED]) | {"controls": list(controls)}
        return conductor.conduct(experiment_of("mine", made, ["recording_controls"]))

    yield conducted
    database.close()


def control(module, **arguments):
    provider = {"type": "python", "module": module, "arguments": arguments}
    return {"name": "the control", "provider": provider}


def test_each_part_is_told_before_and_after_with_the_arguments(conduct):
    journal = conduct(control("recording_controls", colour="red"))
    assert journal.passed
    assert [(name, title) for name, title, _ in recording_controls.CALLS] == [
        ("before experiment", "The registry is away"),
        ("before hypothesis", "questions are answered"),
        ("after hypothesis", "questions are answered"),
        ("before method", "The registry is away"),
        ("after action", "inject it"),
        ("after action", "wait_until_over it"),
        ("after method", "The registry is away"),
        ("before hypothesis", "questions are answered"),
        ("after hypothesis", "questions are answered"),
        ("before rollback", "The registry is away"),
        ("after action", "stop_faults it"),
        ("after experiment", "The registry is away"),
    ]
    assert {about["colour"] for _, _, about in recording_controls.CALLS} == {"red"}


def test_a_control_that_fails_is_told_and_the_rollbacks_run(conduct, monkeypatch):
    def fail(**_about):
        raise OSError("the lamp is broken")

    monkeypatch.setattr(recording_controls, "before_method_control", fail)
    journal = conduct(control("recording_controls"))
    assert journal.troubles == ["the control 'the control': OSError: the lamp is broken"]
    assert (journal.status, journal.passed) == ("failed", False)
    assert [one.status for one in journal.rollbacks] == ["succeeded"]


def test_trading_is_halted_while_the_experiment_runs(conduct, monkeypatch):
    seen = []

    def look(**_about):
        ground = current_ground()
        settings = ground.resolved.settings
        switch = KillSwitch(settings.shm.directory, settings.kill_switch_file, ground.clock)
        seen.append((switch.active, switch.state().by))
        switch.close()

    monkeypatch.setattr(recording_controls, "before_method_control", look)
    monkeypatch.setattr(recording_controls, "after_experiment_control", look)
    assert conduct(control("recording_controls"), control(HALTED)).passed
    # The controls end in the reverse order: the first is told when trading goes on again.
    assert seen == [(True, trading_halted.BY), (False, trading_halted.BY)]


def test_a_halt_of_somebody_else_stays(conduct, monkeypatch):
    seen = []

    def halt(**_about):
        ground = current_ground()
        settings = ground.resolved.settings
        switch = KillSwitch(settings.shm.directory, settings.kill_switch_file, ground.clock)
        if not seen:
            switch.set("prices look wrong", "mara")
        seen.append((switch.active, switch.state().by))
        switch.close()

    monkeypatch.setattr(recording_controls, "before_experiment_control", halt)
    monkeypatch.setattr(recording_controls, "after_experiment_control", halt)
    assert conduct(control("recording_controls"), control(HALTED)).passed
    assert seen == [(True, "mara"), (True, "mara")]


@pytest.mark.provokes("experiment-malformed")
@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (control("os"), "os may not be called: controls are modules of"),
        (control("alchemiser_cli.chaos.controls.gone"), "cannot be imported"),
        (control("alchemiser_cli.chaos.controls."), "cannot be imported"),
        (control("experiment_files"), "experiment_files has none of before_experiment_control"),
        (control("os") | {"automatic": False}, "Invalid enum value False"),
        ({"name": "half"}, "missing required field `provider`"),
    ],
)
def test_a_control_of_any_other_module_is_refused(wrong, why):
    made = document(expect=[EXPECTED]) | {"controls": [wrong]}
    with pytest.raises(ExperimentMalformedError) as caught:
        experiment_of("mine", made, ["experiment_files"])
    assert why in caught.value.why
