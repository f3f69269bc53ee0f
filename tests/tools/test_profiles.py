"""The shipped profiles are valid, and production's lacks nothing but what must not be in a file."""

import re
import tomllib

import pytest

from alchemiser_cli.settings.resolve import Request, inspect

PROFILES = ["development", "paper", "production"]
GIVEN_BY_VARIABLE = {
    "ALCHEMISER_KAFKA__USERNAME": "trader",
    "ALCHEMISER_KAFKA__PASSWORD": "x",  # pragma: allowlist secret
    "ALCHEMISER_REGISTRY__URL": "https://registry.example.com",
    "ALCHEMISER_STATE__URL": "postgresql+psycopg://db.example.com/alchemiser?sslmode=verify-full",
    "ALCHEMISER_TRACKING__URI": "https://mlflow.example.com",
    "ALCHEMISER_SIGNING__KEY": "k" * 32,
    "ALCHEMISER_NOTIFICATIONS__PAGER__URL": "json://pager.example.com",
}


@pytest.fixture
def request_for(pytestconfig, tmp_path):
    def build(profile, environ=None):
        file = pytestconfig.rootpath / "configs" / f"{profile}.toml"
        return Request(
            profile=str(file), home=tmp_path, environ=environ or {}, dotenv=tmp_path / ".env"
        )

    return build


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_is_well_formed_and_names_its_environment(profile, request_for):
    resolved = inspect(request_for(profile)).resolved
    assert resolved is not None
    assert resolved.settings.environment == profile


@pytest.mark.parametrize("profile", ["development", "paper"])
def test_rehearsals_need_nothing_more(profile, request_for):
    assert inspect(request_for(profile)).problems == []


def test_production_names_all_that_is_missing_at_once(request_for):
    keys = {problem.key for problem in inspect(request_for("production")).problems}
    assert keys == {
        "kafka.username",
        "kafka.password",
        "notifications.pager.url",
        "signing.key",
    }


def test_production_starts_with_the_variables_that_its_comments_name(request_for, pytestconfig):
    assert inspect(request_for("production", GIVEN_BY_VARIABLE)).problems == []
    text = (pytestconfig.rootpath / "configs" / "production.toml").read_text()
    assert set(re.findall(r"ALCHEMISER_\w+(?=  )", text)) >= set(GIVEN_BY_VARIABLE)


@pytest.mark.parametrize("profile", PROFILES)
def test_no_profile_sets_a_secret(profile, request_for):
    resolved = inspect(request_for(profile)).resolved
    assert resolved is not None
    assert [file for file in resolved.secret_files if file.suffix == ".toml"] == []


def test_the_crontab_runs_commands_with_options_that_exist(pytestconfig):
    text = (pytestconfig.rootpath / "configs" / "crontab.example").read_text()
    jobs = [line.split(maxsplit=5)[5] for line in text.splitlines() if line[:1].isdigit()]
    assert jobs == [
        "alchemiser --quiet preflight --wait 600 -o short",
        "alchemiser --quiet preflight -o short",
        "alchemiser --quiet trade run --until-idle 3600 -o plain",
        "alchemiser --quiet audit verify -o plain",
        "alchemiser --quiet trade drill --rounds 50 -o plain",
        "alchemiser --quiet chaos drill -o plain",
    ]
    project = tomllib.loads((pytestconfig.rootpath / "pyproject.toml").read_text())
    assert "alchemiser" in project["project"]["scripts"]
