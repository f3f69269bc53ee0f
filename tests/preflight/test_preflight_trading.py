"""What trading rests on: kill switch, trails, brokers, and the strategies with their models."""

import json
import shutil
from contextlib import closing

import pytest

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.market import open_dataset
from alchemiser_cli.settings import AuditSettings, Settings
from alchemiser_cli.state import StateDatabase
from alchemiser_cli.trading.audit import AnchorStore, AuditEntry, AuditTrail
from alchemiser_cli.trading.kill_switch import KillSwitch
from alchemiser_cli.trading.strategies import train_strategy

ANCHORED = "audit trails end where they were anchored"
OPENED = "brokers of strategies can be opened"


@pytest.fixture
def shm(tmp_path):
    folder = tmp_path / "shm"
    folder.mkdir()
    return folder


@pytest.fixture
def trading(outcome, shm):
    """The result of one check of the category ``trading``."""

    def trading(name, *assignments, **options):
        return outcome("trading", name, f"shm.directory={shm}", *assignments, **options)

    return trading


# --- kill switch


def test_a_home_in_which_nothing_traded_has_no_switch_and_gets_none(trading, home, shm):
    assert trading("kill switch can be read").result == "skipped"
    assert trading("kill switch is not set").result == "skipped"
    assert list(shm.iterdir()) == []
    assert not (home / "run").exists()


@pytest.mark.provokes("kill-switch-active")
@pytest.mark.parametrize("environment", ["development", "paper"])
def test_a_set_kill_switch_blocks_a_start_until_it_is_cleared(
    trading, home, shm, clock, environment
):
    switch = KillSwitch(shm, Settings(home=home).kill_switch_file, clock)
    switch.set("a wrong price", "trade halt")

    result = trading("kill switch is not set", f"environment={environment}")

    assert (result.result, result.code) == ("error", "kill-switch-active")
    assert "trade halt set it: a wrong price" in result.detail
    switch.clear("it was a test", "trade resume")
    assert trading("kill switch is not set").result == "success"
    switch.close()


@pytest.mark.provokes("kill-switch-unreadable")
def test_a_kill_switch_that_cannot_be_read_blocks_a_start(trading, home):
    file = Settings(home=home).kill_switch_file
    file.parent.mkdir(parents=True)
    file.write_text("{")

    result = trading("kill switch can be read")

    assert (result.result, result.code) == ("error", "kill-switch-unreadable")
    assert "It counts as set" in result.detail


# --- audit trails


@pytest.fixture
def trail(home, clock):
    """A trail of five lines whose head is anchored in the state database."""

    def trail(key=None):
        settings = Settings(home=home)
        folder = settings.audit_folder / "paper"
        with closing(StateDatabase.of(settings, clock)) as database:
            store = AnchorStore(database)
            chosen = AuditSettings(min_free_megabytes=0)
            with AuditTrail(
                folder, chosen, clock, run_id="r1", broker="paper", key=key, anchor=store.save
            ) as opened:
                for number in range(5):
                    opened.append(AuditEntry(event="HELD", event_id=f"h-{number}"))
        return next(folder.glob("*.jsonl"))

    return trail


def test_a_home_without_a_trail_has_nothing_to_compare(trading):
    assert trading(ANCHORED).skipped_because == "no audit trail was anchored yet"


def test_a_trail_that_is_whole_or_has_a_torn_tail_may_be_continued(trading, trail):
    file = trail()
    assert trading(ANCHORED).detail == "1 trails"
    file.write_bytes(file.read_bytes() + b'{"sequence": 5')
    assert trading(ANCHORED).result == "success"


@pytest.mark.provokes("audit-corrupt")
@pytest.mark.parametrize("fault", ["cut", "last line edited", "gone"])
def test_a_trail_that_is_not_as_it_was_anchored_blocks_a_start(trading, trail, fault):
    file = trail()
    lines = file.read_bytes().splitlines(keepends=True)
    if fault == "cut":
        file.write_bytes(b"".join(lines[:-1]))
    elif fault == "gone":
        shutil.rmtree(file.parent)
    else:
        file.write_bytes(b"".join([*lines[:-1], lines[-1].replace(b"h-4", b"h-9")]))

    result = trading(ANCHORED)

    assert (result.result, result.code) == ("error", "audit-corrupt")
    assert result.detail.endswith(".")
    assert result.hint == "See what is wrong: alchemiser audit verify paper"


@pytest.mark.provokes("audit-corrupt")
def test_a_signed_trail_needs_its_key(trading, trail):
    key = "k" * 32
    trail(key.encode())
    assert trading(ANCHORED).code == "audit-corrupt"
    assert trading(ANCHORED, f"signing.key={key}").result == "success"


