"""Faults in training: market data that is no number, batches, checkpoints, and the tracking store.

Each takes the way that the real failure takes, and what comes of it is marked as injected.
"""

import shutil
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
from safetensors.numpy import load_file

from alchemiser_cli.chaos.asking import asked
from alchemiser_cli.clock import ManualClock, SystemClock
from alchemiser_cli.errors import (
    ChainDataError,
    DiskFailingError,
    DiskFullError,
    HomeNotWritableError,
    TrainingDivergedError,
    TrainingStageError,
)
from alchemiser_cli.faults import Armed, disarm_all, fault_point
from alchemiser_cli.rl.artefacts import Canary, Origin, list_models, save_artefact
from alchemiser_cli.rl.checkpoints import read_checkpoint, write_checkpoint
from alchemiser_cli.rl.environment import TradingEnvironment
from alchemiser_cli.rl.market_rows import LiveRows, MarketRows
from alchemiser_cli.rl.runs import open_run
from alchemiser_cli.rl.tracking import Tracker, register_model, stored_points
from alchemiser_cli.rl.vec_env import TradingVecEnv

# MLflow's own models use a loader that SQLAlchemy has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning")

DELAY_S = 0.05

# One process loads PyTorch; a fork of it is killed at each place.
NURSERY = """
import os, sys
from pathlib import Path
import numpy as np
from alchemiser_cli.chaos.asking import asked
from alchemiser_cli.faults import Armed, fault_point
from alchemiser_cli.market.chains import GeneratedChains
from alchemiser_cli.rl.checkpoints import write_checkpoint
from alchemiser_cli.rl.td3.building import build_algorithm
from alchemiser_cli.rl.td3.presets import architecture_of
from alchemiser_cli.rl.vec_env import TradingVecEnv
from alchemiser_cli.settings import OptionsSettings, TrainingSettings
import torch

torch.set_num_threads(1)
folder = Path(sys.argv[1])
env = TradingVecEnv(GeneratedChains(OptionsSettings(), steps=140, seed=1), OptionsSettings(), 2)
training = TrainingSettings(buffer_size=1000, batch_size=8, learning_starts=4, environments=2)
model = build_algorithm(
    env, architecture_of("small", (16, 100), 10), training, device="cpu", in_bfloat16=False
)
weights = {"w": np.arange(1_000.0)}
write_checkpoint(folder, 1, weights, {})
works = {
    "rl.env.step": lambda: env.reset() is None or env.step(np.zeros((2, 10), np.float32)),
    "rl.learn": lambda: model.learn(20, log_interval=None),
    "rl.save": lambda: write_checkpoint(folder, 2, weights, {}),
}
for target, work in works.items():
    victim = os.fork()
    if victim == 0:
        fault_point(target).arm(Armed(asked(target, "kill"), 60.0, target=target))
        work()
        os._exit(0)
    _, status = os.waitpid(victim, 0)
    print(target, os.WTERMSIG(status))
"""


@pytest.fixture
def strike():
    """Put a fault in force; it is over at the end of the test."""

    def arm(target, word, **chosen):
        armed = Armed(asked(target, word, **chosen), 60.0, target=target)
        fault_point(target).arm(armed)
        return armed

    yield arm
    disarm_all()


@pytest.fixture
def single(chains, options):
    env = TradingEnvironment(chains, options, clock=ManualClock())
    env.reset(options={"start": 64})
    return env


def seconds(function):
    clock = SystemClock()
    began_ns = clock.monotonic_ns()
    function()
    return (clock.monotonic_ns() - began_ns) / 1e9


def acts(count, width=10):
    return np.random.default_rng(3).uniform(-1, 1, (count, width)).astype(np.float32)


def hanging(function, armed):
    """Return a thread that hangs in the fault."""
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    give_up_ns = SystemClock().monotonic_ns() + 10_000_000_000
    while not armed.strikes.count and SystemClock().monotonic_ns() < give_up_ns:
        thread.join(0.01)
    thread.join(0.05)
    assert thread.is_alive()
    return thread


