"""The shipped streaming experiments, made short, for the engine itself."""

import json
from pathlib import Path

from alchemiser_cli.chaos.experiments.reading import experiment_of

FOLDER = Path(__file__).parents[2] / "configs" / "experiments"


def shortened(name, *, seconds, settings=None, arguments=None, only=None, within_s=None):
    """Return a shipped experiment whose faults last ``seconds`` each; ``only`` is one target."""
    made = json.loads((FOLDER / f"{name}.json").read_text())
    (ours,) = made["extensions"]
    kept = []
    for step in made["method"]:
        given = step["provider"].get("arguments", {})
        if only is not None and given.get("target", only) != only:
            continue
        if "duration" in given:
            given["duration"] = seconds
        if "seconds" in given:
            given["seconds"] = 0.2
        kept.append(step)
    made["method"] = kept
    laboratory = ours["laboratory"]
    laboratory["settings"] = laboratory.get("settings", {}) | (settings or {})
    laboratory["arguments"] = laboratory["arguments"] | (arguments or {})
    ours["expect"] = [one for one in ours["expect"] if only in (None, one["target"])]
    for one in ours["expect"]:
        if within_s is not None and "detected" in one:
            one["detected"]["within_s"] = within_s
    return experiment_of(name, made)
