"""Each check finds what it is there to find, and says what to do."""

import http.server
import json
import sqlite3
import subprocess
import sys
import threading

import numpy as np
import pytest

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.preflight import runtime
from alchemiser_cli.rl.artefacts import Canary, Origin, save_artefact
from alchemiser_cli.rl.observation import observation_schema_hash
from alchemiser_cli.streaming import ClockSkew, serve
from alchemiser_cli.streaming.registry import open_registry

SUNDAY_NS = 1_772_359_200_000_000_000  # 2026-03-01 10:00 UTC
TUESDAY_MORNING_NS = 1_772_544_600_000_000_000  # 2026-03-03 13:30 UTC
TUESDAY_NOON_NS = 1_772_557_200_000_000_000  # 2026-03-03 17:00 UTC


# --- runtime


@pytest.mark.provokes("python-version")
def test_an_old_python_is_refused(outcome, monkeypatch):
    monkeypatch.setattr(runtime, "OLDEST_PYTHON", (99, 0))
    result = outcome("runtime", "Python is supported")
    assert (result.result, result.code) == ("error", "python-version")


@pytest.mark.provokes("virtual-environment")
def test_a_missing_virtual_environment_is_only_a_warning(outcome, monkeypatch):
    monkeypatch.setattr("sys.prefix", "/usr")
    monkeypatch.setattr("sys.base_prefix", "/usr")
    result = outcome("runtime", "runs in a virtual environment")
    assert (result.result, result.code) == ("warning", "virtual-environment")


@pytest.mark.provokes("librdkafka-old")
def test_an_old_librdkafka_is_refused(outcome, monkeypatch):
    monkeypatch.setattr(runtime, "OLDEST_LIBRDKAFKA", (99, 0, 0))
    assert outcome("runtime", "librdkafka is recent").code == "librdkafka-old"


def install(folder, name, version, *metadata):
    """Put a distribution's metadata where Python finds it."""
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir()
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *metadata]
    (info / "METADATA").write_text("\n".join(lines) + "\n")


@pytest.mark.provokes("packages-incompatible")
def test_every_unmet_requirement_is_named_however_deep(outcome, tmp_path, monkeypatch):
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    install(site, "desk", "1.0", "Requires-Dist: feed>=2", "Requires-Dist: absent")
    install(site, "feed", "1.5", "Requires-Python: >=99", "Requires-Dist: msgspec<0.1")
    monkeypatch.setattr(runtime, "DISTRIBUTION", "desk")
    result = outcome("runtime", "packages fit together")
    assert (result.result, result.code) == ("error", "packages-incompatible")
    assert "desk needs feed>=2, but 1.5 is installed" in result.detail
    assert "desk needs absent, which is not installed" in result.detail
    assert "feed 1.5 does not support Python" in result.detail
    assert "feed needs msgspec<0.1" in result.detail


def test_requirements_of_an_extra_count_only_when_it_was_asked_for(tmp_path, monkeypatch):
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    install(site, "desk", "1.0", 'Requires-Dist: absent; extra == "late"', "Requires-Dist: feed[x]")
    install(site, "feed", "1.0", 'Requires-Dist: missing; extra == "x"')
    found = runtime.incompatibilities("desk")
    assert found == ['feed needs missing; extra == "x", which is not installed']


def test_this_installation_fits_together():
    assert runtime.incompatibilities("alchemiser") == []


# --- files


@pytest.mark.provokes("home-not-writable")
def test_a_home_below_a_file_cannot_be_written(outcome, home):
    home.write_text("a file, not a folder")
    result = outcome("files", "home can be written")
    assert (result.result, result.code) == ("error", "home-not-writable")


@pytest.mark.provokes("disk-space-low")
@pytest.mark.parametrize(
    ("environment", "expected"), [("development", "warning"), ("paper", "error")]
)
def test_little_disk_space_blocks_trading_but_not_development(outcome, environment, expected):
    result = outcome(
        "files",
        "disk has room",
        f"environment={environment}",
        "preflight.min_disk_free_megabytes=999999999",
    )
    assert (result.result, result.code) == (expected, "disk-space-low")


@pytest.mark.provokes("permissions-too-open")
def test_a_state_database_that_others_can_read_is_found(outcome, home):
    home.mkdir(mode=0o700)
    (home / "state.db").touch(mode=0o644)
    result = outcome("files", "files are private")
    assert result.code == "permissions-too-open"
    assert f"chmod go= {home / 'state.db'}" in result.hint


