"""What a study holds: each trial in a row, and the counts."""

from typing import Literal

import msgspec
from optuna.trial import FrozenTrial, TrialState

from alchemiser_cli.rl.sweep.space import Setting
from alchemiser_cli.rl.sweep.study import FIRST, OpenStudy, originals

__all__ = ["CODE", "RUN", "STEPS", "SweepResult", "TrialRow", "result_of"]

RUN = "run_id"  # user attributes of a trial
CODE = "code"
STEPS = "pruned_at"

TrialResult = Literal["complete", "pruned", "failed", "running", "waiting"]

_STATES: dict[TrialState, TrialResult] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}


class TrialRow(msgspec.Struct, frozen=True, kw_only=True):
    """One trial with all its attempts.

    ``value`` is what is maximised, of a pruned trial the last intermediate one. ``code`` is the
    error of a failed one, empty if its process ended without a word. ``seconds`` are those of the
    last attempt.
    """

    number: int
    state: TrialResult
    value: float | None
    settings: dict[str, Setting]
    run_id: str | None
    code: str
    attempts: int
    seconds: float | None


class SweepResult(msgspec.Struct, frozen=True, kw_only=True):
    """A study as it is; ``trials`` counts each of them once, whatever became of it."""

    study: str
    storage: str
    trials: int
    complete: int
    pruned: int
    failed: int
    running: int
    best: TrialRow | None
    rows: tuple[TrialRow, ...]


def result_of(opened: OpenStudy) -> SweepResult:
    """Return what the study holds now, the trials in the order of their begin."""
    trials = opened.study.get_trials(deepcopy=False)
    attempts: dict[int, list[FrozenTrial]] = {one.number: [one] for one in originals(trials)}
    for trial in trials:
        if FIRST in trial.user_attrs:
            attempts[trial.user_attrs[FIRST]].append(trial)
    rows = tuple(_row(number, made) for number, made in sorted(attempts.items()))
    complete = [row for row in rows if row.state == "complete" and row.value is not None]
    return SweepResult(
        study=opened.study.study_name,
        storage=opened.location,
        trials=len(rows),
        complete=len(complete),
        pruned=sum(row.state == "pruned" for row in rows),
        failed=sum(row.state == "failed" for row in rows),
        running=sum(row.state in {"running", "waiting"} for row in rows),
        best=max(complete, key=lambda row: row.value or 0.0, default=None),
        rows=rows,
    )


def _row(number: int, attempts: list[FrozenTrial]) -> TrialRow:
    last = attempts[-1]
    ran = last.duration
    runs = [one.user_attrs[RUN] for one in attempts if RUN in one.user_attrs]
    return TrialRow(
        number=number,
        state=_STATES[last.state],
        value=last.value,
        settings=dict(last.params or attempts[0].params),
        run_id=runs[-1] if runs else None,
        code=str(last.user_attrs.get(CODE, "")),
        attempts=len(attempts),
        seconds=None if ran is None else ran.total_seconds(),
    )
