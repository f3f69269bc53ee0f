"""``notify``: a failing command, the message in a real mailbox, acknowledged, and its end."""

import json
import os
import re
import time

import pytest

from alchemiser_cli.exits import ExitCode
from alchemiser_cli.testing.webhook import running_hook

IDENTITIES = re.compile(r"\b(?:[0-9a-f]{32}|[0-9a-f]{16}|[0-9a-f]{8})\b")
AGO = re.compile(r"\b\d+ (?:s|min) ago\b")


@pytest.fixture
def webhook():
    with running_hook() as hook:
        yield hook


@pytest.fixture
def notify(cli, webhook):
    """Run a command of a system with one channel that takes everything."""
    channel = (
        "--set",
        f"notifications.desk.url={webhook.url}",
        "--set",
        "notifications.desk.severities=low,medium,high,critical",
        "--set",
        "alerts.keep_firing_s=0",
    )
    return lambda *arguments: cli(*channel, *arguments)


@pytest.fixture
def shown(masked):
    def shown(result):
        text = AGO.sub("<ago>", IDENTITIES.sub("<id>", masked(result.stdout)))
        return re.sub(r" {2,}", "  ", text)

    return shown


def document(result, code=ExitCode.OK):
    assert result.exit_code == code, result.stderr
    return json.loads(result.stdout)


@pytest.fixture
def halted(cli, notify, tmp_path):
    """Trading was halted by hand, and the courier came by."""
    folder = tmp_path / "shm"
    folder.mkdir()
    memory = ("--set", f"shm.directory={folder}")
    assert notify(*memory, "trade", "halt", "--reason", "fat finger").exit_code == ExitCode.OK
    passed = document(notify(*memory, "notify", "run", "--once", "-o", "json"))
    assert (passed["alerts"], passed["sent"]) == (1, 1)
    return memory


def test_a_trouble_reaches_people_is_taken_on_and_its_end_is_told(notify, webhook, halted):
    (incident,) = document(notify("notify", "incidents", "-o", "json"))["incidents"]
    assert (incident["code"], incident["severity"]) == ("kill-switch-active", "critical")
    assert incident["told"] == ["desk"]
    taken = document(notify("notify", "ack", incident["id"][:8], "--by", "jo", "-o", "json"))
    assert taken["acknowledged_by"] == "jo"
    notify(*halted, "trade", "resume", "--reason", "looked")
    passed = document(notify(*halted, "notify", "run", "--once", "-o", "json"))
    assert (passed["resolved"], passed["sent"]) == (1, 1)
    subjects = [one["subject"] for one in reversed(_messages(notify))]
    assert [one.partition("]")[0] for one in subjects] == ["[CRITICAL", "[RESOLVED"]
    assert document(notify("notify", "incidents", "-o", "json"))["incidents"] == []
    (over,) = document(notify("notify", "incidents", "--all", "-o", "json"))["incidents"]
    assert (over["state"], over["acknowledged_by"]) == ("resolved", "jo")


def test_incidents_and_messages_are_shown(notify, halted, shown, file_regression):
    texts = [shown(notify("notify", *one)) for one in (["incidents"], ["outbox"], ["channels"])]
    file_regression.check("\n".join(texts))


def test_an_error_of_a_command_is_told_by_the_next_courier(notify):
    assert notify("trade", "run", "--strategy", "nope", "--dataset", "sp500").exit_code != 0
    passed = document(notify("notify", "run", "--once", "-o", "json"))
    incidents = document(notify("notify", "incidents", "-o", "json"))["incidents"]
    assert passed["alerts"] == len(incidents)


@pytest.mark.parametrize(("typed", "told"), [(True, 0), (False, 1)])
def test_a_mistyped_name_is_told_only_where_nobody_saw_it(process, notify, typed, told):
    """Whoever typed it reads the error; a job of cron has nobody at its terminal."""
    parent, terminal = os.openpty()
    options = {"stderr": terminal} if typed else {}
    one = process("model", "inspect", "nothing-here", **options)
    one.communicate(timeout=60)
    os.close(terminal)
    os.close(parent)
    assert one.returncode == ExitCode.NOT_FOUND
    assert document(notify("notify", "run", "--once", "-o", "json"))["alerts"] == told


