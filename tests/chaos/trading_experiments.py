"""The shipped experiments of trading, alerts and the journal, made short, and how to run one."""

import json
from contextlib import closing
from pathlib import Path

from alchemiser_cli.chaos.experiments.conducting import Conductor
from alchemiser_cli.chaos.experiments.reading import read_experiment
from alchemiser_cli.clock import SystemClock
from alchemiser_cli.settings.resolve import Request, resolve
from alchemiser_cli.state import StateDatabase

SHIPPED = Path(__file__).parents[2] / "configs" / "experiments"
SHORTER = {
    "disk-full-audit": (1.0, 0.5),
    "kill-switch": (2.0, 0.6),
    "clock-jump": (1.0, 0.6),
    "channel-down": (1.5, 0.5),
    "database-locked": (1.5, 0.5),
}
"""Seconds of each fault, and of each stretch of work."""


def conduct(name, folder, *, unasked=(), **settings):
    """Run an experiment with short times, and with ``settings`` of its laboratory changed.

    What is ``unasked`` of its expectations is left out: nobody then waits for it. Availability
    is not asked: in a second, a busy machine says more about itself.
    """
    fault_s, work_s = SHORTER[name]
    document = json.loads((SHIPPED / f"{name}.json").read_text())
    for step in document["method"]:
        given = step["provider"].get("arguments", {})
        if "duration" in given:
            given["duration"] = fault_s
        if "seconds" in given:
            given["seconds"] = work_s
    ours = document["extensions"][0]
    ours["laboratory"]["settings"] |= settings
    ours["expect"] = [
        {key: value for key, value in one.items() if key not in (*unasked, "availability")}
        for one in ours["expect"]
    ]
    file = folder / f"{name}.json"
    file.write_text(json.dumps(document))
    home = folder / "home"
    resolved = resolve(Request(environ={"ALCHEMISER_HOME": str(home)}, dotenv=home / ".env"))
    with closing(StateDatabase.of(resolved.settings, SystemClock())) as database:
        conductor = Conductor(
            resolved=resolved, database=database, owner="a test", permit=lambda: None
        )
        return conductor.conduct(read_experiment(file, frozenset()))


def wrong(journal):
    """Return the findings that are not as expected, in words."""
    verdict = journal.verdict
    asked = [*verdict.findings, *(one for fault in verdict.faults for one in fault.findings)]
    return [f"{one.question}: {one.observed}" for one in asked if not one.passed]
