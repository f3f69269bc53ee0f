"""A terminal gets tables, a pipe plain text, a program JSON; and colour only where wanted."""

import io
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from alchemiser_cli.render.blocks import Cell, TableBlock, TextBlock, View
from alchemiser_cli.render.output import Format, json_document, plain_text, show

VIEW = View(
    {"topics": [{"name": "market.ticks", "messages": 12}]},
    [
        TableBlock(
            ("topic", "messages"),
            [(Cell("market.ticks", "cyan"), "12"), ("dlq", Cell("3", "bold red"))],
            title="Topics [all]",
            right=frozenset({"messages"}),
        ),
        TextBlock("done [ok]", style="green"),
    ],
)


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def plain_machine(monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "60")


def _shown(chosen=None, stream=None, view=VIEW):
    stream = stream or io.StringIO()
    show(view, chosen, stream)
    return stream.getvalue()


def test_a_pipe_gets_plain_text_aligned_under_its_columns():
    assert _shown() == (
        "Topics [all]\n"
        "topic         messages\n"
        "market.ticks        12\n"
        "dlq                  3\n"
        "\n"
        "done [ok]\n"
    )


def test_a_terminal_gets_a_table_in_colour():
    text = _shown(stream=Terminal())
    assert "\x1b[" in text
    assert "market.ticks" in text
    assert "─" in text


def test_no_color_is_respected(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    text = _shown(stream=Terminal())
    for colour in ("[36m", "[31m", "[32m"):
        assert colour not in text
    assert "market.ticks" in text


def test_a_dumb_terminal_gets_no_colour(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b[3" not in _shown(stream=Terminal())


def test_a_table_in_a_pipe_has_no_escape_codes():
    text = _shown(Format.TABLE)
    assert "\x1b" not in text
    assert "─" in text


def test_the_width_of_the_terminal_is_respected(monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    long = View({}, [TableBlock(("a", "b"), [("word " * 20, "1")])])
    text = _shown(Format.TABLE, view=long)
    assert max(map(len, text.splitlines())) <= 30


def test_brackets_in_data_are_not_markup():
    for name in ("[bold]topic[/bold]", "[/]", "[red]", ":smile:"):
        view = View({}, [TableBlock((name,), [(name,)], title=name), TextBlock(name)])
        assert _shown(Format.TABLE, view=view).count(name) == 4
        assert _shown(Format.PLAIN, view=view).count(name) == 4


def test_markdown_is_drawn_on_a_terminal_only():
    view = View({}, [TextBlock("# Title\n\n- **point**", markdown=True)])
    assert "**" not in _shown(Format.TABLE, view=view)
    assert _shown(Format.PLAIN, view=view) == "# Title\n\n- **point**\n"


def test_json_is_one_document_that_begins_with_its_schema_version():
    text = _shown(Format.JSON)
    assert text.startswith('{\n  "schema_version": 1,')
    assert json.loads(text) == {"schema_version": 1, **VIEW.document}
    assert text.endswith("}\n")


def test_a_terminal_gets_json_too_where_it_was_asked_for():
    assert json.loads(_shown(Format.JSON, Terminal()))["schema_version"] == 1


def test_a_document_may_carry_a_version_of_its_own():
    assert json.loads(json_document({"a": 1, "schema_version": 3})) == {"schema_version": 3, "a": 1}


def test_what_json_does_not_know_becomes_text_and_secrets_stay_masked():
    document = {"file": Path("a/b"), "key": SecretStr("hunter2"), "nan": float("nan")}
    assert json.loads(json_document(document)) == {
        "schema_version": 1,
        "file": "a/b",
        "key": "**********",
        "nan": None,
    }


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@settings(deadline=None)
@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_any_document_is_read_back_as_it_was(document):
    assert json.loads(json_document(document)) == {"schema_version": 1, **document}


CELLS = st.text(st.characters(min_codepoint=33, max_codepoint=0x24F, categories=["L", "N", "P"]))


@settings(deadline=None)
@given(
    st.integers(1, 4).flatmap(
        lambda width: st.lists(
            st.lists(CELLS.filter(bool), min_size=width, max_size=width), min_size=1, max_size=5
        )
    )
)
def test_plain_columns_start_at_one_place_in_every_row(rows):
    columns = [f"c{number}" for number in range(len(rows[0]))]
    lines = plain_text([TableBlock(columns, rows)]).splitlines()
    assert len(lines) == len(rows) + 1
    place = 0
    for number, column in enumerate(columns):
        for line, row in zip(lines, [columns, *rows], strict=True):
            assert line[place:].startswith(row[number])
        place += max(len(row[number]) for row in [columns, *rows]) + 2
        assert column


@pytest.mark.parametrize("text", ["two\nlines", "two\r\nlines", "two\x0blines", "two\u2028lines"])
def test_a_row_stays_one_line_whatever_its_cells_hold(text):
    lines = plain_text([TableBlock(("a", "b"), [(text, Cell(text))])]).splitlines()
    assert lines == ["a          b", "two lines  two lines"]


def test_a_table_without_rows_still_shows_its_columns():
    assert plain_text([TableBlock(("a", "b"), [])]) == "a  b\n"
    assert "a" in _shown(Format.TABLE, view=View({}, [TableBlock(("a", "b"), [])]))


def test_nothing_to_show_is_nothing():
    assert _shown(view=View({}, [])) == ""
