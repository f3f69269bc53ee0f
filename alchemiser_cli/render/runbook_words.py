"""What the journal knows of a code, in words: the same on a screen and in an exported page."""

from typing import TYPE_CHECKING

from alchemiser_cli.clock import duration_text, iso_from_ns
from alchemiser_cli.errors import AlchemiserError
from alchemiser_cli.render.foreign_text import printable

if TYPE_CHECKING:
    from alchemiser_cli.errors.journal.drafts import Draft
    from alchemiser_cli.errors.journal.history import CodeHistory

__all__ = [
    "DRAFT_WORDS",
    "NEVER_SEEN",
    "REMEDY_COLUMNS",
    "SIMILAR_COLUMNS",
    "STEP_COLUMNS",
    "fact_rows",
    "remedy_rows",
    "similar_rows",
    "step_rows",
    "unread_words",
]

NEVER_SEEN = "The journal has never seen it."
DRAFT_WORDS = (
    "A draft: nothing has been recorded yet that mended this error. The following mended errors"
    " that are like it. Check each step before you take it, and record what helped with"
    " `alchemiser errors resolve`."
)
REMEDY_COLUMNS = (
    "what was done",
    "worked",
    "rate, 95 %",
    "median",
    "90 % in",
    "last",
    "by",
    "note",
)
STEP_COLUMNS = ("draft", "worked", "median", "last", "for", "note")
SIMILAR_COLUMNS = ("similar code", "likeness", "because")


def unread_words(error: AlchemiserError) -> str:
    """Say that the journal could not be asked."""
    return f"The journal cannot be read now ({error.code}), so what it knows is missing."


def fact_rows(history: "CodeHistory") -> list[tuple[str, str]]:
    """Return how often the error was seen, when, and how much of it is open."""
    return [
        ("seen", f"{history.count:,} (of these on purpose: {history.injected:,})"),
        ("first", _moment(history.first_seen_ns)),
        ("last", _moment(history.last_seen_ns)),
        ("last drilled", _moment(history.last_drilled_ns)),
        ("not resolved", f"{history.open_groups:,} of its groups"),
    ]


def remedy_rows(history: "CodeHistory") -> list[tuple[str, ...]]:
    """Return the resolutions under ``REMEDY_COLUMNS``."""
    return [
        (
            _line(one.text),
            _count(one.worked, one.tried),
            f"{one.rate_low:.0%} to {one.rate_high:.0%}",
            _duration(one.median_seconds),
            _duration(one.p90_seconds),
            _day(one.last_at_ns),
            _line(one.author),
            _stale(one.stale),
        )
        for one in history.resolutions
    ]


def step_rows(draft: "Draft") -> list[tuple[str, ...]]:
    """Return the steps of a draft under ``STEP_COLUMNS``."""
    return [
        (
            _line(step.text),
            _count(step.worked, step.tried),
            _duration(step.median_seconds),
            _day(step.last_worked_ns),
            ", ".join(step.codes),
            _stale(step.stale),
        )
        for step in draft.steps
    ]


def similar_rows(draft: "Draft") -> list[tuple[str, ...]]:
    """Return where a draft comes from, under ``SIMILAR_COLUMNS``."""
    return [(one.code, f"{one.likeness:.0%}", one.because) for one in draft.similar]


def _count(worked: int, tried: int) -> str:
    return f"{worked} of {tried}" if tried else "not known"


def _stale(why: str | None) -> str:
    return f"stale: {why}" if why else ""


def _duration(seconds: float | None) -> str:
    return "-" if seconds is None else duration_text(seconds)


def _moment(at_ns: int | None) -> str:
    return "never" if at_ns is None else iso_from_ns(at_ns)[:19] + "Z"


def _day(at_ns: int) -> str:
    return iso_from_ns(at_ns)[:10]


def _line(text: str) -> str:
    return printable(" ".join(text.split()))  # what people typed; a terminal would obey some of it