@pytest.mark.provokes("file-limit-low")
def test_a_low_limit_of_open_files_is_found(outcome):
    result = outcome("files", "enough files may be opened", "preflight.min_open_files=99999999")
    assert result.code == "file-limit-low"


# --- configuration and credentials


@pytest.mark.provokes("production-policy")
def test_production_without_its_policy_is_blocked(outcome):
    result = outcome("configuration", "environment's policy is met", "environment=production")
    assert (result.result, result.code) == ("error", "production-policy")
    assert "kafka.mode" in result.detail
    assert "signing.key" in result.detail


@pytest.mark.provokes("permissions-too-open")
def test_production_refuses_a_profile_with_secrets_that_others_can_read(outcome, tmp_path):
    profile = tmp_path / "live.toml"
    profile.write_text(
        'environment = "production"\n[kafka]\nmode = "external"\nbootstrap = "localhost:9092"\n'
        f'[signing]\nkey = "{"k" * 32}"\n'
    )
    profile.chmod(0o644)
    name = "environment's policy is met"
    assert outcome("configuration", name, profile=str(profile)).code == "permissions-too-open"
    profile.chmod(0o600)
    assert outcome("configuration", name, profile=str(profile)).result == "success"


@pytest.mark.provokes("plugin-rejected")
def test_an_allowed_plugin_that_is_not_installed_blocks(outcome):
    result = outcome("configuration", "allowed plugins load", "plugins=nowhere")
    assert (result.result, result.code) == ("error", "plugin-rejected")


@pytest.mark.provokes("credentials-missing")
@pytest.mark.parametrize(
    "assignment",
    ["brokers.kite.enabled=true", "notifications.desk.enabled=true"],
)
def test_an_enabled_service_without_credentials_is_found(outcome, assignment):
    result = outcome("credentials", "enabled services have credentials", assignment)
    assert (result.result, result.code) == ("warning", "credentials-missing")


def test_the_paper_broker_needs_no_credentials(outcome):
    result = outcome(
        "credentials", "enabled services have credentials", "brokers.paper.enabled=true"
    )
    assert result.result == "success"


# --- state


@pytest.mark.provokes("state-corrupt")
def test_a_damaged_state_database_is_named_and_never_repaired_by_guessing(outcome, home):
    home.mkdir()
    (home / "state.db").write_bytes(b"not a database at all" * 100)
    before = (home / "state.db").read_bytes()
    assert outcome("state", "state database opens").code == "state-corrupt"
    assert (home / "state.db").read_bytes() == before


@pytest.mark.provokes("state-schema")
def test_a_database_of_a_newer_version_is_left_alone(outcome, home):
    assert outcome("state", "state database opens").result == "success"
    with sqlite3.connect(home / "state.db") as database:
        database.execute("UPDATE schema_version SET version = 99")
    database.close()
    assert outcome("state", "state database opens").code == "state-schema"


@pytest.mark.provokes("state-unreachable")
def test_a_state_database_in_a_folder_that_cannot_be_made(outcome, tmp_path):
    (tmp_path / "file").touch()
    result = outcome(
        "state", "state database opens", f"state.url=sqlite:///{tmp_path}/file/state.db"
    )
    assert result.code == "state-unreachable"


# --- kafka, clock, registry


@pytest.mark.provokes("broker-unreachable")
def test_a_dead_broker_is_found_within_its_time_limit(outcome):
    result = outcome(
        "kafka",
        "broker answers",
        *("kafka.mode=external", "kafka.bootstrap=127.0.0.1:9", "kafka.request_timeout_s=0.5"),
    )
    assert (result.result, result.code) == ("error", "broker-unreachable")


def test_the_broker_that_another_command_serves_is_the_one_that_is_checked(
    outcome, setup_with, clock
):
    setup = setup_with()
    settings = setup.settings
    with serve(settings.kafka, settings.topics, settings.run_folder, clock) as serving:
        result = outcome("kafka", "broker answers", setup=setup)
        setup.stack.close()
    assert result.detail == f"{serving.served.bootstrap} (served), 1 broker(s)"


# No broker at hand stamps messages with its own clock, so the measurement itself is given here;
# tests/streaming covers how it is taken.
@pytest.mark.provokes("clock-skew")
@pytest.mark.parametrize(("skew_s", "expected"), [(4.9, "success"), (-5.1, "warning")])
def test_a_clock_that_differs_too_much_is_found(outcome, monkeypatch, skew_s, expected):
    monkeypatch.setattr(
        "alchemiser_cli.streaming.probe.broker_clock_skew",
        lambda *_: ClockSkew(skew_s, "measured"),
    )
    result = outcome("clock", "clock agrees with the broker's")
    assert result.result == expected
    if expected == "success":
        outcome("clock", "clock agrees with the broker's", "preflight.max_clock_skew_s=1")


