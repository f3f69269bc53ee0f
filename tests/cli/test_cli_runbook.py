"""``errors runbook``: what this system has learnt of a code, on screens and in a file."""

import json
import re
import stat

import pytest

from alchemiser_cli.clock import SystemClock
from alchemiser_cli.errors import runbook
from alchemiser_cli.errors.journal import Captured, JournalStore, skeleton
from alchemiser_cli.errors.journal.fingerprint import fingerprint
from alchemiser_cli.exits import ExitCode
from alchemiser_cli.state import StateDatabase

SECOND = 1_000_000_000
DAY = 86_400 * SECOND
HISTORY = [  # days ago, what was done, whether it worked, and after how long
    (390, "rolled back the listener | to *plain*", True, 900),
    *((150 - 10 * n, f"restarted broker {n}", n != 4, 120 + 60 * n) for n in range(12)),
    (30, "waited\x1b[31m", True, 4_000),
    (29.9, "opened the firewall", True, 700),
]


def failed(number, code, at_ns, *, injected=False):
    template = skeleton(f"{code} at 10.0.0.7:9092")
    return Captured(
        id=f"{number:032x}",
        fingerprint=fingerprint(code, "consume", template),
        template=template,
        at_ns=at_ns,
        code=code,
        severity="critical",
        component="consume",
        operation="consume",
        run_id="r1",
        what=f"{code} at 10.0.0.7:9092",
        why="nobody listens",
        next_step="start it",
        context={},
        causes=[],
        traceback="",
        injected=injected,
    )


@pytest.fixture
def past(home):
    """A year of trouble with the broker, one drill of it, and a registry that failed once."""
    home.mkdir()
    clock = SystemClock()
    now_ns = clock.now_ns()
    database = StateDatabase(f"sqlite:///{home}/state.db", clock)
    store = JournalStore(database)
    for number, (days_ago, text, worked, seconds) in enumerate(HISTORY):
        at_ns = now_ns - round(days_ago * DAY)
        failure = failed(number, "broker-unreachable", at_ns)
        store.append([failure])
        store.resolve(
            failure.fingerprint,
            text=text,
            worked=worked,
            author="ann",
            at_ns=at_ns + seconds * SECOND,
        )
    drill = failed(90, "broker-unreachable", now_ns - DAY, injected=True)
    store.append([drill, failed(91, "registry-unreachable", now_ns - DAY)])
    database.close()


@pytest.fixture
def learnt(masked):
    """Mask what was printed behind the page of a code."""

    def mask(text, since):
        text = masked(text[text.index(since) :])
        text = re.sub(r'("\w+_ns": )\d+', r"\1<ns>", text)
        text = re.sub(r"\b20\d\d-\d\d-\d\d\b", "<day>", text)
        # How alike two codes are depends a little on which others there are.
        text = re.sub(r'("likeness": )[\d.]+', r"\1<n>", text)
        text = re.sub(r"(?m)^([ |]*broker-unreachable[ |]*)\d+%", r"\1<n>%", text)
        return re.sub(r" {2,}", "  ", text)

    return mask


@pytest.mark.parametrize("code", ["broker-unreachable", "registry-unreachable"])
@pytest.mark.parametrize("form", ["plain", "table"])
def test_the_screen_shows_what_helped_or_a_draft(cli, past, learnt, code, form, file_regression):
    result = cli("errors", "runbook", code, "-o", form)
    assert result.exit_code == ExitCode.OK
    assert "\x1b[31m" not in result.stdout
    file_regression.check(learnt(result.stdout, "the journal knows"))


@pytest.mark.parametrize("code", ["broker-unreachable", "registry-unreachable"])
def test_json_has_what_helped_or_a_draft(cli, past, learnt, code, file_regression):
    result = cli("errors", "runbook", code, "-o", "json")
    json.loads(result.stdout)
    file_regression.check(learnt(result.stdout, '"history"'), extension=".json")


@pytest.mark.parametrize("code", ["broker-unreachable", "registry-unreachable"])
def test_the_exported_page_has_what_helped_here(cli, past, learnt, code, tmp_path, file_regression):
    file = tmp_path / "page.md"
    result = cli("errors", "runbook", code, "--export", file)
    assert result.exit_code == ExitCode.OK
    assert str(file) in result.stdout
    text = file.read_text()
    assert text.startswith(runbook(code).text.rstrip())
    file_regression.check(learnt(text, "## What helped here"), extension=".md")


def test_an_export_may_hold_what_operators_wrote_so_only_its_owner_reads_it(cli, past, tmp_path):
    file = tmp_path / "page.md"
    cli("errors", "runbook", "broker-unreachable", "--export", file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.glob("*page*")] == ["page.md"]


def test_a_hyphen_exports_to_standard_output(cli, past, learnt, tmp_path):
    file = tmp_path / "page.md"
    cli("errors", "runbook", "broker-unreachable", "--export", file)
    result = cli("errors", "runbook", "broker-unreachable", "--export", "-")
    since = "## What helped here"
    assert learnt(result.stdout, since) == learnt(file.read_text(), since)


@pytest.mark.provokes("usage")
def test_a_file_that_exists_is_replaced_only_with_force(cli, tmp_path):
    file = tmp_path / "page.md"
    file.write_text("edited by hand")
    refused = cli("errors", "runbook", "disk-full", "--export", file)
    assert refused.exit_code == ExitCode.USAGE
    assert "exists already" in refused.stderr
    assert file.read_text() == "edited by hand"
    assert cli("errors", "runbook", "disk-full", "--export", file, "--force").exit_code == 0
    assert file.read_text().startswith("# disk-full")
    assert "The journal has never seen it." in file.read_text()


@pytest.mark.provokes("usage")
def test_a_folder_that_is_not_there_is_named(cli, tmp_path):
    result = cli("errors", "runbook", "disk-full", "--export", tmp_path / "none" / "page.md")
    assert result.exit_code == ExitCode.USAGE
    assert str(tmp_path / "none") in result.stderr


@pytest.mark.provokes("state-corrupt")
def test_a_page_is_exported_also_when_the_journal_cannot_be_read(cli, home, tmp_path):
    home.mkdir()
    (home / "state.db").write_bytes(b"not a database" * 100)
    result = cli("errors", "runbook", "state-corrupt", "--export", "-")
    assert result.exit_code == ExitCode.OK
    assert "cannot be read now (state-corrupt)" in result.stdout


def test_what_is_recorded_now_is_known_at_once(cli, past):
    cli("errors", "resolve", fingerprint_of(cli), "--with", "restarted the registry", "--by", "bob")
    document = json.loads(cli("errors", "runbook", "registry-unreachable", "-o", "json").stdout)
    (known,) = document["history"]["resolutions"]
    assert (known["text"], known["worked"], known["author"]) == ("restarted the registry", 1, "bob")
    assert document["history"]["draft"] is None


def fingerprint_of(cli):
    document = json.loads(
        cli("errors", "list", "--code", "registry-unreachable", "-o", "json").stdout
    )
    return document["errors"][0]["id"]
