"""A training run ends in a model that proves itself, and is the same each time."""

import json

import numpy as np
import pytest

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.errors import ChainDataError, ModelExistsError
from alchemiser_cli.rl.artefacts import load_artefact, network_of, verify_artefact
from alchemiser_cli.rl.observation import observation_schema_hash
from alchemiser_cli.rl.runs import open_run, read_metrics, read_result
from alchemiser_cli.rl.td3.acting import load_actor
from alchemiser_cli.rl.td3.presets import architecture_of
from alchemiser_cli.rl.training import TrainingWatch, train
from alchemiser_cli.rl.vec_env import TradingVecEnv
from alchemiser_cli.settings import Settings

# MLflow's own models use a loader that SQLAlchemy has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning")


@pytest.fixture
def published():
    """A list of what is published, and a watch that fills it."""
    seen = []
    return seen, TrainingWatch(on_weights=lambda *told: seen.append(told))


def test_a_run_becomes_a_model_that_verifies(home, run_training):
    result = run_training(model="first")
    assert (result.steps, result.updates, result.stopped_by) == (240, 45, "steps")
    artefact = load_artefact(
        home / "models", "first", observation_schema_hash=observation_schema_hash()
    )
    assert artefact.passport.weights_hash == result.weights_hash
    verified = verify_artefact(
        artefact,
        network_of(artefact.passport),
        observation_schema_hash=observation_schema_hash(),
    )
    assert {proof.result for proof in verified.proofs} == {"passed"}
    assert result.registered == "version 1"
    assert result.tracking.complete
    assert np.isfinite(list(result.scores.values())).all()


def test_the_passport_says_what_the_model_was_made_of(home, run_training, make_request):
    result = run_training(model="first")
    passport = load_artefact(home / "models", "first").passport
    data = passport.data
    assert data.dataset == make_request().dataset
    assert (data.rows, data.trained_rows, data.held_out_rows) == (420, (0, 315), (331, 420))
    assert len(data.sha256) == 64
    assert passport.seeds == {"training": 1}
    assert passport.settings["training"]["learning_rate"] == 1e-3
    assert passport.settings["options"]["episode_steps"] == 30
    assert passport.architecture["window"] == 16
    assert passport.run_id == result.run_id
    assert passport.registration.version == "1"
    assert passport.verdict.promotable == result.evaluation.verdict.promotable
    assert passport.verdict.reasons == tuple(result.evaluation.verdict.reasons)
    assert "torch" in passport.versions


def test_the_held_out_rows_are_never_trained_on(make_request):
    from alchemiser_cli.rl.training import OptionsPlace

    place = OptionsPlace(make_request())
    env = place.training_env(4, seed=1)
    assert isinstance(env, TradingVecEnv)
    assert len(env.table) == place.trained_rows[1] == 315
    assert place.held_out_rows[0] - place.trained_rows[1] == 16


def test_the_run_is_on_record(home, run_training):
    result = run_training()
    record = open_run(home / "runs", "latest")
    assert (record.id, record.state, record.stage) == (result.run_id, "finished", None)
    written = read_result(home / "runs" / record.id)
    assert written["weights_hash"] == result.weights_hash
    assert written["model"] == result.model == f"td3-{record.id}"
    rows = read_metrics(home / "runs" / record.id)
    assert [row["step"] for row in rows] == [100, 200, 240]
    assert {"evaluation_score", "evaluation_return", "critic_loss", "actor_loss"} <= set(rows[-1])
    assert rows[-1]["evaluation_score"] == result.scores["score"]
    assert json.loads((home / "runs" / record.id / "run.json").read_bytes())["resumes"] == 0


def test_one_seed_gives_one_policy_and_another_seed_another(run_training, make_request):
    one, same = (run_training().weights_hash for _ in range(2))
    assert one == same
    assert run_training(make_request(seed=2)).weights_hash != one


