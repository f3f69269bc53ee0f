"""A small market of ten contracts that rolls five times, made by hand and resting on little.

Prices are intrinsic value and a time value that fades with distance and time. Tests that need
prices as a market has them take ``GeneratedChains``.
"""

import itertools
import shutil

import numpy as np
import pytest

from alchemiser_cli.clock import SystemClock
from alchemiser_cli.market.chains import ChainTable, TableChains
from alchemiser_cli.settings import OptionsSettings, Settings, TrainingSettings

STEPS = 160
LISTED = 30  # rows from one listing to the next
DAY_NS = 86_400_000_000_000


def hand_made(steps=STEPS, seed=1, **changed):
    """Return a table; ``changed`` gives columns a new content by functions of the old one."""
    chance = np.random.default_rng(seed)
    spot = 100 * np.exp(np.cumsum(chance.normal(0, 0.01, steps)))
    rows = np.arange(steps)
    listed_at = rows - rows % LISTED
    strike = np.outer(spot[listed_at], np.tile(1 + 0.025 * np.arange(-2, 3), 2))
    is_call = np.tile(np.arange(10) < 5, (steps, 1))
    years = (LISTED - rows % LISTED) / 365
    time_value = 8 * np.sqrt(years)[:, None] * np.exp(-(((strike / spot[:, None] - 1) / 0.05) ** 2))
    mid = _payoff(spot, strike, is_call) + time_value
    rolled = (rows % LISTED == 0) & (rows > 0)
    before = np.maximum(rows - 1, 0)
    settlement = _payoff(spot, strike[before], is_call) * rolled[:, None]
    greeks = np.stack(
        [np.where(is_call, 0.5, -0.5), *(np.full((steps, 10), g) for g in (0.05, 11, -14, 4))], -1
    )
    columns = {
        "event_time_ns": 1_600_000_000_000_000_000 + rows * DAY_NS,
        "spot": spot,
        "high": spot * 1.01,
        "low": spot * 0.99,
        "at_the_money_volatility": np.full(steps, 0.2),
        "time_to_expiry": years,
        "rolled": rolled,
        "strike": strike,
        "is_call": is_call,
        "implied_volatility": np.full((steps, 10), 0.2),
        "mid": mid,
        "half_spread": np.maximum(0.01 * mid, 0.02),
        "greeks": greeks,
        "settlement": settlement,
    }
    for name, change in changed.items():
        columns[name] = change(columns[name].copy())
    return ChainTable(**columns)


def _payoff(spot, strike, is_call):
    return np.maximum(np.where(is_call, 1, -1) * (spot[:, None] - strike), 0)


@pytest.fixture
def options():
    return OptionsSettings(episode_steps=40)


@pytest.fixture(scope="session")
def table():
    return hand_made()


@pytest.fixture
def chains(table):
    return TableChains(table)


@pytest.fixture
def spoiled():
    """Return a provider of the table with other content: columns by functions of the old one."""

    def make(**changed):
        return TableChains(hand_made(**changed))

    return make


@pytest.fixture
def put():
    """Return a change of a column: ``value`` at ``where``."""

    def make(where, value):
        def change(column):
            column[where] = value
            return column

        return change

    return make


@pytest.fixture
def tiny_network(monkeypatch):
    """Make the preset ``small`` so small that a step takes a millisecond."""
    from alchemiser_cli.rl.td3 import presets

    size = presets._Size(8, 2, 1, 16, 6, (12, 12))
    monkeypatch.setitem(presets.PRESETS, "small", size)


@pytest.fixture
def make_request(market_file):
    """Return what to train: 240 steps on a small market where nothing else is said."""

    def make(dataset=f"file:{market_file}", **changed):
        from alchemiser_cli.rl.training import TrainingRequest

        training = {
            "timesteps": 240,
            "environments": 4,
            "buffer_size": 2_000,
            "batch_size": 32,
            "learning_starts": 60,
            "learning_rate": 1e-3,
            "purge_steps": 16,
            "evaluate_every": 100,
            "checkpoint_every": 80,
            "threads": 1,
            "device": "cpu",
        }
        chosen = TrainingSettings(**(training | changed))
        return TrainingRequest(dataset, OptionsSettings(episode_steps=30), chosen)

    return make


@pytest.fixture
def home(tmp_path, empty_store):
    """A home whose tracking store is there already."""
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    shutil.copy(empty_store, folder / "mlflow.db")
    return folder


@pytest.fixture
def run_training(home, tiny_network, make_request):
    """Train; what is not given is as usual."""

    def run(request=None, *, tracking=None, **named):
        from alchemiser_cli.rl.training import train

        settings = Settings(home=home, tracking=tracking or {})
        return train(settings, request or make_request(), SystemClock(), **named)

    return run


@pytest.fixture
def stopped_after():
    """Return a watch that stops a run when it has made ``boundaries`` steps side by side."""

    def watch(boundaries, **named):
        from alchemiser_cli.rl.training import TrainingWatch

        passed = itertools.count()
        return TrainingWatch(stop=lambda: next(passed) >= boundaries, **named)

    return watch
