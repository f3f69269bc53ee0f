"""Homes to trade in: their settings, and what a run is fed."""

import tempfile
from pathlib import Path

import pytest

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.settings import Settings


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def shm_folder():
    """A folder of the test's own, in real shared memory where there is one."""
    root = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  as above
    with tempfile.TemporaryDirectory(prefix="test-alchemiser-", dir=root) as folder:
        yield Path(folder)


@pytest.fixture
def make_settings(tmp_path, shm_folder):
    """Return settings of a home; sections are given by name."""

    def make(**sections):
        known = {"shm": {"directory": shm_folder}, "audit": {"min_free_megabytes": 0}}
        return Settings(home=tmp_path / "home", **(known | sections))

    return make


@pytest.fixture
def quick(tmp_path):
    """Write the definition of ``quick``: momentum of a few days, so that a short past will do."""
    folder = tmp_path / "home" / "configs" / "strategies"
    folder.mkdir(parents=True)

    def write(symbols=("*",), **parameters):
        known = {"lookback": 15, "volatility_rows": 10, "allocation": 0.3}
        lines = [f"{name} = {value}" for name, value in (known | parameters).items()]
        text = f"symbols = {list(symbols)}\n\n[parameters]\n" + "\n".join(lines) + "\n"
        (folder / "quick.toml").write_text(f'kind = "momentum"\nversion = 1\n{text}')

    write()
    return write


@pytest.fixture
def past(market_file, make_settings, clock):
    """Trade on the first rows of the generated market; sections of settings by name."""
    from alchemiser_cli.pipeline.trading.dataset import DatasetRun, trade_dataset
    from alchemiser_cli.trading.runs import Fed

    def past(run_id="r1", *, limit=120, names=("quick",), file=market_file, run=None, **sections):
        fed = Fed(dataset=f"file:{file}", limit=limit)
        known = {"risk": {"max_trade_loss": 0.5}}
        wanted = DatasetRun(fed, run_id, names=names, **(run or {}))
        return trade_dataset(make_settings(**(known | sections)), wanted, clock)

    return past
