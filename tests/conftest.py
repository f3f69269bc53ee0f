"""What every test shares: isolation from the machine, and proof that `provokes` marks are true."""

import fcntl
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from alchemiser_cli.errors import AlchemiserError, error_class
from alchemiser_cli.logs.channels import ROOT

# A shared machine stalls now and then; how long an example takes is no property of ours.
settings.register_profile("shared-machine", deadline=None)
settings.load_profile("shared-machine")


@pytest.fixture(autouse=True)
def isolated(tmp_path, monkeypatch) -> Iterator[None]:
    """No ALCHEMISER_ variable, no .env, no configs/ and no home of this machine reach a test."""
    for name in [name for name in os.environ if name.startswith("ALCHEMISER_")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "cwd"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    yield
    logging.getLogger("alchemiser").handlers = []


@pytest.fixture(autouse=True)
def provoked(request, monkeypatch) -> Iterator[set[str]]:
    """Record every coded error that comes into being, and hold `provokes` marks to it.

    A test that runs the command line in another process proves its codes itself, from the
    output, by adding them to this set.
    """
    seen: set[str] = set()
    make = AlchemiserError.__init__

    def recording(error, *args, **keywords):
        seen.add(getattr(type(error), "code", ""))
        make(error, *args, **keywords)

    monkeypatch.setattr(AlchemiserError, "__init__", recording)
    yield seen
    for mark in request.node.iter_markers("provokes"):
        for code in mark.args:
            assert error_class(code) is not None, f"no error has the code {code!r}"
            assert code in seen, f"the test never made {code!r} happen"


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory) -> Path:
    """An empty database with MLflow's tables, made once for all workers: that takes seconds.

    Copy it; a test that uses it ignores what MLflow's loader has deprecated.
    """
    from alchemiser_cli.rl.tracking.client import open_client

    folder = tmp_path_factory.getbasetemp()
    shared = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
    file, unfinished = shared / "mlflow.db", shared / "mlflow-unfinished.db"
    with (shared / "mlflow.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            open_client(f"sqlite:///{unfinished}", 5.0)
            unfinished.rename(file)
    return file


class _Records(logging.Handler):
    def __init__(self):
        super().__init__()
        self.events = []

    def emit(self, record):
        self.events.append(record.msg)


@pytest.fixture
def logs():
    """What was logged, as a list of events with their fields."""
    root = logging.getLogger(ROOT)
    records, level = _Records(), root.level
    root.addHandler(records)
    root.setLevel(logging.INFO)
    yield records.events
    root.removeHandler(records)
    root.setLevel(level)


@pytest.fixture(scope="session")
def market_file(tmp_path_factory) -> Path:
    """Four hundred and twenty days of a generated market, with its volatility, as CSV."""
    from alchemiser_cli.market.chains import generate_market

    made = generate_market(420, 1)
    days = np.busday_offset("2001-01-02", np.arange(420), roll="forward")
    file = tmp_path_factory.mktemp("market") / "market.csv"
    rows = zip(days, made.high, made.low, made.close, made.volatility, strict=True)
    lines = ["date,high,low,close,implied_volatility", *(",".join(map(str, row)) for row in rows)]
    file.write_text("\n".join(lines) + "\n")
    return file
