"""What production refuses to start with, rule by rule, and that rehearsals do not get these."""

from pathlib import Path

import pytest

from alchemiser_cli.errors import SettingInvalidError
from alchemiser_cli.settings import Settings
from alchemiser_cli.settings.policy import SIGNING_KEY_LENGTH, policy_problems
from alchemiser_cli.settings.resolve import Request, inspect, resolve

SOUND = {
    "environment": "production",
    "kafka": {
        "mode": "external",
        "bootstrap": "kafka.example.com:9093",
        "security_protocol": "SSL",
    },
    "registry": {"url": "https://registry.example.com"},
    "state": {"url": "postgresql+psycopg://desk@db.example.com/desk?sslmode=verify-full"},
    "signing": {"key": "k" * SIGNING_KEY_LENGTH},
}
SASL = {"mode": "external", "security_protocol": "SASL_SSL"}


def _settings(**sections):
    merged = {
        name: dict(value) if isinstance(value, dict) else value for name, value in SOUND.items()
    }
    for name, section in sections.items():
        if isinstance(section, dict):
            merged[name] = {**merged.get(name, {}), **section}
        else:
            merged[name] = section
    return Settings(**merged)


def _found(settings):
    return {(problem.code, problem.key) for problem in policy_problems(settings)}


RULES = {
    "debug logging": ({"logs": {"level": "debug"}}, "logs.level"),
    "an embedded broker": ({"kafka": {"mode": "embedded"}}, "kafka.mode"),
    "a remote broker in plain text": (
        {"kafka": {"security_protocol": "PLAINTEXT"}},
        "kafka.security_protocol",
    ),
    "a remote broker with a password in plain text": (
        {"kafka": {"security_protocol": "SASL_PLAINTEXT", "username": "u", "password": "p"}},
        "kafka.security_protocol",
    ),
    "one remote broker among local ones in plain text": (
        {"kafka": {"security_protocol": "PLAINTEXT", "bootstrap": "[::1]:1,kafka.example.com:2"}},
        "kafka.security_protocol",
    ),
    "a remote database without TLS": (
        {"state": {"url": "postgresql+psycopg://db.example.com/desk"}},
        "state.url",
    ),
    "a remote database with optional TLS": (
        {"state": {"url": "postgresql://db.example.com/desk?sslmode=prefer"}},
        "state.url",
    ),
    "a remote database behind a local name": (
        {"state": {"url": "postgresql://localhost/desk?host=db.example.com"}},
        "state.url",
    ),
    "a remote registry without TLS": (
        {"registry": {"url": "http://registry.example.com:8081"}},
        "registry.url",
    ),
    "no signing key": ({"signing": {"key": None}}, "signing.key"),
    "an empty signing key": ({"signing": {"key": ""}}, "signing.key"),
    "a short signing key": ({"signing": {"key": "k" * (SIGNING_KEY_LENGTH - 1)}}, "signing.key"),
}


def test_production_starts_when_every_rule_is_met():
    assert _found(_settings()) == set()


@pytest.mark.parametrize("rule", RULES)
def test_production_refuses(rule):
    broken, key = RULES[rule]
    assert _found(_settings(**broken)) == {("production-policy", key)}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("environment", ["development", "paper"])
def test_rehearsals_may_run_with(rule, environment):
    assert _found(_settings(**RULES[rule][0], environment=environment)) == set()


@pytest.mark.parametrize(
    "allowed",
    [
        {"kafka": {"security_protocol": "PLAINTEXT", "bootstrap": "127.0.0.1:9092,[::1]:9092"}},
        {"state": {"url": "postgresql://localhost/desk"}},
        {"state": {"url": "sqlite:////srv/state.db"}},
        {"state": {"url": "postgresql://db.example.com/desk?sslmode=require"}},
        {"registry": {"url": "http://localhost:8081"}},
        {"registry": {"url": "file:/srv/schemas"}},
    ],
)
def test_what_stays_on_the_machine_or_is_encrypted_may_pass(allowed):
    assert _found(_settings(**allowed)) == set()


