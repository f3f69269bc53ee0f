"""A defence of weights or training that is switched off is named by its experiment's verdict."""

import shutil

import msgspec
import numpy as np
import pytest
from learning_experiments import conduct, shipped

from alchemiser_cli.rl import market_rows
from alchemiser_cli.rl.tracking.backlog import Backlog
from alchemiser_cli.shm import WeightReader
from alchemiser_cli.shm import reader as reading
from alchemiser_cli.shm.freshness import freshness_of

# MLflow's own models use a loader that SQLAlchemy has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning")


@pytest.fixture
def tracked(tmp_path, empty_store, monkeypatch):
    """Return the settings of a run that is tracked at once, of a network that is small."""
    from alchemiser_cli.rl.td3 import presets

    size = presets._Size(8, 2, 1, 16, 6, (12, 12))
    monkeypatch.setitem(presets.PRESETS, "small", size)
    file = tmp_path / "mlflow.db"
    shutil.copy(empty_store, file)
    return {"tracking.uri": f"sqlite:///{file}"}


def accused(journal):
    assert not journal.passed
    return journal.verdict.accused


def test_a_checksum_that_fits_everything_is_accused(tmp_path, monkeypatch):
    copied = WeightReader._copied

    def trusting(reader, index, generation):
        copy = copied(reader, index, generation)
        right = reader._words[reader._mapping.marks[index] + 1]
        return copy and msgspec.structs.replace(copy, checksum=right)

    monkeypatch.setattr(WeightReader, "_copied", trusting)
    document = shipped("writer-killed", only=("shm.read",), fault=0.6, work=0.7)
    assert accused(conduct(document, tmp_path)) == ["checksum"]


def test_a_freshness_limit_that_nobody_keeps_is_accused(tmp_path, monkeypatch):
    def for_ever(head, refusal, settings, clock):
        found = freshness_of(head, refusal, settings, clock)
        return msgspec.structs.replace(found, state="fresh", action="act")

    monkeypatch.setattr(reading, "freshness_of", for_ever)
    document = shipped("weights-expired", fault=1.2, work=1.3)
    for one in document["extensions"][0]["expect"]:
        one["told"] = None  # nobody waits for a message that does not come
    journal = conduct(document, tmp_path, **{"shm.max_age_s": 0.5})
    assert accused(journal) == ["freshness limit"]


def test_a_backlog_that_forgets_is_accused(tmp_path, monkeypatch, tracked):
    monkeypatch.setattr(Backlog, "put_back", lambda _backlog, _batch: None)
    document = shipped("tracking-down", fault=2.5, work=2.6)
    assert accused(conduct(document, tmp_path, **tracked)) == ["tracking backlog"]


def test_market_data_that_nobody_makes_finite_is_accused(tmp_path, monkeypatch, tracked):
    monkeypatch.setattr(market_rows, "bounded", lambda values: values.astype(np.float32))
    document = shipped("nan-market-data", only=("rl.env.step",), fault=1.5, work=1.0)
    assert "data guard" in accused(conduct(document, tmp_path, **tracked))
