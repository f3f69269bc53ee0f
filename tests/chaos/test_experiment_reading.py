"""Reading experiments: everything that is wrong is named with its place, and nothing runs."""

import json
from pathlib import Path

import pytest
from counting_workload import register
from experiment_files import EXPECTED, document, outage, probe, step

from alchemiser_cli.chaos.experiments.finding import (
    experiment_names,
    find_experiment,
    shipped_experiments,
)
from alchemiser_cli.chaos.experiments.reading import experiment_of, read_experiment
from alchemiser_cli.errors import ExperimentMalformedError, ExperimentNotFoundError

TOML = """
title = "Nothing happens"
description = "A look at the home."
method = []

[steady-state-hypothesis]
title = "health is good"

[[steady-state-hypothesis.probes]]
type = "probe"
name = "health"
tolerance = true
provider = { type = "python", module = "alchemiser_cli.chaos.probes", func = "health_is", arguments = { status = "healthy" } }
"""  # noqa: E501  a line of TOML


@pytest.fixture(autouse=True)
def workload(monkeypatch):
    register(monkeypatch)


def problems(values, plugins=()):
    """Return what is wrong with an experiment, by place."""
    with pytest.raises(ExperimentMalformedError) as raised:
        experiment_of("mine", values, plugins)
    return {one["place"]: one["why"] for one in raised.value.context["problems"]}


def test_an_experiment_is_read_with_all_its_parts():
    made = document(expect=[EXPECTED], safeguards=[{"kind": "lag", "limit": 5}])
    found = experiment_of("mine", made)
    assert found.title == "The registry is away"
    assert found.hypothesis.title == "questions are answered"
    assert [one.name for one in found.method] == ["inject it", "wait_until_over it"]
    assert found.ours.expect[0].detected.codes == ("registry-unreachable",)
    assert found.ours.safeguards[0].limit == 5
    assert found.document == made


def test_a_file_of_toml_says_the_same_as_one_of_json(tmp_path):
    (tmp_path / "look.toml").write_text(TOML)
    found = read_experiment(tmp_path / "look.toml")
    assert found.name == "look"
    assert found.ours.laboratory is None
    (tmp_path / "look.json").write_text(json.dumps(found.document))
    assert read_experiment(tmp_path / "look.json") == found


@pytest.mark.provokes("experiment-malformed")
def test_all_problems_are_named_at_once_with_their_places():
    made = document(
        outage(duration=1) | {"provider": {"type": "process", "path": "rm"}},
        step("inject", target="registry.got", error="registry-unreachable", duration=1),
        step("inject", target="registry.get", error="disk-full", duration=1),
        step("inject", target="registry.get", error="hang"),
        step("explode"),
        step("work_for", module="os", seconds=1),
        expect=[EXPECTED | {"detected": {"codes": ["no-such-code"]}, "guards": {"gone": "x"}}],
    )
    made["extensions"][0]["laboratory"]["workload"] = "countin"
    made["controls"] = [{"name": "spy"}]
    made["metod"] = []
    del made["description"]
    found = problems(made)
    assert "must not start programs" in found["method[0].provider.type"]
    assert "Did you mean registry.get" in found["method[1].provider.arguments"]
    assert "registry.get cannot do 'disk-full'" in found["method[2].provider.arguments"]
    assert "missing a required argument: 'duration'" in found["method[3].provider.arguments"]
    assert "it has inject, offer" in found["method[4].provider.func"]
    assert "os may not be called" in found["method[5].provider.module"]
    assert "did you mean counting?" in found["extensions.alchemiser.laboratory.workload"]
    assert "no-such-code" in found["extensions.alchemiser.expect[0].detected.codes"]
    assert "'gone'" in found["extensions.alchemiser.expect[0].guards"]
    assert "missing required field `provider`" in found["controls[0]"]
    assert found["metod"] == "'metod' is no key of an experiment"
    assert "every experiment needs one" in found["description"]


@pytest.mark.parametrize(
    ("probes", "place", "why"),
    [
        ([step("stop_faults")], "type", "probes only"),
        ([probe("work_is_steady") | {"background": True}], "background", "waited for"),
        ([probe("lag", {"type": "range", "range": [3, 1]})], "tolerance", "smaller one first"),
        ([probe("lag", {"type": "regex", "pattern": "("})], "tolerance", "regular expression"),
        ([probe("lag", {"type": "jsonpath"})], "tolerance", "not supported"),
        ([probe("journalled", kode="x")], "provider.arguments", "unexpected keyword"),
    ],
)
def test_a_hypothesis_is_held_to_its_form(probes, place, why):
    found = problems(document(probes=probes))
    assert why in found[f"steady-state-hypothesis.probes[0].{place}"]


def test_a_probe_without_tolerance_says_nothing():
    lacking = probe("work_is_steady")
    del lacking["tolerance"]
    assert "needs a tolerance" in str(problems(document(probes=[lacking])))


@pytest.mark.parametrize("text", ["", "[1, 2]", "{", '"text"', "\N{BYTE ORDER MARK}null"])
def test_what_is_no_experiment_at_all_is_refused(tmp_path, text):
    file = tmp_path / "broken.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ExperimentMalformedError, match="broken"):
        read_experiment(file)


def test_functions_of_an_allowed_plugin_may_be_called_and_no_others():
    made = document(step("sqrt", module="math", x=4) | {"name": "a root"})
    made["method"][0]["provider"]["arguments"] = {}
    assert "may not be called" in problems(made)["method[0].provider.module"]
    assert "has no function" not in str(problems(made, {"math"}))


def test_names_are_found_here_first_then_in_the_home_then_in_the_package(tmp_path):
    home = tmp_path / "home"
    for folder in (Path("configs"), home / "configs"):
        (folder / "experiments").mkdir(parents=True)
    (home / "configs/experiments/mine.json").write_text("{}")
    assert find_experiment("mine", home) == home / "configs/experiments/mine.json"
    Path("configs/experiments/mine.toml").write_text("")
    assert find_experiment("mine", home) == Path("configs/experiments/mine.toml")
    assert set(experiment_names(home)) >= {"mine", *shipped_experiments()}
    assert "mine" not in shipped_experiments()


@pytest.mark.provokes("experiment-not-found")
def test_an_unknown_name_is_answered_with_the_nearest_one(tmp_path):
    (tmp_path / "configs/experiments").mkdir(parents=True)
    (tmp_path / "configs/experiments/registry-gone.json").write_text("{}")
    with pytest.raises(ExperimentNotFoundError) as raised:
        find_experiment("registry-gon", tmp_path)
    assert "registry-gone" in raised.value.next_step
    with pytest.raises(ExperimentNotFoundError):
        find_experiment("../registry-gone.json", tmp_path)


@pytest.mark.parametrize("name", list(shipped_experiments()))
def test_every_shipped_experiment_is_in_order(name):
    found = read_experiment(shipped_experiments()[name])
    assert found.ours.expect
    assert found.ours.laboratory is not None
    assert found.rollbacks