@pytest.mark.provokes("registry-unreachable")
def test_a_registry_that_does_not_answer_is_found(outcome):
    result = outcome(
        "registry",
        "schema registry answers",
        *("registry.url=http://127.0.0.1:9", "registry.timeout_s=0.5"),
    )
    assert (result.result, result.code) == ("error", "registry-unreachable")


@pytest.mark.provokes("schema-incompatible")
def test_a_registered_schema_that_ours_cannot_follow_is_found(outcome, setup_with):
    setup = setup_with()
    registry = open_registry(setup.settings.registry, setup.settings.registry_url)
    other = {"type": "record", "name": "Tick", "namespace": "alchemiser.market", "fields": []}
    registry.register(setup.tick_subject, json.dumps(other))
    result = outcome("registry", "tick schema is compatible", setup=setup)
    assert (result.result, result.code) == ("error", "schema-incompatible")


# --- shm


@pytest.mark.provokes("shared-memory-full")
@pytest.mark.parametrize(
    "assignment", ["shm.min_free_megabytes=99999999", "shm.directory=/nowhere"]
)
def test_shared_memory_without_room_is_found(outcome, assignment):
    assert outcome("shm", "shared memory has room", assignment).code == "shared-memory-full"


@pytest.mark.provokes("segment-unhealthy")
def test_a_segment_that_others_can_read_is_found(outcome, tmp_path):
    segment = tmp_path / "alchemiser-policy"
    segment.write_bytes(b"weights")
    segment.chmod(0o644)
    directory = f"shm.directory={tmp_path}"
    name = "segments are ours and private"
    result = outcome("shm", name, directory, "shm.min_free_megabytes=0")
    assert (result.result, result.code) == ("error", "segment-unhealthy")
    assert "mode 0644, not 0600" in result.detail
    segment.chmod(0o600)
    assert outcome("shm", name, directory, "shm.min_free_megabytes=0").result == "success"


# --- models


@pytest.fixture
def model(home):
    """A model artefact that goes with this version; ``made_for`` other observations on request."""

    def make(made_for=None):
        origin = Origin(
            kind="td3",
            algorithm="TD3",
            observation_schema_hash=made_for or observation_schema_hash(),
            architecture={},
            settings={},
            seeds={},
        )
        canary = Canary(np.zeros((1, 2), "f4"), np.zeros((1, 1), "f4"))
        weights = {"w": np.arange(3, dtype="f4")}
        models = home / "models"
        return save_artefact(models, "momentum", weights, canary, origin, ManualClock()).folder

    return make


STRATEGY = "strategies.fast.model=models/momentum"


@pytest.mark.provokes("model-not-found")
@pytest.mark.parametrize(
    ("environment", "expected"), [("development", "warning"), ("paper", "error")]
)
def test_a_strategy_without_its_model_is_found(outcome, environment, expected):
    result = outcome("models", "strategies' models exist", STRATEGY, f"environment={environment}")
    assert (result.result, result.code) == (expected, "model-not-found")


@pytest.mark.provokes("model-not-found")
def test_a_model_outside_the_folder_of_models_is_none(outcome, home):
    home.mkdir()
    result = outcome("models", "strategies' models exist", "strategies.fast.model=../../etc")
    assert result.code == "model-not-found"
    assert "is no name of a model" in result.detail


@pytest.mark.parametrize("name", ["momentum", "models/momentum"])
@pytest.mark.parametrize("check", ["strategies' models verify", "strategies' models fit"])
def test_both_forms_of_a_models_name_lead_to_it(outcome, model, name, check):
    model()
    assert outcome("models", check, f"strategies.fast.model={name}").result == "success"


@pytest.mark.provokes("model-corrupt")
@pytest.mark.parametrize("fault", ["edited", "missing", "no passport", "outside"])
def test_a_model_that_does_not_match_its_passport_is_found(outcome, model, fault):
    folder = model()
    passport = folder / "passport.json"
    if fault == "edited":
        (folder / "weights.safetensors").write_bytes(b"weightS")
    elif fault == "missing":
        (folder / "weights.safetensors").unlink()
    elif fault == "no passport":
        passport.unlink()
    else:
        known = json.loads(passport.read_text())
        passport.write_text(json.dumps({**known, "sha256": {"../../../etc/passwd": "0"}}))
    assert outcome("models", "strategies' models verify", STRATEGY).code == "model-corrupt"
    fits = outcome("models", "strategies' models fit", STRATEGY)
    assert fits.result == "skipped"


