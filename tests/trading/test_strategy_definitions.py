"""Definitions: found by name, checked key by key, and hashed whole."""

import pytest

from alchemiser_cli.errors import StrategyMalformedError, StrategyNotFoundError
from alchemiser_cli.exits import ExitCode
from alchemiser_cli.settings.trading import StrategySettings
from alchemiser_cli.trading.strategies import (
    artefact_name,
    definition_names,
    find_definition,
    param_hash,
)
from alchemiser_cli.trading.strategies.kinds import rule_hash, rule_of

PLAIN = 'kind = "momentum"\nversion = 1\nsymbols = ["SPX"]\n'


@pytest.fixture
def define(tmp_path):
    """Write a definition into the home and return it as it is found."""
    folder = tmp_path / "configs" / "strategies"
    folder.mkdir(parents=True)

    def define(text, name="mine"):
        (folder / f"{name}.toml").write_text(text)
        return find_definition(name, tmp_path)

    return define


@pytest.mark.parametrize("name", ["momentum", "mean_reversion", "breakout"])
def test_the_definitions_that_come_with_the_package_are_whole(name):
    definition = find_definition(name, None)
    _, parameters = rule_of(definition)
    assert (definition.name, definition.kind) == (name, name)
    assert definition.parameters.keys() <= set(parameters.__struct_fields__)


def test_a_definition_of_the_home_takes_the_place_of_the_packages(define):
    assert define(PLAIN.replace('"SPX"', '"ES"'), "momentum").symbols == ("ES",)


@pytest.mark.provokes("strategy-not-found")
def test_a_misspelt_name_is_answered_with_the_nearest(tmp_path):
    with pytest.raises(StrategyNotFoundError) as caught:
        find_definition("momentun", tmp_path)
    assert caught.value.next_step.startswith("Did you mean momentum?")
    assert caught.value.exit_code is ExitCode.NOT_FOUND


@pytest.mark.parametrize("name", ["../momentum", "/etc/passwd", "", "Momentum"])
def test_no_path_leads_out_of_the_folders(name, tmp_path):
    with pytest.raises(StrategyNotFoundError):
        find_definition(name, tmp_path)


def test_every_definition_is_listed_once(define, tmp_path):
    define(PLAIN)
    define(PLAIN, "breakout")
    assert definition_names(tmp_path) == [
        "breakout",
        "mean_reversion",
        "mine",
        "momentum",
        "policy",
    ]


@pytest.mark.provokes("strategy-malformed")
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("kind =", "Invalid value"),
        ('kind = "momentum"\nversion = 1\n', "symbols"),
        (PLAIN + 'symbol = "SPX"\n', "'symbol' is no key"),
        (PLAIN.replace("1", '"one"'), "Expected `int`"),
        (PLAIN.replace('"SPX"', '"S*X"'), "with * at its end"),
        (PLAIN.replace('["SPX"]', "[]"), "one symbol at least"),
        (PLAIN.replace("version = 1", "version = 0"), "version must be 1"),
        (PLAIN + 'model = "../../x"\n', "is no name of a model"),
        (PLAIN + "[parameters]\nlookback = nan\n", "finite"),
    ],
)
def test_what_is_wrong_with_a_definition_is_said(define, text, why):
    with pytest.raises(StrategyMalformedError) as caught:
        define(text)
    assert why in caught.value.why


@pytest.mark.parametrize(
    ("parameters", "why", "next_step"),
    [
        ("lokback = 5", "'lokback' is no parameter of the kind momentum", "Did you mean lookback?"),
        ("lookback = 1", "Expected `int` >= 2", ""),
        ('lookback = "5"', "Expected `int`", ""),
        ("quantity = 3\nallocation = 0.1", "cannot both be given", ""),
    ],
)
def test_a_parameter_is_held_to_its_kind(define, parameters, why, next_step):
    definition = define(f"{PLAIN}[parameters]\n{parameters}\n")
    with pytest.raises(StrategyMalformedError) as caught:
        rule_of(definition)
    assert why in caught.value.why
    assert caught.value.next_step.startswith(next_step)


def test_thresholds_that_leave_no_room_for_a_trade_are_refused(define):
    text = PLAIN.replace("momentum", "mean_reversion") + "[parameters]\nentry = 1.0\nexit = 2.0\n"
    with pytest.raises(StrategyMalformedError, match="cannot be used") as caught:
        rule_of(define(text))
    assert "exit must be below entry" in caught.value.why


def test_the_hash_is_over_all_that_a_strategy_is_configured_with(define):
    plain = StrategySettings()
    first = param_hash(define(PLAIN), plain)
    written_out = PLAIN + "[parameters]\nlookback = 126\nallocation = 0.2\n"
    assert param_hash(define(written_out), plain) == first  # the defaults, written out
    others = {
        param_hash(define(PLAIN + "[parameters]\nlookback = 125\n"), plain),
        param_hash(define(PLAIN.replace("version = 1", "version = 2")), plain),
        param_hash(define(PLAIN.replace("SPX", "NDX")), plain),
        param_hash(define(PLAIN + 'model = "x"\n'), plain),
        param_hash(define(PLAIN), StrategySettings(model="y")),
    }
    assert len(others | {first}) == 6
    assert all(len(one) == 16 for one in others)


def test_a_model_outlives_another_size_and_nothing_else(define):
    first = rule_hash(define(PLAIN))
    assert rule_hash(define(PLAIN + "[parameters]\nallocation = 0.9\n")) == first
    assert rule_hash(define(PLAIN + "[parameters]\nhorizon = 9\n")) != first


@pytest.mark.parametrize("given", ["x", "models/x", "strategies/models/x"])
def test_one_artefact_has_three_names(given, define):
    assert artefact_name(given) == "x"
    assert define(PLAIN + f'model = "{given}"\n').model == "x"