# --- brokers


def test_the_paper_broker_can_always_be_opened(trading):
    result = trading(OPENED, "strategies.momentum.enabled=true")
    assert (result.result, result.detail) == ("success", "paper")


@pytest.mark.provokes("broker-inactive")
@pytest.mark.parametrize(
    ("environment", "expected"), [("development", "warning"), ("paper", "error")]
)
def test_a_strategy_whose_broker_is_not_active_is_found(trading, environment, expected):
    result = trading(
        OPENED,
        "strategies.momentum.broker=live",
        "strategies.breakout.broker=paper",
        f"environment={environment}",
    )
    assert (result.result, result.code) == (expected, "broker-inactive")
    assert "there is no broker 'live'" in result.detail


# --- strategies and their models


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A home with the model of a strategy; one training serves all tests."""
    folder = tmp_path_factory.mktemp("trained")
    train_strategy(
        Settings(home=folder),
        "mean_reversion",
        open_dataset("sp500", limit=1_200),
        ManualClock(),
        dataset="sp500",
        folds=2,
    )
    return folder


@pytest.fixture
def model(trained, home):
    """The model's folder in a home of the test's own."""
    shutil.copytree(trained / "models", home / "models")
    return home / "models" / "mean_reversion"


NAMED = "strategies.mean_reversion.model=mean_reversion"


@pytest.mark.parametrize(
    "name", ["mean_reversion", "models/mean_reversion", "strategies/models/mean_reversion"]
)
def test_a_strategys_model_verifies_fits_and_loads_by_each_of_its_names(outcome, model, name):
    named = f"strategies.mean_reversion.model={name}"
    assert outcome("models", "strategies' models verify", named).result == "success"
    assert outcome("models", "strategies' models fit", named).result == "success"
    assert outcome("strategies", "strategies load", named).result == "success"


def test_the_model_that_a_definition_names_is_checked_too(outcome, home, model):
    definitions = home / "configs" / "strategies"
    definitions.mkdir(parents=True)
    (definitions / "gentle.toml").write_text(
        'kind = "mean_reversion"\nversion = 1\nsymbols = ["SPX"]\nmodel = "models/absent"\n'
    )
    result = outcome("models", "strategies' models exist", "strategies.gentle.enabled=true")
    assert result.code == "model-not-found"
    assert "models/absent" in result.detail


@pytest.mark.provokes("model-corrupt")
@pytest.mark.parametrize("fault", ["edited", "no passport", "half a passport"])
def test_a_damaged_model_of_a_strategy_is_found(outcome, model, fault):
    if fault == "edited":
        (model / "model.skops").write_bytes(b"PK")
    elif fault == "no passport":
        (model / "passport.json").unlink()
    else:
        (model / "passport.json").write_text('{"schema_version": 1, "kind": "strategy"}')
    assert outcome("models", "strategies' models verify", NAMED).code == "model-corrupt"
    assert outcome("models", "strategies' models fit", NAMED).result == "skipped"


@pytest.mark.provokes("model-incompatible")
@pytest.mark.parametrize(
    ("definition", "why"),
    [
        ('kind = "mean_reversion"\nversion = 2\nsymbols = ["SPX"]\n', "are not those of its"),
        ('kind = "policy"\nversion = 1\nsymbols = ["SPX"]\n', "needs a trained policy"),
    ],
)
def test_a_model_of_another_rule_or_kind_is_found(outcome, home, model, definition, why):
    definitions = home / "configs" / "strategies"
    definitions.mkdir(parents=True)
    (definitions / "gentle.toml").write_text(definition)
    named = "strategies.gentle.model=mean_reversion"
    result = outcome("models", "strategies' models fit", named)
    assert (result.result, result.code) == ("warning", "model-incompatible")
    assert why in result.detail


@pytest.mark.provokes("strategy-model-unusable")
@pytest.mark.parametrize(
    ("environment", "expected"), [("development", "warning"), ("production", "error")]
)
def test_a_strategy_that_would_be_disabled_blocks_production_only(
    outcome, model, environment, expected
):
    passport = json.loads((model / "passport.json").read_text())
    passport["probabilities"][0] += 0.1
    (model / "passport.json").write_text(json.dumps(passport))
    result = outcome(
        "strategies",
        "strategies load",
        NAMED,
        "strategies.momentum.enabled=true",
        f"environment={environment}",
    )
    assert (result.result, result.code) == (expected, "strategy-model-unusable")
    assert "1 of 2 strategies would be disabled" in result.detail