def test_watching_changes_nothing(run_training, published, make_request):
    plain = run_training()
    watched = run_training(make_request(evaluate_every=40, checkpoint_every=40), watch=published[1])
    assert watched.weights_hash == plain.weights_hash
    assert watched.published == len(published[0]) == 6


def test_weights_are_published_with_a_canary_that_proves_them(run_training, published):
    seen, watch = published
    result = run_training(watch=watch)
    assert [step for *_, step in seen] == [100, 200, 240]
    assert result.published == 3
    architecture = architecture_of("small", (16, 100), 10)
    for weights, observations, actions, _ in seen:
        assert all(np.isfinite(array).all() for array in weights.values())
        assert observations.shape == (8, 16, 100)
        np.testing.assert_array_equal(load_actor(architecture, weights).act(observations), actions)
    first, last = seen[0][0], seen[-1][0]
    assert any((first[name] != last[name]).any() for name in first)


def test_a_time_budget_ends_a_run_with_a_model(home, tiny_network, make_request):
    clock = ManualClock()
    watch = TrainingWatch(
        time_budget_s=5.0,
        on_weights=lambda *told: clock.advance(told[-1] // 100 * 6),
    )
    result = train(Settings(home=home), make_request(), clock, watch=watch)
    assert (result.stopped_by, result.steps) == ("time-budget", 100)
    assert load_artefact(home / "models", result.model).passport.weights_hash == result.weights_hash
    assert [row["step"] for row in read_metrics(home / "runs" / result.run_id)] == [100]


def test_a_budget_that_is_over_at_once_leaves_the_untrained_policy(run_training):
    result = run_training(watch=TrainingWatch(time_budget_s=1e-9))
    assert (result.steps, result.updates, result.stopped_by) == (0, 0, "time-budget")
    assert result.model is not None


def test_a_run_that_is_not_worth_it_is_pruned(home, run_training):
    told = []

    def not_worth_it(step, score):
        told.append((step, score))
        return True

    result = run_training(watch=TrainingWatch(on_score=not_worth_it))
    assert (result.stopped_by, result.steps, result.model) == ("pruned", 100, None)
    assert told == [(100, result.scores["score"])]
    assert not (home / "models").exists()
    assert open_run(home / "runs", "latest").state == "finished"


def test_progress_is_told_by_the_clock(home, tiny_network, make_request):
    clock, told = ManualClock(), []

    def a_second_later():
        clock.advance(1.0)
        return False

    watch = TrainingWatch(on_update=told.append, stop=a_second_later)
    train(Settings(home=home), make_request(), clock, watch=watch)
    assert [update.steps for update in told] == list(range(4, 240, 4))
    assert told[-1].steps_per_s == pytest.approx(4.0)
    assert told[-1].seconds_left == pytest.approx(1.0)
    assert np.isfinite(told[-1].critic_loss)


@pytest.mark.provokes("model-exists")
def test_a_name_that_is_taken_is_refused_before_anything_is_trained(home, run_training):
    (home / "models" / "first").mkdir(parents=True)
    with pytest.raises(ModelExistsError):
        run_training(model="models/first")
    assert not (home / "runs").exists()


@pytest.mark.provokes("tracking-unreachable")
def test_a_tracking_outage_stops_nothing(home, run_training):
    away = {"uri": "http://127.0.0.1:9", "timeout_s": 0.2}
    result = run_training(tracking=away)
    assert result.stopped_by == "steps"
    assert (result.tracking.complete, result.tracking.run_id) == (False, None)
    assert result.tracking.undelivered > 0
    assert "127.0.0.1:9" in result.registered
    assert load_artefact(home / "models", result.model).passport.registration is None


@pytest.mark.provokes("chain-data-insufficient")
def test_data_that_leaves_nothing_to_hold_out_is_refused(home, run_training, make_request):
    with pytest.raises(ChainDataError, match="too few to train on"):
        run_training(make_request(purge_steps=80))
    assert not (home / "runs").exists()
