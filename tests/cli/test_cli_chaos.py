"""``chaos list``, ``inject``, ``status``, ``stop``: as an operator uses them."""

import json
import re
import time

import pytest

from alchemiser_cli.exits import ExitCode
from alchemiser_cli.faults import CATALOGUE, disarm_all, fault_points

IDENTITIES = re.compile(r"\b(?:[0-9a-f]{32}|[0-9a-f]{8})\b")
MOMENTS = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
PROXY = ("proxy.db", "down", "--duration", "60", "--by", "ada", "--reason", "does it reconnect?")


@pytest.fixture
def chaos(cli):
    yield lambda *arguments: cli("chaos", *arguments)
    disarm_all()


@pytest.fixture
def shown(masked):
    def shown(result):
        text = MOMENTS.sub("<moment>", IDENTITIES.sub("<id>", masked(result.stdout)))
        return re.sub(r" {2,}", "  ", text)

    return shown


def document(result, code=ExitCode.OK):
    assert result.exit_code == code, result.stderr
    return json.loads(result.stdout)


def test_every_target_is_listed_with_what_it_can_do(chaos):
    listed = document(chaos("list", "-o", "json"))["targets"]
    assert {one["name"] for one in listed} == set(fault_points())
    words = {one["name"]: one["errors"] + one["resources"] for one in listed}
    assert words["state.write"] == [
        "state-unreachable",
        "database-locked",
        "disk-full",
        "input-output",
    ]


def test_one_target_is_explained(chaos, shown, file_regression):
    file_regression.check(shown(chaos("list", "state.write")))


def test_a_fault_is_injected_seen_and_stopped(chaos, shown, file_regression):
    texts = [shown(chaos("inject", *PROXY)), shown(chaos("status"))]
    texts += [shown(chaos("stop", "proxy.db", "--by", "bob")), shown(chaos("status", "--all"))]
    file_regression.check("\n".join(texts))


def test_what_was_injected_is_a_lease_with_all_its_limits(chaos):
    given = ("--probability", "0.1", "--amount", "-3600", "--count", "5", "--every", "10")
    given += ("--active", "2", "--begins-in", "30", "--seed", "7", "--drill", "-o", "json")
    lease = document(chaos("inject", "clock.skew", "skew", "--duration", "60", *given))
    assert (lease["kind"], lease["amount"], lease["probability"]) == ("skew", -3600.0, 0.1)
    assert (lease["count"], lease["every_s"], lease["active_s"]) == (5, 10.0, 2.0)
    assert (lease["seed"], lease["drill"], lease["environment"]) == (7, True, "development")
    (status,) = document(chaos("status", "-o", "json"))["in_force"]
    assert status["id"] == lease["id"]
    assert 85 < status["remaining_s"] <= 90


@pytest.mark.parametrize(
    ("arguments", "code", "exit_code"),
    [
        (("registry.gt", "delay", "--duration", "1"), "fault-target-not-found", 8),
        (("registry.get", "dalay", "--duration", "1"), "fault-impossible", 2),
        (("registry.get", "hang", "--duration", "1", "-p", "1.5"), "fault-impossible", 2),
        (("registry.get", "hang"), "fault-impossible", 2),
        (("registry.get", "hang", "--duration", "inf"), "fault-impossible", 2),
        (("registry.get", "hang", "--duration", "7200"), "fault-impossible", 2),
        (("registry.get", "delay", "--duration", "1"), "fault-impossible", 2),
    ],
)
def test_bad_input_is_refused_and_nothing_breaks(chaos, arguments, code, exit_code):
    refused = chaos("inject", *arguments)
    assert refused.exit_code == exit_code
    assert f"error[{code}]" in refused.stderr
    assert document(chaos("status", "-o", "json"))["in_force"] == []


@pytest.mark.provokes("lease-held", "lease-not-found")
def test_a_target_has_one_fault_at_a_time(chaos):
    assert chaos("inject", *PROXY).exit_code == ExitCode.OK
    assert chaos("inject", *PROXY).exit_code == ExitCode.REFUSED
    assert chaos("stop", "proxy.db").exit_code == ExitCode.OK
    assert chaos("stop", "proxy.db").exit_code == ExitCode.NOT_FOUND
    assert chaos("inject", *PROXY).exit_code == ExitCode.OK