CREDENTIALS = {
    "a broker's user and password": (
        {"kafka": SASL},
        {"kafka.username", "kafka.password"},
    ),
    "a broker's password": ({"kafka": {**SASL, "username": "desk"}}, {"kafka.password"}),
    "an enabled account's keys": (
        {"brokers": {"kite": {"enabled": True}}},
        {"brokers.kite.api_key", "brokers.kite.api_secret"},
    ),
    "an enabled account's secret": (
        {"brokers": {"kite": {"enabled": True, "api_key": "k"}}},
        {"brokers.kite.api_secret"},
    ),
    "an enabled channel's URL": ({"notifications": {"pager": {}}}, {"notifications.pager.url"}),
}


@pytest.mark.parametrize("missing", CREDENTIALS)
@pytest.mark.parametrize("environment", ["development", "paper", "production"])
def test_everywhere_an_enabled_service_needs(missing, environment):
    sections, keys = CREDENTIALS[missing]
    found = _found(_settings(**sections, environment=environment))
    assert found == {("credentials-missing", key) for key in keys}


@pytest.mark.parametrize(
    "sections",
    [
        {"brokers": {"kite": {"enabled": False}}},
        {"brokers": {"paper": {"enabled": True}}},
        {"notifications": {"pager": {"enabled": False}}},
        {"kafka": {**SASL, "username": "desk", "password": "x"}},
    ],
)
def test_what_is_disabled_simulated_or_complete_needs_no_credentials(sections):
    assert _found(_settings(**sections)) == set()


def test_a_secret_file_that_others_may_read_is_refused_in_production(tmp_path):
    file = tmp_path / ".env"
    file.touch()
    for mode, refused in ((0o644, True), (0o640, True), (0o601, True), (0o600, False)):
        file.chmod(mode)
        found = policy_problems(_settings(), [file])
        assert [problem.code for problem in found] == ["permissions-too-open"] * refused
        assert all(problem.next_step == f"chmod 600 {file}" for problem in found)
        assert policy_problems(_settings(environment="development"), [file]) == []


def test_inspection_reports_the_permissions_of_the_files_that_hold_secrets():
    dotenv, profile = Path(".env"), Path("desk.toml")
    dotenv.write_text("ALCHEMISER_KAFKA__PASSWORD=x\n")
    profile.write_text('environment = "production"\n')
    dotenv.chmod(0o644)
    profile.chmod(0o644)
    problems = inspect(Request(profile="desk.toml")).problems
    assert [p.key for p in problems if p.code == "permissions-too-open"] == [".env"]


def test_every_refusal_says_where_the_value_came_from_and_what_to_do(tmp_path):
    file = tmp_path / "desk.toml"
    file.write_text('environment = "production"\n[logs]\nlevel = "debug"\n')
    problems = {problem.key: problem for problem in inspect(Request(profile=str(file))).problems}
    assert problems["logs.level"].origin == f"{file}:3"
    assert problems["kafka.mode"].origin == "default"
    assert all(problem.message and problem.next_step for problem in problems.values())


def test_a_service_url_without_a_password_is_no_secret(tmp_path):
    profile = tmp_path / "desk.toml"
    profile.write_text('[state]\nurl = "postgresql://desk@db.example.com/desk"\n')
    assert resolve(Request(profile=str(profile))).secret_files == []
    url = "postgresql://desk:word@db.example.com/desk"  # pragma: allowlist secret
    profile.write_text(f'[state]\nurl = "{url}"\n')
    assert resolve(Request(profile=str(profile))).secret_files == [profile]


@pytest.mark.provokes("setting-invalid")
@pytest.mark.parametrize(
    "assignment", ["brokers.Kite.enabled=true", "strategies.my-own.model=x", "home=/tmp/a?b"]
)
def test_names_that_no_variable_or_url_can_carry_are_refused(assignment):
    with pytest.raises(SettingInvalidError):
        resolve(Request(assignments=(assignment,)))
