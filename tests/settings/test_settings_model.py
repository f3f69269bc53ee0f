"""One frozen object, its schema, its transient key, and the profiles that are shipped."""

import msgspec
import pytest
from pydantic import SecretStr, ValidationError

from alchemiser_cli import settings as public
from alchemiser_cli.settings import Settings
from alchemiser_cli.settings.resolve import Request, inspect, resolve

SECTIONS = [
    name for name in Settings.model_fields if name not in ("environment", "home", "plugins")
]


def test_settings_cannot_be_changed():
    settings = Settings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.environment = "production"
    with pytest.raises(ValidationError, match="frozen"):
        settings.kafka = settings.kafka
    with pytest.raises(ValidationError, match="frozen"):
        settings.kafka.mode = "external"


@pytest.mark.parametrize("name", [name for name in public.__all__ if name != "Environment"])
def test_every_section_is_frozen_and_refuses_unknown_keys(name):
    config = getattr(public, name).model_config
    assert (config["frozen"], config["extra"]) == (True, "forbid")


def test_the_defaults_alone_are_valid_and_safe():
    settings = Settings()
    assert settings.environment == "development"
    assert settings.kafka.mode == "embedded"
    assert settings.brokers == {}


@pytest.mark.parametrize("environment", ["development", "paper"])
def test_without_a_signing_key_a_transient_one_is_made_for_each_process(environment):
    request = Request(assignments=(f"environment={environment}",))
    first, second = resolve(request), resolve(request)
    keys = [one.settings.signing.key.get_secret_value() for one in (first, second)]
    assert keys[0] != keys[1]
    assert all(len(key) >= 32 for key in keys)
    assert first.origin(("signing", "key")) == "transient, made for this process"


def test_a_signing_key_that_is_set_stays():
    resolved = resolve(Request(environ={"ALCHEMISER_SIGNING__KEY": "mine"}))
    assert resolved.settings.signing.key == SecretStr("mine")


def test_production_makes_no_signing_key():
    resolved = resolve(Request(assignments=("environment=production",)))
    assert resolved.settings.signing.key is None


def test_the_schema_describes_every_section_and_every_key():
    schema = Settings.model_json_schema()
    assert set(schema["properties"]) == set(Settings.model_fields)
    assert msgspec.json.encode(schema)
    for definition in schema["$defs"].values():
        for name, key in definition.get("properties", {}).items():
            assert key.get("description"), f"{definition['title']}.{name} is not described"


def test_every_section_is_a_public_name():
    names = {type(value).__name__ for value in map(Settings().__getattribute__, SECTIONS)} - {
        "dict"
    }
    assert names <= set(public.__all__)


def test_another_consumer_group_leaves_the_settings_as_they_are():
    settings = Settings()
    assert settings.with_consumer_group("other").consumer.group == "other"
    assert settings.consumer.group == "alchemiser"


@pytest.mark.parametrize("profile", ["development", "paper", "production"])
def test_a_shipped_profile_is_valid_by_form(profile):
    found = inspect(Request(profile=profile))
    assert found.resolved is not None
    assert found.resolved.settings.environment == profile
    if profile != "production":
        assert found.problems == []


def test_the_shipped_production_lacks_only_what_its_comments_tell_to_set(pytestconfig):
    comments = (pytestconfig.rootpath / "configs" / "production.toml").read_text()
    for problem in inspect(Request(profile="production")).problems:
        variable = f"ALCHEMISER_{problem.key.replace('.', '__').upper()}"
        assert variable in comments
        assert problem.code in ("production-policy", "credentials-missing")
