"""The experiments of the weight bus and of training: what breaks there is seen, and survived."""

import shutil

import numpy as np
import pytest
from learning_experiments import answers, conduct, shipped, wrong

from alchemiser_cli.chaos.workloads.weight_decisions import Decisions
from alchemiser_cli.clock import ManualClock
from alchemiser_cli.settings import ShmSettings
from alchemiser_cli.shm import WeightSegment

# MLflow's own models use a loader that SQLAlchemy has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning")


def test_a_writer_that_is_killed_misleads_nobody_and_is_replaced(tmp_path):
    document = shipped("writer-killed", fault=1.0, work=0.6)
    document["method"][2]["provider"]["arguments"]["probability"] = 1.0
    journal = conduct(document, tmp_path)
    assert wrong(journal) == []
    seen = answers(journal)
    assert (
        "left a slot half written" in seen["shm.write.mid-copy", "reacted", "spare slots"].observed
    )
    assert "1 of them marked as injected" in seen["shm.read", "journalled", ""].observed


def test_expired_weights_are_not_acted_on_until_newer_ones_come(tmp_path):
    journal = conduct(
        shipped("weights-expired", fault=1.5, work=1.7), tmp_path, **{"shm.max_age_s": 0.6}
    )
    assert wrong(journal) == []
    assert 0.5 < answers(journal)["shm.publish", "detected", ""].after_s < 1.5


@pytest.fixture
def tracked(tmp_path, empty_store, monkeypatch):
    """Return the settings of a run that is tracked at once, of a network that is small."""
    from alchemiser_cli.rl.td3 import presets

    size = presets._Size(8, 2, 1, 16, 6, (12, 12))
    monkeypatch.setitem(presets.PRESETS, "small", size)
    file = tmp_path / "mlflow.db"
    shutil.copy(empty_store, file)
    return {"tracking.uri": f"sqlite:///{file}"}


def test_a_run_survives_its_data_its_batches_and_its_tracking_server(tmp_path, tracked):
    """One run for both experiments of training."""
    document = shipped("nan-market-data", fault=2.0, work=1.5)
    outage = shipped("tracking-down", fault=4.0, work=4.2)
    document["method"] = outage["method"] + document["method"]
    both = document["extensions"][0]["expect"]
    both += outage["extensions"][0]["expect"]
    for one in both:  # how fast a machine trains is not asked here: the drill does
        one.pop("availability", None)
    journal = conduct(document, tmp_path, **tracked)
    assert wrong(journal) == []
    seen = answers(journal)
    assert "0 values are missing" in seen["rl.track", "reacted", "tracking backlog"].observed
    assert "1 runs were ended; kept: diverged-" in seen["rl.learn", "reacted", "NaN guard"].observed
    assert seen["rl.track", "journalled", ""].observed == "once, 1 of them marked as injected"


def test_a_decision_on_what_must_not_be_used_counts_as_lost(tmp_path):
    clock, troubles = ManualClock(), []
    settings = ShmSettings(directory=tmp_path, max_age_s=5.0)
    segment = WeightSegment(settings, "policy", clock)
    whole = {"w": np.full(9, 1, np.float32)}
    mixed = {"w": np.array([2] * 8 + [1], np.float32)}
    with segment.writer(whole) as writer, segment.reader() as reader:
        decisions = Decisions(reader, 5.0, clock, troubles.append)
        decisions.decide()
        writer.publish(whole)
        decisions.decide()
        writer.publish(mixed)
        decisions.decide()
        decisions._max_age_s = 1.0
        clock.advance(2)
        writer.publish({"w": np.full(9, 3, np.float32)})
        clock.advance(2)
        decisions.decide()
        clock.advance(9)
        decisions.decide()
        decisions.decide()
    judged = decisions.judged
    assert (judged.acted, judged.refrained, judged.torn, judged.too_old) == (1, 3, 1, 1)
    work = decisions.work()
    assert (work.offered, work.done, work.set_aside, work.lost, work.twice) == (6, 1, 3, 2, 0)
    assert [trouble.code for trouble in troubles] == ["weights-stale", "weights-stale"]
