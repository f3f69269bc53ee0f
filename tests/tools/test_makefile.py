"""The Makefile says what it can do, and passes arguments on."""

import os
import shutil
import subprocess

import pytest

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")

# Without what a make around these tests says to the makes below it.
ENVIRON = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}


@pytest.fixture
def make(pytestconfig):
    def run(*arguments: str) -> str:
        return subprocess.run(
            ["make", *arguments],
            cwd=pytestconfig.rootpath,
            env=ENVIRON,
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    return run


def test_help_is_the_default_and_lists_every_public_target(make):
    listed = {line.split()[1] for line in make().splitlines() if line.startswith("  make ")}
    assert listed == {
        *("help", "demo", "demo-train", "test", "lint", "bench", "crash", "drill", "clean"),
        *("docs", "docs-check", "completions", "completions-check"),
    }


@pytest.mark.parametrize("target", ["test", "bench", "crash", "demo", "demo-train"])
def test_arguments_reach_the_program(make, target):
    assert "-k consumer" in make("--dry-run", target, "ARGS=-k consumer")


def test_lint_runs_every_check(make):
    plan = make("--dry-run", "lint")
    for tool in (
        "ruff check",
        "ruff format",
        "mypy",
        "lint-imports",
        "secret_scan",
        "static_checks",
    ):
        assert tool in plan


def test_an_old_python_is_refused_by_name(pytestconfig, tmp_path):
    shutil.copy(pytestconfig.rootpath / "Makefile", tmp_path)
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).touch()
    done = subprocess.run(
        ["make", "demo", "PYTHON="],
        cwd=tmp_path,
        env=ENVIRON,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "needs Python 3.11" in done.stderr
    assert not (tmp_path / ".venv").exists()