def test_a_kill_ends_the_process_where_it_strikes(tmp_path):
    folder = tmp_path / "checkpoints"
    command = [sys.executable, "-c", NURSERY, str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    killed = dict(line.split() for line in done.stdout.splitlines())
    assert killed == dict.fromkeys(("rl.env.step", "rl.learn", "rl.save"), str(int(signal.SIGKILL)))
    found = read_checkpoint(folder)
    assert (found.step, found.skipped) == (1, ())


# --- a step of the environment


@pytest.mark.provokes("chain-data-insufficient")
def test_a_step_that_fails_leaves_the_episode_where_it_was(strike, single, chains, options):
    strike("rl.env.step", "chain-data-insufficient", count=1)
    with pytest.raises(ChainDataError) as caught:
        single.step(acts(1)[0])
    assert caught.value.injected
    assert single.step(acts(1)[0])[-1]["row"] == 65
    env = TradingVecEnv(chains, options, 2)
    env.reset()
    strike("rl.env.step", "chain-data-insufficient", count=1)
    with pytest.raises(ChainDataError):
        env.step(acts(2))


def test_a_step_may_come_late(strike, single):
    strike("rl.env.step", "delay", amount=DELAY_S)
    assert seconds(lambda: single.step(acts(1)[0])) >= DELAY_S


def test_a_step_that_hangs_goes_on_when_the_fault_is_over(strike, chains, options):
    env = TradingVecEnv(chains, options, 2)
    env.reset()
    rows = env.rows.copy()
    thread = hanging(lambda: env.step(acts(2)), strike("rl.env.step", "hang"))
    assert (env.rows == rows).all()
    disarm_all()
    thread.join(10)
    assert (env.rows == rows + 1).all()


def test_spoiled_data_is_what_the_data_itself_would_say(chains, table, spoiled, put):
    """The features, prices and faults of a spoiled row are those of a table with NaN there."""
    sound = MarketRows(table)
    for row in (64, 90, 91, 150):
        wrong = spoiled(
            spot=put(row, np.nan),
            at_the_money_volatility=put(row, np.nan),
            mid=put((row, row % 10), np.nan),
        ).table()
        bad, struck = MarketRows(wrong), sound.spoiled([row])
        for name in ("features", "quotes", "settlement", "faults"):
            assert (getattr(struck, name)[row] == getattr(bad, name)[row]).all()
            others = np.arange(len(table)) != row
            assert (getattr(struck, name)[others] == getattr(sound, name)[others]).all()
        assert (struck.unpriced(row) == bad.unpriced(row)).all()
        assert struck.faults[row] == 7
    assert not sound.faulty
    assert not np.isnan(table.mid).any()


def test_a_live_market_is_spoiled_in_its_newest_row(table):
    class Live:
        endless = True

        def table(self):
            return table.take(slice(0, 100))

        def at(self, row):
            return table.at(row)

    live = LiveRows(Live())
    live.wait_for(110)
    struck, expected = live.spoiled([110]), MarketRows(table).spoiled([110])
    np.testing.assert_array_equal(struck.features[110], expected.features[110])
    np.testing.assert_array_equal(struck.quotes[110], expected.quotes[110])
    assert (struck.unpriced(110) == expected.unpriced(110)).all()
    assert struck.unpriced(110).sum() == 1
    assert not live.faulty


def test_both_environments_suffer_the_same(strike, chains, options):
    """With data that is spoiled now and then, one account and a row of many are equal."""
    many = TradingVecEnv(chains, options, 1, random_start=False)
    alone = TradingEnvironment(chains, options)
    seen = [many.reset()[0], alone.reset()[0]]
    np.testing.assert_array_equal(*seen)
    actions = acts(39)
    told = []
    for step in (lambda act: many.step(act[None]), alone.step):
        strike("rl.env.step", "corrupt", probability=0.4, seed=5)
        told.append([step(act)[:2] for act in actions])
    for (one, reward), (other, same) in zip(*told, strict=True):
        np.testing.assert_array_equal(one[0], other)
        assert np.float32(np.ravel(reward)[0]) == np.float32(same)
        assert np.isfinite(other).all()
    assert many.events == alone.events
    assert many.events["trading_env_step_non_positive_prices"] > 5


def test_a_market_without_faults_is_whole_again_after_the_fault(strike, single):
    strike("rl.env.step", "corrupt", count=2)
    for act in acts(5):
        single.step(act)
    assert single.events["trading_env_non_positive_price_or_strike"] == 2
    assert not single.market.faulty


# --- a gradient step


@pytest.mark.provokes("training-diverged")
def test_a_spoiled_batch_ends_the_run_with_the_batch_kept(strike, home, run_training):
    strike("rl.learn", "corrupt", count=1)
    with pytest.raises(TrainingDivergedError) as caught:
        run_training()
    assert caught.value.injected
    assert "rewards" in caught.value.why
    run = open_run(home / "runs", "latest")
    assert (run.state, run.code) == ("failed", "training-diverged")
    (file,) = (home / "runs" / run.id).glob("diverged-*.safetensors")
    assert np.isnan(load_file(file)["rewards"]).any()
    resumed = run_training(resume=run.id)
    assert resumed.stopped_by == "steps"
    assert np.isfinite(list(resumed.scores.values())).all()


@pytest.mark.provokes("training-stage-failed")
def test_learning_without_memory_fails_its_stage(strike, run_training):
    strike("rl.learn", "no-memory")
    with pytest.raises(TrainingStageError) as caught:
        run_training()
    assert caught.value.injected
    assert caught.value.context["stage"] == "learning"


def test_a_gradient_step_may_come_late(strike, make_request, tiny_network):
    from alchemiser_cli.rl.training.devices import Compute
    from alchemiser_cli.rl.training.places import OptionsPlace
    from alchemiser_cli.rl.training.session import Session

    request = make_request(learning_starts=8)
    session = Session(OptionsPlace(request), request.training, Compute("cpu", 1, in_bfloat16=False))
    armed = strike("rl.learn", "delay", amount=DELAY_S, count=2)
    assert seconds(lambda: session.model.learn(24, log_interval=None)) >= 2 * DELAY_S
    assert armed.strikes.count == 2


# --- a checkpoint, a model


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "saved"


@pytest.mark.provokes("disk-full")
def test_a_full_disk_keeps_the_checkpoint_before(strike, folder):
    write_checkpoint(folder, 1, {"w": np.ones(3)}, {})
    strike("rl.save", "disk-full", count=1)
    with pytest.raises(DiskFullError) as caught:
        write_checkpoint(folder, 2, {"w": np.ones(3)}, {})
    assert caught.value.injected
    assert [one.name for one in folder.iterdir()] == ["000001-1"]
    write_checkpoint(folder, 2, {"w": np.ones(3)}, {})
    assert read_checkpoint(folder).step == 2


def test_a_failing_disk_keeps_the_checkpoint_before(strike, folder):
    write_checkpoint(folder, 1, {"w": np.ones(3)}, {})
    strike("rl.save", "input-output")
    with pytest.raises(DiskFailingError) as caught:
        write_checkpoint(folder, 2, {"w": np.ones(3)}, {})
    assert caught.value.injected
    assert read_checkpoint(folder).step == 1


def test_a_checkpoint_may_come_late(strike, folder):
    strike("rl.save", "delay", amount=DELAY_S)
    assert seconds(lambda: write_checkpoint(folder, 1, {}, {})) >= DELAY_S


@pytest.mark.provokes("disk-full", "home-not-writable")
def test_a_model_that_cannot_be_written_leaves_nothing(strike, folder):
    weights = {"w": np.ones((2, 2), np.float32)}
    origin = Origin(
        kind="td3",
        algorithm="TD3",
        observation_schema_hash="5c" * 32,
        architecture={},
        settings={},
        seeds={"training": 1},
    )

    def save():
        canary = Canary(np.ones((1, 2), np.float32), np.ones((1, 1), np.float32))
        return save_artefact(folder, "first", weights, canary, origin, ManualClock())

    for word, kind in (("disk-full", DiskFullError), ("input-output", HomeNotWritableError)):
        strike("rl.save", word)
        with pytest.raises(kind) as caught:
            save()
        assert caught.value.injected
        assert list_models(folder) == []
        assert not list(folder.glob(".saving-*"))
    disarm_all()
    strike("rl.save", "delay", amount=DELAY_S)
    assert seconds(save) >= DELAY_S


# --- a call of the tracking server


@pytest.fixture
def store(tmp_path, empty_store):
    file = tmp_path / "mlflow.db"
    shutil.copy(empty_store, file)
    return f"sqlite:///{file}"


@pytest.mark.provokes("tracking-unreachable")
def test_an_outage_is_told_once_and_everything_arrives_after_it(strike, store):
    troubles = []
    armed = strike("rl.track", "tracking-unreachable")
    tracker = Tracker(store, "run-1", SystemClock(), on_outage=troubles.append)
    for step in range(20):
        tracker.metrics({"loss": step / 2}, step)
    closing = threading.Thread(target=lambda: tracker.close(deadline_s=20.0), daemon=True)
    closing.start()
    give_up_ns = SystemClock().monotonic_ns() + 15_000_000_000
    while armed.strikes.count < 3 and SystemClock().monotonic_ns() < give_up_ns:
        closing.join(0.05)
    disarm_all()
    closing.join(20)
    delivery = tracker.close()
    assert (delivery.delivered, delivery.undelivered, delivery.complete) == (20, 0, True)
    assert [(trouble.code, trouble.injected) for trouble in troubles] == [
        ("tracking-unreachable", True)
    ]
    stored = stored_points(store, "run-1")
    assert [(one.name, one.value, one.step) for one in stored] == [
        ("loss", step / 2, step) for step in range(20)
    ]
    assert stored_points(store, "nobody's") == []


def test_a_store_that_hangs_is_given_up_at_the_deadline(strike, store):
    armed = strike("rl.track", "hang")
    tracker = Tracker(store, "run-1", SystemClock())
    assert seconds(lambda: tracker.metrics({"loss": 1.0}, 1)) < 1
    delivery = tracker.close(deadline_s=2.0)
    assert armed.strikes.count == 1
    assert not delivery.complete
    disarm_all()
    tracker._thread.join(20)


def test_a_store_may_answer_late(strike, store):
    strike("rl.track", "delay", amount=DELAY_S)
    tracker = Tracker(store, "run-1", SystemClock())
    tracker.metrics({"loss": 1.0}, 1)
    assert tracker.close().complete


def test_a_model_is_saved_while_nobody_registers_it(strike, home, run_training):
    strike("rl.track", "tracking-unreachable")
    result = run_training(model="first", tracking={"timeout_s": 0.1})
    assert "struck" in result.registered or "fault" in result.registered
    assert result.tracking.undelivered > 0
    disarm_all()
    uri = f"sqlite:///{home / 'mlflow.db'}"
    assert register_model(home / "models", "first", uri).problem is None
