"""A promotion needs a verdict that allows it, or a reason that stays on record."""

import json

import msgspec
import numpy as np
import pytest

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.errors import ModelCorruptError, ModelIncompatibleError, ModelNotPromotableError
from alchemiser_cli.rl.artefacts import (
    Canary,
    Origin,
    load_artefact,
    promote,
    promoted_name,
    save_artefact,
)


class Verdict(msgspec.Struct, frozen=True):
    promotable: bool
    reasons: tuple[str, ...] = ()


class Report(msgspec.Struct, frozen=True):
    verdict: Verdict


GOOD = Report(Verdict(promotable=True))
BAD = Report(Verdict(promotable=False, reasons=("No edge over the baselines.",)))


@pytest.fixture
def models(tmp_path):
    return tmp_path / "models"


@pytest.fixture
def save(models):
    def save(name, evaluation):
        origin = Origin(
            kind="td3",
            algorithm="TD3",
            observation_schema_hash="5c" * 32,
            architecture={},
            settings={},
            seeds={},
        )
        canary = Canary(np.zeros((1, 2), "f4"), np.zeros((1, 1), "f4"))
        weights = {"w": np.arange(3, dtype="f4")}
        options = {"evaluation": evaluation}
        return save_artefact(models, name, weights, canary, origin, ManualClock(), **options)

    return save


def records(models):
    return [json.loads(line) for line in (models / "promotions.jsonl").read_text().splitlines()]


def test_a_promotable_model_becomes_the_promoted_one(models, save):
    save("first", GOOD)
    done = promote(models, "models/first", ManualClock(), by="ada")
    assert (done.model, done.previous, done.promotion.overridden) == ("first", None, False)
    assert promoted_name(models) == "first"
    assert load_artefact(models, "promoted").passport.promotion == done.promotion
    assert records(models) == [
        {
            "model": "first",
            "weights_hash": done.passport.weights_hash,
            "previous": None,
            "at": "2023-11-14T22:13:20.000000+00:00",
            "by": "ada",
            "overridden": False,
            "reason": None,
        }
    ]


@pytest.mark.provokes("model-not-promotable")
@pytest.mark.parametrize(
    ("evaluation", "why"), [(BAD, "No edge over the baselines."), (None, "It was not evaluated.")]
)
@pytest.mark.parametrize("override", [None, "  "])
def test_a_model_without_a_good_verdict_is_refused(models, save, evaluation, why, override):
    save("first", evaluation)
    with pytest.raises(ModelNotPromotableError) as caught:
        promote(models, "first", ManualClock(), by="ada", override=override)
    assert why in caught.value.why
    assert promoted_name(models) is None
    assert not (models / "promotions.jsonl").exists()


def test_an_override_is_recorded_with_its_reason(models, save):
    save("first", GOOD)
    save("second", BAD)
    promote(models, "first", ManualClock(), by="ada")
    done = promote(models, "second", ManualClock(), by="ada", override="a drill, agreed")
    assert (done.previous, done.promotion.overridden) == ("first", True)
    passport = load_artefact(models, "second").passport
    assert (passport.promotion.reason, passport.promotable) == ("a drill, agreed", False)
    assert [one["overridden"] for one in records(models)] == [False, True]


@pytest.mark.provokes("model-corrupt")
def test_a_damaged_model_is_not_promoted(models, save):
    (save("first", GOOD).folder / "weights.safetensors").write_bytes(b"-")
    with pytest.raises(ModelCorruptError):
        promote(models, "first", ManualClock(), by="ada", override="in a hurry")
    assert promoted_name(models) is None


@pytest.mark.provokes("model-incompatible")
def test_a_model_of_other_observations_is_not_promoted(models, save):
    save("first", GOOD)
    with pytest.raises(ModelIncompatibleError):
        promote(models, "first", ManualClock(), by="ada", observation_schema_hash="00" * 32)
