"""The shipped experiments of weights and training, made short, and how to run one."""

import json
import os
from contextlib import closing
from pathlib import Path

from alchemiser_cli.chaos.experiments.conducting import Conductor
from alchemiser_cli.chaos.experiments.reading import experiment_of, read_experiment
from alchemiser_cli.clock import SystemClock
from alchemiser_cli.settings.resolve import Request, resolve
from alchemiser_cli.state import StateDatabase

SHIPPED = Path(__file__).parents[2] / "configs" / "experiments"


def shipped(name, *, only=(), **seconds):
    """Return the document of an experiment with the faults at the targets ``only``, if given.

    ``seconds`` are those of each ``fault`` and each stretch of ``work``.
    """
    document = read_experiment(SHIPPED / f"{name}.json").document
    document = json.loads(json.dumps(document))
    method = []
    for step in document["method"]:
        given = step["provider"].get("arguments", {})
        if only and given.get("target", only[0]) not in only:
            continue
        if "duration" in given:
            given["duration"] = seconds["fault"]
        if "seconds" in given:
            given["seconds"] = seconds["work"]
        method.append(step)
    document["method"] = method
    ours = document["extensions"][0]
    ours["expect"] = [one for one in ours["expect"] if not only or one["target"] in only]
    return document


def conduct(document, folder, **settings):
    """Run an experiment with ``settings`` of its laboratory changed, and return its journal."""
    laboratory = document["extensions"][0]["laboratory"]
    laboratory["settings"] = laboratory.get("settings", {}) | settings
    home = folder / "home"
    resolved = resolve(Request(environ={"ALCHEMISER_HOME": str(home)}, dotenv=home / ".env"))
    with closing(StateDatabase.of(resolved.settings, SystemClock())) as database:
        conductor = Conductor(
            resolved=resolved,
            database=database,
            owner="a test",
            permit=lambda: None,
            environ=dict(os.environ),
        )
        return conductor.conduct(experiment_of("a-test", document))


def answers(journal):
    """Return what was seen, by the fault's target and the question (and the defence it asks of)."""
    return {
        (fault.target, one.question, one.defence if one.question == "reacted" else ""): one
        for fault in journal.verdict.faults
        for one in fault.findings
    }


def wrong(journal):
    """Return the findings that are not as expected, in words."""
    verdict = journal.verdict
    asked = [*verdict.findings, *(one for fault in verdict.faults for one in fault.findings)]
    return [f"{one.question}: {one.observed}" for one in asked if not one.passed]
