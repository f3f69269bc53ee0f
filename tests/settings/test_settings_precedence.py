"""Flags win over the environment, that over .env, that over the profile, it over the defaults."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alchemiser_cli.settings import Settings
from alchemiser_cli.settings.layers import (
    dotenv_layer,
    environment_layer,
    flag_layer,
    profile_layer,
)
from alchemiser_cli.settings.model import settings_from_layers
from alchemiser_cli.settings.resolve import Request, Resolved, inspect, resolve

LAYERS = ("flag", "variable", "dotenv", "profile")  # the strongest first
WORDS = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=8)
KEYS = {
    ("kafka", "client_id"): WORDS,
    ("kafka", "request_timeout_s"): st.integers(1, 9).map(float),
    ("consumer", "batch_size"): st.integers(1, 10_000),
    ("logs", "level"): st.sampled_from(["debug", "info", "warning", "error"]),
    ("topics", "ticks"): WORDS,
    ("brokers", "kite", "enabled"): st.booleans(),
    ("brokers", "kite", "api_key"): WORDS,
    ("strategies", "trend", "model"): WORDS,
}
GIVEN = st.fixed_dictionaries(
    {}, optional={key: st.dictionaries(st.sampled_from(LAYERS), KEYS[key]) for key in KEYS}
)


@settings(deadline=None)
@given(GIVEN)
def test_the_strongest_layer_that_sets_a_key_decides_its_value_and_origin(given_values):
    with tempfile.TemporaryDirectory() as folder:
        layers, marks = _written(Path(folder), given_values)
        resolved = Resolved(settings_from_layers(layers), "desk", layers)
    defaults = Settings()
    for key, by_layer in given_values.items():
        strongest = next((name for name in LAYERS if name in by_layer), None)
        if strongest is None:
            continue
        assert _plain(_at(resolved.settings, key)) == by_layer[strongest]
        assert resolved.origin(key).startswith(marks[strongest])
    for key in {("kafka", "mode"), ("logs", "level")} - {k for k, v in given_values.items() if v}:
        assert _at(resolved.settings, key) == _at(defaults, key)
        assert resolved.origin(key) == "default"


def _written(folder, given_values):
    by_layer = {
        name: {key: values[name] for key, values in given_values.items() if name in values}
        for name in LAYERS
    }
    variables = {
        f"ALCHEMISER_{'__'.join(key).upper()}": str(value)
        for key, value in by_layer["variable"].items()
    }
    dotenv, profile = folder / ".env", folder / "desk.toml"
    dotenv.write_text(
        "".join(
            f"ALCHEMISER_{'__'.join(key).upper()}={value}\n"
            for key, value in by_layer["dotenv"].items()
        )
    )
    profile.write_text(
        "".join(f"{'.'.join(key)} = {_toml(value)}\n" for key, value in by_layer["profile"].items())
    )
    layers = (
        flag_layer([f"{'.'.join(key)}={value}" for key, value in by_layer["flag"].items()], None),
        environment_layer(variables),
        dotenv_layer(dotenv),
        profile_layer(profile),
    )
    marks = {
        "flag": "flag --set ",
        "variable": "variable ALCHEMISER_",
        "dotenv": f"{dotenv}:",
        "profile": f"{profile}:",
    }
    return layers, marks


def _toml(value):
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


def _at(settings, key):
    value = settings
    for part in key:
        value = value[part] if isinstance(value, dict) else getattr(value, part)
    return value


def _plain(value):
    return value.get_secret_value() if hasattr(value, "get_secret_value") else value


@pytest.mark.parametrize(
    ("flag", "variable", "dotenv", "expected"),
    [
        (None, None, None, "development"),
        (None, None, "paper", "paper"),
        (None, "production", "paper", "production"),
        ("paper", "production", "production", "paper"),
    ],
)
def test_the_profile_itself_is_chosen_by_flag_then_variable_then_dotenv(
    flag, variable, dotenv, expected
):
    if dotenv:
        Path(".env").write_text(f"ALCHEMISER_PROFILE={dotenv}\n")
    environ = {"ALCHEMISER_PROFILE": variable} if variable else {}
    assert inspect(Request(profile=flag, environ=environ)).profile == expected


def test_the_home_flag_wins_over_a_variable(ask, tmp_path):
    request = ask(home=tmp_path / "flag", environ={"ALCHEMISER_HOME": str(tmp_path / "variable")})
    assert resolve(request).settings.home == tmp_path / "flag"
    assert resolve(request).origin(("home",)) == "flag --home"


def test_of_two_flags_for_one_key_the_last_decides(ask):
    request = ask(flags=["kafka.client_id=first", "kafka.client_id=second"])
    assert resolve(request).settings.kafka.client_id == "second"


def test_layers_that_set_different_keys_of_one_section_are_merged(ask):
    settings = resolve(
        ask(
            '[kafka]\nclient_id = "profile"\nusername = "profile"\n',
            dotenv="ALCHEMISER_KAFKA__USERNAME=dotenv\n",
            environ={"ALCHEMISER_KAFKA__EMBEDDED_BROKERS": "3"},
            flags=["kafka.request_timeout_s=7"],
        )
    ).settings
    assert settings.kafka.client_id == "profile"
    assert settings.kafka.username == "dotenv"
    assert settings.kafka.embedded_brokers == 3
    assert settings.kafka.request_timeout_s == 7


def test_a_json_object_sets_several_keys_and_leaves_the_others(ask):
    resolved = resolve(
        ask(
            '[kafka]\nmode = "external"\nclient_id = "profile"\n',
            flags=['kafka={"client_id": "flag", "username": "desk"}'],
        )
    )
    assert resolved.settings.kafka.mode == "external"
    assert resolved.settings.kafka.client_id == "flag"
    assert resolved.origin(("kafka", "client_id")) == "flag --set kafka"


def test_a_json_list_sets_a_list(ask):
    request = ask(environ={"ALCHEMISER_NOTIFICATIONS__DESK__SEVERITIES": '["low", "high"]'})
    assert resolve(request).settings.notifications["desk"].severities == ("low", "high")


def test_a_comma_list_names_plugins(ask):
    assert resolve(ask(flags=["plugins=one, two,"])).settings.plugins == ("one", "two")


@pytest.mark.parametrize("text", ["[not json", "{", "[", "{a}"])
def test_a_text_that_only_looks_like_json_stays_text(text, ask):
    request = ask(environ={"ALCHEMISER_KAFKA__PASSWORD": text})
    assert resolve(request).settings.kafka.password.get_secret_value() == text


def test_nothing_of_the_process_itself_is_read(ask, monkeypatch):
    monkeypatch.setenv("ALCHEMISER_KAFKA__CLIENT_ID", "ambient")
    monkeypatch.setenv("KAFKA", '{"client_id": "ambient"}')
    monkeypatch.setenv("WORD", "ambient")
    request = ask(dotenv="ALCHEMISER_CONSUMER__GROUP=${WORD}\n")
    settings = resolve(request).settings
    assert settings.kafka.client_id == "alchemiser"
    assert settings.consumer.group == "${WORD}"
