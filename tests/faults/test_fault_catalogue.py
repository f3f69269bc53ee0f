"""The catalogue holds what the code asks for, and every word of it means something."""

import re
from pathlib import Path

import pytest
from confluent_kafka import KafkaError

import alchemiser_cli
from alchemiser_cli.errors import error_class
from alchemiser_cli.faults import CATALOGUE, RESOURCES, FaultKind

PACKAGE = Path(alchemiser_cli.__file__).parent
TESTS = PACKAGE.parent / "tests"
POINTS = [target for target in CATALOGUE if not target.is_condition]
CONDITIONS = [target for target in CATALOGUE if target.is_condition]
ASKED = re.compile(r'fault_point\(\s*"([^"]+)"\s*\)')


@pytest.fixture(scope="module")
def asked():
    """Every name that a module of the package asks for."""
    names: set[str] = set()
    for file in PACKAGE.rglob("*.py"):
        if file.parent.name != "faults":
            names.update(ASKED.findall(file.read_text()))
    return names


@pytest.fixture(scope="module")
def tests_text():
    return "\n".join(file.read_text() for file in TESTS.rglob("*.py"))


def named(targets):
    return pytest.mark.parametrize("target", targets, ids=lambda target: target.name)


@named(POINTS)
def test_each_place_is_asked_for_by_a_module_of_the_package(target, asked):
    assert target.name in asked


@named(POINTS)
def test_each_place_is_struck_in_a_test(target, tests_text):
    assert f'"{target.name}"' in tests_text


def test_no_module_asks_for_a_place_that_is_not_in_the_catalogue(asked):
    assert asked <= {target.name for target in CATALOGUE}


def test_names_are_unique_and_written_alike():
    names = [target.name for target in CATALOGUE]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z]+(\.[a-z]+(-[a-z]+)*)+", name) for name in names)


@named(CATALOGUE)
def test_each_word_is_one_of_ours_and_means_one_thing(target):
    assert target.words
    assert len(target.words) == len(set(target.words))
    assert all(error_class(code) for code in target.errors)
    assert set(target.resources) <= set(RESOURCES)
    assert all(isinstance(getattr(KafkaError, answer), int) for answer in target.answers)
    kinds = {FaultKind.RAISE, FaultKind.DENY, FaultKind.ANSWER}
    assert not kinds & set(target.kinds), "these are asked for by a code, a resource, an answer"
    meanings = {word: target.kind_of(word) for word in target.words}
    assert None not in meanings.values()
    assert target.kind_of("no-such-word") is None


@named(CONDITIONS)
def test_conditions_are_brought_about_and_not_passed(target):
    passed = {FaultKind.CORRUPT, FaultKind.DROP, FaultKind.DUPLICATE, FaultKind.KILL}
    assert not target.errors
    assert not passed & set(target.kinds)
