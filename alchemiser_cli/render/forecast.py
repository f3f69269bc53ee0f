"""Forecasts: probabilities with their skill, and in plain words where there are none."""

from collections.abc import Sequence
from typing import Any

import msgspec

from alchemiser_cli.clock import NS_PER_SECOND, duration_text, iso_from_ns
from alchemiser_cli.errors.forecast.outlook import CodeScore, Outlook
from alchemiser_cli.errors.forecast.rolling import Scores
from alchemiser_cli.render.blocks import Block, Cell, TableBlock, TextBlock, View

__all__ = [
    "calibration_table",
    "code_document",
    "forecast_view",
    "percent",
    "silence",
    "skill_text",
]

_EACH = {1: "a minute", 60: "an hour", 1_440: "a day"}
_TOLD = (
    *("code", "probability", "base rate", "skill", "99 % interval"),
    *("Brier", "base Brier", "log-loss", "base log-loss", "ECE", "events"),
)
_RIGHT = frozenset({*_TOLD[1:], "count", "mean forecast", "happened"})


def forecast_view(outlook: Outlook) -> View:
    """Return what is forecast with its skill and calibration, then where nothing is, and why."""
    window = outlook.window_minutes
    document = {
        "window_minutes": window,
        "at": _moment(outlook.at_minute),
        "since": None if outlook.since_minute is None else _moment(outlook.since_minute),
        "windows": outlook.windows,
        "forecasts": [code_document(one, window) for one in outlook.codes],
    }
    if outlook.since_minute is None:
        return View(document, [TextBlock("The journal holds no error yet.", style="green")])
    title = f"{_spelled(window)} from {_moment(outlook.at_minute)}"
    told = [one for one in outlook.codes if one.probability is not None]
    quiet = [one for one in outlook.codes if one.probability is None]
    blocks: list[Block] = []
    if told:
        blocks.append(TableBlock(_TOLD, [_told(one) for one in told], title, _RIGHT))
        blocks.append(calibration_table(told))
    else:
        blocks.append(TextBlock(f"Nothing can be forecast for {title}."))
    if quiet:
        rows = [(Cell(one.code, "bold"), f"{one.events:,}", silence(one, window)) for one in quiet]
        blocks.append(TableBlock(("code", "events", "abstains"), rows, right=_RIGHT))
    since = _moment(outlook.since_minute)
    note = f"From {outlook.windows:,} windows since {since}; an event is a minute with the error."
    return View(document, [*blocks, TextBlock(note, style="dim")])


def calibration_table(codes: Sequence[CodeScore]) -> TableBlock:
    """Return how often it happened where so much was forecast, for each of ``codes``."""
    rows = [
        (
            Cell(one.code, "bold"),
            f"{100 * part.low:.0f} to {100 * part.high:.0f} %",
            f"{part.count:,}",
            percent(part.mean_forecast),
            percent(part.frequency),
        )
        for one in codes
        for part in (one.scores.calibration if one.scores else ())
    ]
    columns = ("code", "forecast", "count", "mean forecast", "happened")
    return TableBlock(columns, rows, "Calibration over past windows", _RIGHT)


def code_document(one: CodeScore, window_minutes: int) -> dict[str, Any]:
    """Return one code for JSON, with the sentence that tells why it abstains."""
    words = silence(one, window_minutes) if one.abstained else None
    return {**msgspec.to_builtins(one), "why": words}


def silence(one: CodeScore, window_minutes: int) -> str:
    """Return why nothing is forecast, and the base rate in its place."""
    each = _EACH.get(window_minutes, f"in {_spelled(window_minutes)}")
    rate = "not known" if one.base_rate is None else f"{percent(one.base_rate)} {each}"
    reasons = {
        "too few events": "too few events for a forecast",
        "too little history": "too little history for a forecast",
        "no skill": "no skill over its base rate",
        None: "forecast",
    }
    return f"{reasons[one.abstained]}; the base rate is {rate}"


def percent(share: float) -> str:
    """Return a share in percent; what is not certain is not written as 0 or 100."""
    if 0 < share < 0.001:
        return "<0.1 %"
    if 0.999 < share < 1:
        return ">99.9 %"
    return f"{100 * share:.1f} %"


def skill_text(scores: Scores) -> tuple[str, str]:
    """Return the skill in log-loss and its interval."""
    skill = scores.skill
    return f"{100 * skill.mean:.1f} %", f"{100 * skill.low:.1f} to {100 * skill.high:.1f} %"


def _told(one: CodeScore) -> tuple[Cell | str, ...]:
    if one.scores is None or one.probability is None or one.base_rate is None:
        raise ValueError(f"{one.code} has no forecast to show")
    scores = one.scores
    return (
        Cell(one.code, "bold"),
        percent(one.probability),
        percent(one.base_rate),
        *skill_text(scores),
        f"{scores.brier:.4f}",
        f"{scores.base_brier:.4f}",
        f"{scores.log_loss:.4f}",
        f"{scores.base_log_loss:.4f}",
        f"{scores.calibration_error:.3f}",
        f"{one.events:,}",
    )


def _spelled(minutes: int) -> str:
    return duration_text(60 * minutes) if minutes != 60 else "1 h"


def _moment(minute: int) -> str:
    return iso_from_ns(minute * 60 * NS_PER_SECOND)[:16] + "Z"