def test_all_faults_are_stopped_at_once_and_which_one_must_be_clear(chaos):
    chaos("inject", *PROXY)
    chaos("inject", "shm.read", "corrupt", "--duration", "60")
    for unclear in ((), ("--all", "shm.read")):
        assert chaos("stop", *unclear).exit_code == ExitCode.USAGE
    ended = document(chaos("stop", "--all", "-o", "json"))["ended"]
    assert {one["target"] for one in ended} == {"proxy.db", "shm.read"}
    assert document(chaos("stop", "--all", "-o", "json"))["ended"] == []


@pytest.mark.provokes("chaos-refused")
def test_a_danger_must_be_allowed_by_the_profile_and_confirmed(cli):
    live = ("--set", "brokers.alpaca.enabled=true", "--set", "brokers.alpaca.api_key=k")
    live += ("--set", "brokers.alpaca.api_secret=s")
    allowed = (*live, "--set", "chaos.allow=live-broker")
    fault = ("chaos", "inject", *PROXY)
    confirmed = (*fault, "--confirm", "live-broker")
    for refused in (cli(*live, *confirmed), cli(*allowed, *fault)):
        assert refused.exit_code == ExitCode.REFUSED
        assert "error[chaos-refused]" in refused.stderr
    assert cli(*allowed, *confirmed).exit_code == ExitCode.OK


@pytest.mark.provokes("state-unreachable")
def test_without_the_state_database_nothing_is_injected(chaos, home):
    home.write_text("no folder")
    refused = chaos("inject", *PROXY)
    assert refused.exit_code == ExitCode.UNREACHABLE
    assert "error[state-unreachable]" in refused.stderr


def test_each_fault_and_its_end_stand_in_the_audit_trail_and_are_announced(chaos, cli):
    chaos("inject", *PROXY)
    (incident,) = document(cli("notify", "incidents", "-o", "json"))["incidents"]
    assert (incident["kind"], incident["component"], incident["injected"]) == (
        "drill",
        "chaos",
        True,
    )
    chaos("stop", "--all", "--by", "bob")
    lines = document(cli("audit", "show", "chaos", "-o", "json"))["entries"]
    assert [(one["event"], one["symbol"]) for one in lines] == [
        ("FAULT_INJECTED", "proxy.db"),
        ("FAULT_ENDED", "proxy.db"),
    ]
    assert lines[1]["reason"] == "bob: does it reconnect?"
    assert document(cli("audit", "verify", "-o", "json"))["ok"]


def test_a_fault_that_ended_by_itself_is_recorded_by_whoever_looks_next(chaos, cli):
    short = ("--duration", "0.05")
    assert chaos("inject", "shm.read", "corrupt", *short).exit_code == ExitCode.OK
    deadline = time.monotonic() + 5
    while document(chaos("status", "-o", "json"))["in_force"] and time.monotonic() < deadline:
        pass
    lines = document(cli("audit", "show", "chaos", "-o", "json"))["entries"]
    assert [one["event"] for one in lines] == ["FAULT_INJECTED", "FAULT_ENDED"]
    (past,) = document(chaos("status", "--all", "-o", "json"))["past"]
    assert past["ended_by"] == "its end"


def test_a_running_command_suffers_and_its_strikes_are_counted(chaos, cli):
    chaos("inject", "notify.send", "notification-failed", "--duration", "60", "--by", "ada")
    channel = ("--set", "notifications.desk.url=json://127.0.0.1:9")
    proof = cli(*channel, "notify", "test")
    assert proof.exit_code == ExitCode.FAILED
    (status,) = document(chaos("status", "-o", "json"))["in_force"]
    assert [one["count"] for one in status["strikes"]] == [1]


def test_targets_and_their_words_are_completed(cli, home):
    from click.core import Context
    from typer.main import get_command

    from alchemiser_cli.app import app
    from alchemiser_cli.commands.chaos_names import _targets, _words
    from alchemiser_cli.commands.invocation import Invocation

    context = Context(get_command(app), obj=Invocation({"ALCHEMISER_HOME": str(home)}))
    assert _targets(context, "registry") == ["registry.get"]
    assert len(_targets(context, "")) >= len(CATALOGUE)
    context.params["target"] = "registry.get"
    assert _words(context, "registry") == ["registry-unreachable"]
    context.params["target"] = "nothing"
    assert _words(context, "") == []