def test_a_test_goes_through_every_channel_and_is_a_proof(notify):
    before = document(notify("notify", "channels", "-o", "json"))["channels"]
    assert [(one["channel"], one["proved"]) for one in before] == [("desk", False)]
    answers = document(notify("notify", "test", "-o", "json"))["channels"]
    assert [(one["channel"], one["taken"]) for one in answers] == [("desk", True)]
    after = document(notify("notify", "channels", "-o", "json"))["channels"]
    assert [one["proved"] for one in after] == [True]


def test_a_test_that_is_not_taken_fails_and_says_why_without_the_secret(cli):
    user = "user:hunter2hunter2"
    url = f"notifications.desk.url=json://{user}@127.0.0.1:9/t0k3nt0k3n"
    result = cli("--set", url, "notify", "test")
    assert result.exit_code == ExitCode.FAILED
    assert "not taken" in result.stdout
    listed = cli("--set", url, "notify", "outbox", "-o", "json").stdout
    for text in (result.stdout, result.stderr, listed):
        assert "hunter2" not in text
        assert "t0k3n" not in text


def test_without_a_channel_a_test_fails_and_says_how_to_add_one(cli):
    result = cli("notify", "test")
    assert result.exit_code == ExitCode.FAILED
    assert "notifications.desk.url=" in result.stdout


@pytest.mark.provokes("channel-not-found")
@pytest.mark.parametrize("command", ["test", "outbox"])
def test_a_channel_that_is_none_is_not_found(notify, command):
    result = notify("notify", command, "--channel", "pager")
    assert result.exit_code == ExitCode.NOT_FOUND
    assert "The settings have desk." in result.stderr


@pytest.mark.provokes("incident-not-found")
def test_an_incident_that_is_none_cannot_be_taken_on(cli):
    assert cli("notify", "ack", "3f2a9c").exit_code == ExitCode.NOT_FOUND


def test_a_silence_has_an_author_an_end_and_a_reason(notify, halted):
    added = document(
        notify(
            *("notify", "silence", "add", "--code", "feed-silent", "--component", "feed:*"),
            *("--until", "2h", "--reason", "maintenance", "--by", "jo", "-o", "json"),
        )
    )
    assert added["matcher"] == {"code": ["feed-silent"], "component": ["feed:*"]}
    assert (added["author"], added["reason"]) == ("jo", "maintenance")
    (listed,) = document(notify("notify", "silence", "list", "-o", "json"))["silences"]
    assert listed.items() <= added.items()
    ended = document(notify("notify", "silence", "end", added["id"][:6], "-o", "json"))
    assert ended["ended_at"] is not None
    assert document(notify("notify", "silence", "list", "-o", "json"))["silences"] == []
    assert (
        len(document(notify("notify", "silence", "list", "--all", "-o", "json"))["silences"]) == 1
    )


@pytest.mark.parametrize(
    "options",
    [
        ["--until", "2h"],
        ["--until", "yesterday", "--code", "x"],
        ["--until", "2h", "--severity", "awful"],
    ],
)
def test_a_silence_of_everything_or_of_nonsense_is_refused(cli, options):
    result = cli("notify", "silence", "add", *options, "--reason", "r")
    assert result.exit_code == ExitCode.USAGE


def test_with_nothing_to_show_each_view_says_so(cli):
    assert "No incident is open." in cli("notify", "incidents").stdout
    assert "No message matches." in cli("notify", "outbox").stdout
    assert "No channel is configured" in cli("notify", "channels").stdout
    assert "Nothing is silenced." in cli("notify", "silence", "list").stdout


def test_a_courier_runs_until_interrupted(process, webhook, home):
    """It makes its passes, and ends cleanly with a summary."""
    url = f"notifications.desk.url={webhook.url}"
    one = process("--set", url, "notify", "run", "-o", "json")
    deadline = time.monotonic() + 60
    while not (home / "state.db").exists() and time.monotonic() < deadline:
        time.sleep(0.05)  # allow no-bare-sleep: polls with a deadline
    one.terminate()
    stdout, stderr = one.communicate(timeout=60)
    assert one.returncode == ExitCode.INTERRUPTED, stderr
    assert json.loads(stdout)["troubles"] == []


def _messages(notify):
    return document(notify("notify", "outbox", "-o", "json"))["messages"]
