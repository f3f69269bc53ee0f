"""Chaos Toolkit itself accepts every experiment that is shipped."""

import json
import tomllib

import pytest

from alchemiser_cli.chaos.experiments.finding import shipped_experiments

chaoslib = pytest.importorskip(
    "chaoslib.experiment", reason="chaostoolkit-lib is only for this test"
)


@pytest.mark.parametrize("name", list(shipped_experiments()))
def test_chaos_validate_accepts(name):
    file = shipped_experiments()[name]
    text = file.read_text(encoding="utf-8")
    experiment = tomllib.loads(text) if file.suffix == ".toml" else json.loads(text)
    chaoslib.ensure_experiment_is_valid(experiment)  # functions and arguments, too
