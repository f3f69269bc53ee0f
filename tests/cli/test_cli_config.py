"""``config``: what it shows, what it finds, and how it exits."""

import json

import pytest

from alchemiser_cli.exits import ExitCode


@pytest.fixture
def configured(tmp_path, monkeypatch):
    """A folder with a profile and a .env, and two variables."""
    (tmp_path / "cwd" / "configs").mkdir()
    (tmp_path / "cwd" / "configs" / "desk.toml").write_text(
        'environment = "paper"\n\n[kafka]\nmode = "external"\nbootstrap = "localhost:9092"\n\n'
        "[brokers.kite]\nenabled = true\napi_key = 'profile-key'\n"  # pragma: allowlist secret
    )
    (tmp_path / "cwd" / ".env").write_text("ALCHEMISER_BROKERS__KITE__API_SECRET=from-dotenv\n")
    monkeypatch.setenv("ALCHEMISER_CONSUMER__GROUP", "from-variable")
    url = "postgresql+psycopg://desk:hunter2@db.example.com/ops"  # pragma: allowlist secret
    monkeypatch.setenv("ALCHEMISER_STATE__URL", url)


def test_show_says_where_each_value_came_from_and_masks_secrets(
    cli, configured, masked, file_regression
):
    options = ("--profile", "desk", "--home", "home", "--set", "consumer.batch_size=50")
    result = cli(*options, "config", "show", "--sources")
    assert result.exit_code == ExitCode.OK
    for secret in ("hunter2", "profile-key", "from-dotenv"):
        assert secret not in result.output
    file_regression.check(masked(result.stdout))


def test_show_as_json_is_one_document_with_its_schema_version(cli, configured):
    document = json.loads(
        cli("--profile", "desk", "config", "show", "--sources", "-o", "json").stdout
    )
    rows = {row["key"]: row for row in document["settings"]}
    assert (document["schema_version"], document["profile"]) == (1, "desk")
    assert rows["consumer.group"] == {
        "key": "consumer.group",
        "value": "from-variable",
        "source": "variable ALCHEMISER_CONSUMER__GROUP",
    }
    assert rows["kafka.bootstrap"]["source"] == "configs/desk.toml:5"
    assert rows["brokers.kite.api_secret"]["source"] == ".env:1"


def test_check_accepts_a_valid_profile(cli):
    result = cli("config", "check")
    assert (result.exit_code, result.stdout) == (0, "development: valid (development)\n")


def test_check_names_every_problem_at_once(cli, tmp_path, masked, file_regression):
    profile = tmp_path / "cwd" / "broken.toml"
    profile.write_text(
        'environment = "stage"\n[kafka]\nbootstrap = "broker-1"\nboostrap = "x"\n'
        '[consumer]\nbatch_size = "many"\n[registry]\nurl = "ftp://x"\n'
    )
    result = cli("--profile", "broken.toml", "config", "check")
    assert result.exit_code == ExitCode.CONFIG
    file_regression.check(masked(result.stdout))


def test_check_names_what_production_refuses(cli, masked, file_regression):
    result = cli("--profile", "production", "config", "check", "-o", "json")
    assert result.exit_code == ExitCode.CONFIG
    file_regression.check(masked(result.stdout), extension=".json")


@pytest.mark.provokes("bootstrap-malformed")
def test_a_bootstrap_string_without_a_port_is_refused_by_every_command(cli):
    result = cli("--set", "kafka.bootstrap=broker-1", "consume")
    assert result.exit_code == ExitCode.CONFIG
    assert "error[bootstrap-malformed]" in result.stderr
    assert "HOST:PORT" in result.stderr


def test_schema_is_a_json_schema_of_all_sections(cli):
    schema = json.loads(cli("config", "schema", "-o", "json").stdout)
    assert {"kafka", "consumer", "state", "registry", "signing"} <= set(schema["properties"])
    assert schema["additionalProperties"] is False
