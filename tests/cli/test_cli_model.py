"""``model``: real artefacts, listed, inspected, verified by their own network, and promoted."""

import json
import re
import shutil

import msgspec
import numpy as np
import pytest

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.exits import ExitCode
from alchemiser_cli.rl.artefacts import Canary, DataOrigin, Origin, network_of, save_artefact
from alchemiser_cli.rl.artefacts.passport import Passport
from alchemiser_cli.rl.observation import observation_schema_hash
from alchemiser_cli.rl.tracking.client import open_client

# MLflow's own models use a loader that SQLAlchemy has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning")

MASKS = [
    (re.compile(r"\b[0-9a-f]{64}\b"), "<sha256>"),
    (re.compile(r"git revision .*"), "git revision   <revision>"),
    (re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{12}\b"), "<hash>"),
    (re.compile(r"versions .*"), "versions       <versions>"),
    (re.compile(r"within [\d.e-]+ of"), "within <difference> of"),
    (re.compile(r"Z by \S+"), "Z by <user>"),
]
ARCHITECTURE = {
    "preset": "small",
    "window": 16,
    "features": 100,
    "actions": 10,
    "d_model": 8,
    "heads": 2,
    "layers": 1,
    "feedforward": 8,
    "encoded": 4,
    "hidden": (4,),
}


class Verdict(msgspec.Struct, frozen=True):
    promotable: bool
    reasons: tuple[str, ...] = ()


class Report(msgspec.Struct, frozen=True):
    verdict: Verdict


GOOD = Report(Verdict(promotable=True))
BAD = Report(
    Verdict(promotable=False, reasons=("No edge over no-trade.", "Actions are saturated."))
)


def origin(schema_hash):
    data = DataOrigin(
        dataset="sp500",
        sha256="da7a" * 16,
        first_event_time_ns=915_235_200_000_000_000,
        last_event_time_ns=1_546_214_400_000_000_000,
        rows=5_031,
        trained_rows=(63, 3_709),
        held_out_rows=(3_773, 5_031),
    )
    return Origin(
        kind="td3",
        algorithm="TD3",
        observation_schema_hash=schema_hash,
        architecture=ARCHITECTURE,
        settings={"training": {"seed": 7}},
        seeds={"training": 7},
        data=data,
        run_id="20231114T221320-17",
    )


@pytest.fixture(scope="module")
def network():
    """The weights of a real network, and what it does on some observations."""
    from alchemiser_cli.rl.td3.acting import ActorNetwork
    from alchemiser_cli.rl.td3.presets import Architecture

    layers = ActorNetwork(msgspec.convert(ARCHITECTURE, Architecture))
    weights = {name: tensor.numpy().copy() for name, tensor in layers.state_dict().items()}
    seen = np.random.default_rng(7).normal(size=(8, 16, 100)).astype("f4")
    return weights, Canary(seen, layers.act(seen))


@pytest.fixture
def save(home, network):
    def save(name, evaluation=None, *, schema_hash=None, weights=None):
        whole, canary = network
        made_for = origin(schema_hash or observation_schema_hash())
        return save_artefact(
            home / "models",
            name,
            weights or whole,
            canary,
            made_for,
            ManualClock(),
            evaluation=evaluation,
        ).folder

    return save


@pytest.fixture
def stable(masked):
    def stable(text):
        text = masked(text)
        for pattern, name in MASKS:
            text = pattern.sub(name, text)
        return text

    return stable


@pytest.fixture
def store(home, empty_store):
    """MLflow's database in the home."""
    home.mkdir(mode=0o700, exist_ok=True)
    return shutil.copy(empty_store, home / "mlflow.db")


def document(result):
    assert result.exit_code == ExitCode.OK, result.stderr
    return json.loads(result.stdout)


# --- list


def test_models_are_listed_with_their_verdicts(cli, save, home, stable, file_regression):
    save("second", BAD)
    save("first", GOOD)
    save("third")
    (home / "models" / "broken").mkdir()
    (home / "models" / "promoted.json").write_text('{"name": "first"}')
    result = cli("model", "list")
    assert result.exit_code == ExitCode.OK, result.stderr
    file_regression.check(stable(result.stdout))


def test_the_list_as_json_has_verdict_and_hash(cli, save):
    save("first", BAD)
    (row,) = document(cli("model", "list", "-o", "json"))["models"]
    assert (row["name"], row["promoted"], row["dataset"]) == ("first", False, "sp500")
    assert row["verdict"] == {"promotable": False, "reasons": [*BAD.verdict.reasons]}
    assert len(row["weights_hash"]) == 64


def test_no_model_says_how_to_get_one_and_makes_no_folder(cli, home):
    assert "alchemiser train td3" in cli("model", "list").stdout
    assert document(cli("model", "list", "-o", "json"))["models"] == []
    assert not home.exists()


# --- inspect


@pytest.mark.parametrize("written", ["first", "models/first"])
def test_a_model_is_shown_in_full(cli, save, stable, file_regression, written):
    folder = save("first", BAD)
    (folder / "model.pkl").write_bytes(b"\x80")
    result = cli("model", "inspect", written)
    assert result.exit_code == ExitCode.OK, result.stderr
    file_regression.check(stable(result.stdout), basename="a_model_in_full")


def test_the_passport_is_in_the_json(cli, save):
    save("first", GOOD)
    found = document(cli("model", "inspect", "first", "-o", "json"))
    passport = msgspec.convert(found["passport"], Passport)
    assert passport.promotable
    assert passport.data.trained_rows == (63, 3_709)
    assert found["parameters"] == sum(np.prod(one["shape"]) for one in found["tensors"])


@pytest.mark.provokes("model-corrupt")
@pytest.mark.parametrize("command", ["inspect", "verify", "promote"])
def test_a_damaged_model_exits_with_7(cli, save, command):
    (save("first", GOOD) / "canary.safetensors").write_bytes(b"-")
    result = cli("model", command, "first")
    assert result.exit_code == ExitCode.CORRUPT
    assert "canary.safetensors has another SHA-256" in result.stderr


@pytest.mark.provokes("model-not-found")
@pytest.mark.parametrize("command", ["inspect", "verify", "promote"])
@pytest.mark.parametrize("written", ["missing", "../models/first", "promoted"])
def test_a_model_that_is_not_there_exits_with_8(cli, save, command, written):
    save("first", GOOD)
    result = cli("model", command, written)
    assert result.exit_code == ExitCode.NOT_FOUND
    assert "alchemiser model list" in result.stderr


# --- verify


def test_a_model_is_verified_by_its_own_network(cli, save, stable, file_regression):
    save("first")
    result = cli("model", "verify", "first")
    assert result.exit_code == ExitCode.OK, result.stdout + result.stderr
    file_regression.check(stable(result.stdout))


def test_a_verification_as_json(cli, save):
    save("first")
    found = document(cli("model", "verify", "first", "-o", "json"))
    assert (found["passed"], found["code"]) == (True, None)
    assert [one["name"] for one in found["proofs"]] == [
        "files",
        "observations",
        "weights",
        "canary",
    ]


@pytest.mark.provokes("model-incompatible")
def test_a_model_of_other_observations_exits_with_4(cli, save):
    save("first", GOOD, schema_hash="0" * 64)
    for command in ("verify", "promote"):
        result = cli("model", command, "first")
        assert result.exit_code == ExitCode.CONFIG
        assert "error[model-incompatible]" in result.stderr


@pytest.mark.provokes("model-incompatible")
def test_weights_that_act_otherwise_exit_with_4(cli, save, network):
    weights = {name: one + np.float32(0.1) for name, one in network[0].items()}
    save("first", weights=weights)
    result = cli("model", "verify", "first")
    assert result.exit_code == ExitCode.CONFIG
    assert re.search(r"canary +FAILED", result.stdout)


def test_weights_of_another_architecture_do_not_load(save, network):
    whole = dict(network[0])
    whole.popitem()
    prove = network_of(origin_passport(save("first")))
    with pytest.raises(Exception, match="do not fit the network"):
        prove(whole, network[1].observations)


def origin_passport(folder):
    return msgspec.json.decode((folder / "passport.json").read_bytes(), type=Passport)


# --- promote


def test_a_promotion_reaches_the_registry(cli, save, store, home, stable, file_regression):
    save("first", GOOD)
    result = cli("model", "promote", "first")
    assert result.exit_code == ExitCode.OK, result.stderr
    file_regression.check(stable(result.stdout))
    assert document(cli("model", "inspect", "promoted", "-o", "json"))["promoted"]
    client = open_client(f"sqlite:///{store}", 5.0)
    assert client.get_model_version_by_alias("first", "champion").run_id is not None


@pytest.mark.provokes("model-not-promotable")
def test_a_model_that_is_not_promotable_is_refused_with_6(cli, save):
    save("first", BAD)
    result = cli("model", "promote", "first")
    assert result.exit_code == ExitCode.REFUSED
    assert "No edge over no-trade. Actions are saturated." in result.stderr
    assert "--override REASON" in result.stderr


@pytest.mark.provokes("tracking-unreachable")
def test_an_override_is_recorded_also_while_mlflow_is_away(
    cli, save, home, monkeypatch, stable, file_regression
):
    monkeypatch.setenv("ALCHEMISER_TRACKING__URI", "http://127.0.0.1:9")
    save("first", BAD)
    result = cli("model", "promote", "first", "--override", "a drill")
    assert result.exit_code == ExitCode.OK, result.stderr
    text = re.sub(r"did not take it: .*", "did not take it: <why>", stable(result.stdout))
    file_regression.check(text)
    (line,) = (home / "models" / "promotions.jsonl").read_text().splitlines()
    assert json.loads(line)["reason"] == "a drill"
    inspected = cli("model", "inspect", "first").stdout
    assert "against its verdict: a drill" in inspected


# --- completion


@pytest.mark.parametrize(
    ("typed", "expected"),
    [("", ["first", "second"]), ("f", ["first"]), ("models/s", ["models/second"]), ("x", [])],
)
def test_names_are_completed(cli, save, monkeypatch, typed, expected):
    save("second")
    save("first")
    monkeypatch.setenv("_ALCHEMISER_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", f"alchemiser model inspect {typed}")
    monkeypatch.setenv("COMP_CWORD", "3")
    assert cli().stdout.split() == expected


def test_settings_that_are_wrong_complete_nothing(cli, save, monkeypatch):
    save("first")
    monkeypatch.setenv("ALCHEMISER_ENVIRONMENT", "nonsense")
    monkeypatch.setenv("_ALCHEMISER_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "alchemiser model inspect ")
    monkeypatch.setenv("COMP_CWORD", "3")
    assert not cli().stdout.split()
