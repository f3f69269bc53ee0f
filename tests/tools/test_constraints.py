"""constraints.txt pins everything that pyproject.toml names, within what it accepts."""

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version


@pytest.fixture
def pins(pytestconfig):
    lines = (pytestconfig.rootpath / "constraints.txt").read_text().splitlines()
    return [line for line in lines if not line.startswith("#")]


@pytest.fixture
def requirements(pytestconfig):
    project = tomllib.loads((pytestconfig.rootpath / "pyproject.toml").read_text())
    texts = [
        *project["build-system"]["requires"],
        *project["project"]["dependencies"],
        *(text for extra in project["project"]["optional-dependencies"].values() for text in extra),
        *project["dependency-groups"]["dev"],
    ]
    parsed = [Requirement(text) for text in texts]
    return [requirement for requirement in parsed if requirement.name != "alchemiser"]


def test_each_line_is_one_exact_public_version(pins):
    assert [pin for pin in pins if not re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", pin)] == []


def test_names_are_canonical_unique_and_sorted(pins):
    names = [pin.partition("==")[0] for pin in pins]
    assert names == sorted({canonicalize_name(name) for name in names})


def test_every_requirement_is_pinned_to_a_version_that_it_accepts(pins, requirements):
    versions = {name: Version(version) for name, _, version in (p.partition("==") for p in pins)}
    refused = [
        str(requirement)
        for requirement in requirements
        if versions.get(canonicalize_name(requirement.name)) not in requirement.specifier
    ]
    assert refused == []