@pytest.mark.provokes("model-incompatible")
@pytest.mark.parametrize(
    ("environment", "expected"), [("development", "warning"), ("paper", "error")]
)
def test_a_model_for_other_observations_is_found(outcome, model, environment, expected):
    model(made_for="0" * 64)
    result = outcome("models", "strategies' models fit", STRATEGY, f"environment={environment}")
    assert (result.result, result.code) == (expected, "model-incompatible")


def test_models_are_checked_without_a_library_of_learning(model, home):
    model()
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from alchemiser_cli.checks import run_checks\n"
        "from alchemiser_cli.clock import ManualClock\n"
        "from alchemiser_cli.preflight.report import checks_of\n"
        "from alchemiser_cli.preflight.setup import Setup\n"
        "from alchemiser_cli.settings.resolve import Request, resolve\n"
        f"request = Request(profile=None, home=Path({str(home)!r}), "
        f"assignments=({STRATEGY!r},), environ={{}})\n"
        "setup = Setup(resolve(request), ManualClock())\n"
        "print([one.result for one in run_checks(checks_of(setup, ['models']), ManualClock())])\n"
        "print([one for one in ('torch', 'safetensors', 'gymnasium', 'mlflow') "
        "if one in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.stdout == "['success', 'success', 'success']\n[]\n", done.stderr


# --- tracking


@pytest.mark.provokes("tracking-unreachable")
@pytest.mark.parametrize("uri", ["http://127.0.0.1:9", "sqlite:///{home}/mlflow.db"])
def test_a_tracking_store_that_does_not_answer_never_blocks(outcome, home, uri):
    home.mkdir()
    (home / "mlflow.db").write_bytes(b"not a database" * 100)
    result = outcome(
        "tracking",
        "tracking store answers",
        "environment=paper",
        f"tracking.uri={uri.format(home=home)}",
        "tracking.timeout_s=1",
    )
    assert (result.result, result.code) == ("warning", "tracking-unreachable")


def test_a_tracking_server_that_answers_is_accepted(outcome):
    class Health(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/health" else 404)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Health) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        uri = f"http://127.0.0.1:{server.server_port}"
        result = outcome("tracking", "tracking store answers", f"tracking.uri={uri}")
        server.shutdown()
        thread.join()
    assert (result.result, result.detail) == ("success", f"{uri} answered 200")


# --- notifications, market


@pytest.mark.provokes("critical-channel-missing")
@pytest.mark.parametrize(
    ("environment", "expected"), [("paper", "warning"), ("production", "error")]
)
def test_production_needs_a_channel_for_critical_messages(outcome, environment, expected):
    name = "a channel takes CRITICAL messages"
    result = outcome("notifications", name, f"environment={environment}")
    assert (result.result, result.code) == (expected, "critical-channel-missing")


def test_a_channel_that_is_off_or_takes_no_criticals_does_not_count(outcome):
    name = "a channel takes CRITICAL messages"
    desk = ("environment=paper", "notifications.desk.url=json://localhost")
    only_low = 'notifications.desk.severities=["low"]'
    assert outcome("notifications", name, *desk).result == "success"
    assert outcome("notifications", name, *desk, only_low).result == "warning"
    assert outcome("notifications", name, *desk, "notifications.desk.enabled=no").code == (
        "critical-channel-missing"
    )


def test_development_wakes_nobody(outcome):
    assert outcome("notifications", "a channel takes CRITICAL messages").result == "skipped"


@pytest.mark.provokes("market-closed")
def test_a_day_without_a_session_is_said_and_never_blocks(outcome, clock):
    clock.jump((SUNDAY_NS - clock.now_ns()) / 1e9)
    result = outcome("market", "exchange has a session today", "environment=production")
    assert (result.result, result.code) == ("warning", "market-closed")
    assert "2026-03-02 14:30 UTC" in result.hint


@pytest.mark.parametrize(
    ("now_ns", "expected"),
    [
        (TUESDAY_MORNING_NS, "XNYS is closed; next open 2026-03-03 14:30 UTC"),
        (TUESDAY_NOON_NS, "XNYS is open until 2026-03-03 21:00 UTC"),
    ],
)
def test_a_day_with_a_session_says_when(outcome, clock, now_ns, expected):
    clock.jump((now_ns - clock.now_ns()) / 1e9)
    result = outcome("market", "exchange has a session today")
    assert (result.result, result.detail) == ("success", expected)
