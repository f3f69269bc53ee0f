"""Error codes: one each, stable, documented, picklable, and each provoked by a test."""

import ast
import copy
import pickle
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alchemiser_cli import errors
from alchemiser_cli.errors import (
    AlchemiserError,
    BrokerUnreachableError,
    RunbookNotFoundError,
    Severity,
    error_class,
    error_classes,
    error_codes,
    runbook,
)
from alchemiser_cli.exits import ExitCode

CODES = [entry.code for entry in error_codes()]
PARTS = {"what": "it broke", "why": "it was old", "next_step": "replace it"}


def _families():
    waiting = [AlchemiserError]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if "code" not in kind.__dict__:
            yield kind


def _make(kind, **context):
    return kind("it broke", why="it was old", next_step="replace it", context=context)


def test_codes_are_unique_sorted_and_in_kebab_case():
    assert sorted(set(CODES)) == CODES
    for code in CODES:
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", code)


def test_a_second_class_for_one_code_is_refused():
    with pytest.raises(TypeError, match=r"'usage' is declared twice"):
        type("AnotherError", (AlchemiserError,), {"code": "usage"})


@pytest.mark.parametrize("family", list(_families()), ids=lambda kind: kind.__name__)
def test_a_family_is_never_raised_itself(family, monkeypatch):
    monkeypatch.undo()  # the fixture that watches for codes asks a family for its own
    with pytest.raises(TypeError, match="family"):
        _make(family)


@pytest.mark.parametrize("kind", list(error_classes()), ids=lambda kind: kind.code)
class TestEveryError:
    def test_is_found_by_its_code_and_public(self, kind):
        assert error_class(kind.code) is kind
        assert getattr(errors, kind.__name__) is kind

    def test_is_explained_by_one_sentence_of_its_own(self, kind):
        first = (kind.__dict__["__doc__"] or "").splitlines()[0]
        assert first.endswith(".")

    def test_has_a_severity_and_an_exit_code_of_the_tables(self, kind):
        assert kind.severity in Severity
        assert ExitCode(kind.exit_code) is not ExitCode.OK
        assert isinstance(kind.recoverable, bool)

    def test_survives_a_process_boundary_with_all_parts(self, kind):
        error = _make(kind, topic="ticks", tries=[1, 2])
        for clone in (pickle.loads(pickle.dumps(error)), copy.deepcopy(error)):  # noqa: S301  ours
            assert type(clone) is kind
            assert str(clone) == "it broke"
            for part in ("what", "why", "next_step", "context"):
                assert getattr(clone, part) == getattr(error, part)

    def test_fits_the_columns_of_the_journal(self, kind):
        assert len(kind.code) <= 64
        assert len(kind.severity) <= 8


@settings(deadline=None)
@given(st.text(), st.text(), st.text(), st.dictionaries(st.text(), st.integers() | st.text()))
def test_any_words_survive_a_process_boundary(what, why, next_step, context):
    error = BrokerUnreachableError(what, why=why, next_step=next_step, context=context)
    clone = pickle.loads(pickle.dumps(error))  # noqa: S301  ours
    assert (clone.what, clone.why, clone.next_step) == (what, why, next_step)
    assert clone.context == context


def test_the_context_is_the_errors_own():
    facts = {"topic": "ticks"}
    error = _make(BrokerUnreachableError, **facts)
    facts["topic"] = "other"
    assert error.context == {"topic": "ticks"}


def test_an_unknown_code_has_no_class():
    assert error_class("no-such-code") is None


def test_severities_are_ordered():
    ranks = [severity.rank for severity in (Severity.LOW, Severity.MEDIUM, Severity.HIGH)]
    assert ranks == sorted(ranks)
    assert Severity.CRITICAL.rank > Severity.HIGH.rank


def test_the_table_says_what_the_classes_say():
    for entry in error_codes():
        kind = error_class(entry.code)
        assert (entry.error, entry.severity) == (kind.__name__, kind.severity)
        assert (entry.recoverable, entry.exit_code) == (kind.recoverable, kind.exit_code)


@pytest.mark.provokes("runbook-not-found")
def test_a_misspelt_code_is_answered_with_the_nearest(provoked):
    with pytest.raises(RunbookNotFoundError) as caught:
        runbook("broker-unreachabel")
    assert caught.value.next_step.startswith("Did you mean broker-unreachable")
    assert caught.value.exit_code is ExitCode.NOT_FOUND


def test_a_code_near_to_nothing_gets_no_guess():
    with pytest.raises(RunbookNotFoundError) as caught:
        runbook("zzzzzzzz")
    assert caught.value.next_step == "`alchemiser errors codes` lists them all."


def test_every_code_is_provoked_by_a_test(pytestconfig):
    """A mark is a claim; the fixture `provoked` of tests/conftest.py holds the test to it."""
    provoked = set()
    for file in (pytestconfig.rootpath / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and _name(node.func) == "provokes":
                provoked |= {word.value for word in node.args if isinstance(word, ast.Constant)}
    assert provoked <= set(CODES)
    assert sorted(set(CODES) - provoked) == []


def _name(function):
    return function.attr if isinstance(function, ast.Attribute) else None
