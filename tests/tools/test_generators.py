"""Generated files are reproducible, and a stale one is noticed."""

import subprocess

import pytest

from tools import doc_regions, generate_docs
from tools.doc_regions import masked, region
from tools.generate_completions import completion_texts
from tools.generated import settle
from tools.markdown import table


def test_a_stale_file_fails_the_check_and_is_left_alone(tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text("old\n")
    assert settle({page: "new\n"}, check=True, remedy="make docs") == 1
    assert page.read_text() == "old\n"
    complaint = capsys.readouterr().err
    assert "-old" in complaint
    assert "run `make docs`" in complaint


def test_a_missing_file_is_stale(tmp_path):
    assert settle({tmp_path / "new.md": "x"}, check=True, remedy="make docs") == 1


def test_writing_makes_it_fresh(tmp_path):
    texts = {tmp_path / "deep" / "page.md": "new\n"}
    assert settle(texts, check=False, remedy="make docs") == 0
    assert settle(texts, check=True, remedy="make docs") == 0


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_asks_the_program_itself(shell):
    text = next(text for path, text in completion_texts().items() if path.suffix == f".{shell}")
    assert f"_ALCHEMISER_COMPLETE=complete_{shell}" in text


def test_a_region_is_replaced_and_the_prose_around_it_kept():
    page = "before\n<!-- generated: exit-codes -->\nstale\n<!-- /generated -->\nafter\n"
    filled = generate_docs.filled(page)
    assert filled.startswith("before\n<!-- generated: exit-codes -->\n| exit code |")
    assert filled.endswith("<!-- /generated -->\nafter\n")
    assert "| 5 | UNREACHABLE | a needed service did not answer |" in filled
    assert "stale" not in filled
    assert generate_docs.filled(filled) == filled


def test_an_unknown_region_is_refused_with_the_known_ones():
    with pytest.raises(SystemExit, match="'nonsense'; there are exit-codes, error-codes"):
        generate_docs.filled("<!-- generated: nonsense -->\n<!-- /generated -->")


@pytest.mark.parametrize(
    ("new", "fresh"),
    [("12 ticks in 3.5 ms", True), ("13 ticks in 2.0 ms", False)],
)
def test_a_measured_region_is_stale_only_when_more_than_times_differ(monkeypatch, new, fresh):
    monkeypatch.setitem(doc_regions.REGIONS, "demo", lambda _: f"{new}\n")
    page = "<!-- generated: demo -->\n12 ticks in 2.0 ms\n<!-- /generated -->"
    assert (generate_docs.filled(page) == page) is fresh


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("took 1.25 s", "took 0.98 s"),
        ("│ 10,412 messages/s │", "│  9,871 messages/s  │"),
        ("at 2026-01-02T09:30:00+00:00", "at 2027-03-04T10:31:59.5Z"),
        ("next open 2026-01-02 09:30 EST", "next open 2026-01-05 09:30 EST"),
        ("broker 127.0.0.1:40123", "broker 127.0.0.1:39999"),
        ("╭──────╮", "╭────────╮"),
    ],
)
def test_what_differs_from_run_to_run_is_masked(one, other):
    assert masked(one) == masked(other)


def test_counts_are_not_masked():
    assert masked("5,031 ticks of 1 symbol") == "5,031 ticks of 1 symbol"


def test_every_error_code_has_its_row():
    from alchemiser_cli.errors import error_codes

    table = region("error-codes")
    assert all(f"| `{entry.code}` | {entry.summary} |" in table for entry in error_codes())


def test_settings_are_listed_to_the_last_leaf_with_type_and_default():
    table = region("settings")
    assert "| `kafka.mode` | `embedded`, `external` | `embedded` |" in table
    assert "| `brokers.NAME.api_secret` | secret |  |" in table


@pytest.fixture
def pages(tmp_path, monkeypatch):
    monkeypatch.setattr(doc_regions, "PAGES", tmp_path)
    text = "# A\n\nWhy.\n\n## Resolution\n\n1. Start the broker.\n   Then retry.\n2. Wait.\n"
    for code in ("broker-unreachable", "home-not-writable", "dataset-columns", "usage"):
        (tmp_path / f"{code}.md").write_text(text)


@pytest.mark.usefixtures("pages")
def test_the_fix_is_the_first_sentence_of_the_resolution():
    rows = region("preflight-fixes").splitlines()[2:]
    assert all(row.endswith(" | Start the broker. |") for row in rows)


@pytest.mark.usefixtures("pages")
def test_fixes_are_those_of_codes_that_a_check_can_show():
    codes = [row.split("`")[1] for row in region("preflight-fixes").splitlines()[2:]]
    assert codes == ["broker-unreachable", "home-not-writable"]


def test_a_command_that_fails_is_not_documented():
    with pytest.raises(SystemExit, match="no-such-command"):
        region("output: no-such-command")


def test_help_is_captured_as_a_reader_would_see_it():
    text = region("help:")
    assert text.startswith("```console\n$ alchemiser --help\n")
    assert max(map(len, text.splitlines())) <= 100
    assert "\x1b" not in text


def test_completions_in_the_repository_are_fresh(pytestconfig):
    for path, text in completion_texts().items():
        assert (pytestconfig.rootpath / path).read_text() == text


def test_bash_accepts_its_completion(pytestconfig):
    script = pytestconfig.rootpath / "completions" / "alchemiser.bash"
    subprocess.run(["bash", "-n", script], check=True)


def test_the_observation_is_listed_column_by_column_with_its_hash():
    from alchemiser_cli.rl.observation import FEATURES, observation_schema_hash

    text = region("observation")
    assert all(f"| {one.index} | `{one.name}` | {one.source} |" in text for one in FEATURES)
    assert text.endswith(f"Schema hash: `{observation_schema_hash()}`\n")


def test_every_law_of_the_environment_has_its_row():
    from alchemiser_cli.rl.audit import AUDITS

    text = region("audits")
    assert all(f"| `{audit.name}` | {audit.law} |" in text for audit in AUDITS)


def test_every_question_of_the_verdict_says_what_is_needed():
    text = region("verdict")
    assert "| steps that were judged | at least 250 | `too_few_steps` |" in text
    assert text.count("`no_edge_over_") == 4
    assert "| runs that lost half of their balance | at most 0 | `ruined` |" in text


def test_networks_and_searched_settings_are_those_of_the_program():
    assert "| `base` | 256 | 8 | 4 | 1024 | 512 | 256-256 |" in region("networks")
    assert "| `training.batch_size` | 64, 128, 256, 512 |" in region("search")


def test_a_bar_within_a_cell_does_not_end_it():
    assert table(["a"], [["x|y"]]) == "| a |\n| --- |\n| x\\|y |\n"
