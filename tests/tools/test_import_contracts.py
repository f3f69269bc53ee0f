"""The import contracts notice a planted import against the architecture."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# One violation for each contract, into modules that exist or are made for it.
PLANTED = {
    "clock.py": "from alchemiser_cli.market import Tick",
    "market/__init__.py": "def f():\n    import typer\n    import rich.table",
    "settings/__init__.py": "def f():\n    from confluent_kafka import Consumer",
    "logs.py": "def f():\n    import torch.nn",
    "app.py": "import alchemiser_cli.testing",
    "testing/__init__.py": "",
    "a_drawer/__init__.py": "",
}


@pytest.fixture
def lint(tmp_path, pytestconfig):
    root = pytestconfig.rootpath
    shutil.copy(root / "pyproject.toml", tmp_path)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(root / "alchemiser_cli", tmp_path / "alchemiser_cli", ignore=ignored)

    def run() -> subprocess.CompletedProcess[str]:
        linter = Path(sys.executable).with_name("lint-imports")
        command = [linter, "--no-cache", "--no-logo"]
        return subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)

    return tmp_path / "alchemiser_cli", run


def test_every_contract_notices_its_violation(lint):
    package, run = lint
    for name, text in PLANTED.items():
        (package / name).parent.mkdir(exist_ok=True)
        with (package / name).open("a") as module:
            module.write(f"\n{text}\n")
    done = run()
    assert done.returncode == 1
    for contract in (
        "imports go downwards only",
        "the product does not import its test seams",
        "only app and commands import typer",
        "only render imports rich",
        "only streaming imports a Kafka or Avro library",
        "only rl imports the learning libraries",
    ):
        assert f"{contract} BROKEN" in done.stdout
    assert "alchemiser_cli.clock is not allowed to import alchemiser_cli.market" in done.stdout
    assert "- alchemiser_cli.a_drawer" in done.stdout
