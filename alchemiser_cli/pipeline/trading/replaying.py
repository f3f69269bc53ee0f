"""Running a run again: the same inputs, settings and models, and each decision compared."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec

from alchemiser_cli.clock import Clock
from alchemiser_cli.errors import ValidationError
from alchemiser_cli.pipeline.trading.dataset import DatasetRun, trade_dataset
from alchemiser_cli.settings import Settings
from alchemiser_cli.trading.desk import fold_trail
from alchemiser_cli.trading.desk.folding import Folded
from alchemiser_cli.trading.runs import RunRecord, load_run

__all__ = ["Comparison", "Difference", "replay_run"]

MOST_DIFFERENCES = 50


class Difference(msgspec.Struct, frozen=True):
    """One decision that is not the same; ``was`` and ``now`` are in words, empty where missing."""

    kind: Literal["missing", "new", "changed"]
    signal_id: str
    symbol: str
    strategy_id: str
    tick_time_ns: int
    was: str
    now: str


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two runs of the same inputs; ``differences`` are the first ones of ``differing``.

    ``changed_parameters`` are strategies whose definition or model is another one now.
    """

    run_id: str
    decisions: int
    differing: int
    executions: int
    executions_differing: int
    changed_parameters: tuple[str, ...]
    differences: tuple[Difference, ...]

    @property
    def same(self) -> bool:
        """Whether every decision and every execution came out as before."""
        return not (self.differing or self.executions_differing)


def replay_run(
    settings: Settings,
    run_id: str,
    clock: Clock,
    *,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
    stop: Callable[[], bool] = lambda: False,
) -> Comparison:
    """Trade on a run's dataset again, in a scratch folder, and compare decisions and executions.

    The settings that decide on a run are those of its record; strategies and models are those of
    today, and are named where they changed.

    Raises:
        TradingRunNotFoundError: ``trading-run-not-found``.
        ValidationError: ``validation-failed``: it traded live, and cannot be fed again.
        AuditTrailNotFoundError: ``audit-trail-not-found``: its trail is gone.
        DatasetNotFoundError: ``dataset-not-found``.
    """
    record = load_run(settings.trading_folder, run_id)
    if record.fed.dataset is None:
        raise _live(record)
    before = fold_trail(settings.audit_folder / record.trail)
    as_it_was = _settings_of(settings, record)
    with tempfile.TemporaryDirectory(prefix="alchemiser-") as scratch:
        # Models and definitions stay those of the home; what is written goes elsewhere.
        (Path(scratch) / "models").symlink_to(settings.models_folder.absolute())
        (Path(scratch) / "configs").symlink_to((settings.home / "configs").absolute())
        again = as_it_was.model_copy(update={"home": Path(scratch)})
        run = DatasetRun(
            record.fed,
            record.run_id,
            broker=record.broker,
            names=tuple(record.strategies),
            on_progress=on_progress,
            stop=stop,
        )
        trade_dataset(again, run, clock)
        after = fold_trail(again.audit_folder / record.run_id)
        now = load_run(again.trading_folder, record.run_id)
    return _compared(record, now, before, after)


def _settings_of(settings: Settings, record: RunRecord) -> Settings:
    """Return today's settings with the sections of the record in their place."""
    kept = settings.model_dump(exclude=set(record.sections))
    return Settings(**{**kept, **record.sections})


def _compared(was: RunRecord, now: RunRecord, before: Folded, after: Folded) -> Comparison:
    old = {one.signal.signal_id: one for one in before.decisions}
    new = {one.signal.signal_id: one for one in after.decisions}
    differences = []
    for signal_id in [*old, *(one for one in new if one not in old)]:
        first, second = old.get(signal_id), new.get(signal_id)
        words = [
            "" if one is None else f"{one.reason} {one.side or ''} {one.quantity}".strip()
            for one in (first, second)
        ]
        if words[0] == words[1]:
            continue
        signal = (first or second).signal  # type: ignore[union-attr]  # one of them is there
        differences.append(
            Difference(
                "missing" if second is None else "new" if first is None else "changed",
                signal_id,
                signal.symbol,
                signal.strategy_id,
                signal.tick_time_ns,
                *words,
            )
        )
    filled = [
        {(one.execution_id, one.change, one.price) for one in folded.executions}
        for folded in (before, after)
    ]
    changed = [
        name for name, digest in was.strategies.items() if now.strategies.get(name) != digest
    ]
    return Comparison(
        run_id=was.run_id,
        decisions=len(old),
        differing=len(differences),
        executions=len(filled[0]),
        executions_differing=len(filled[0] ^ filled[1]),
        changed_parameters=tuple(sorted(changed)),
        differences=tuple(differences[:MOST_DIFFERENCES]),
    )


def _live(record: RunRecord) -> ValidationError:
    return ValidationError(
        f"the run {record.run_id} traded live, on the topic {record.fed.topic}",
        why="Only a dataset can be fed again exactly as it was; a topic forgets.",
        next_step="Replay a run of `alchemiser trade run --dataset D`.",
        context={"run": record.run_id},
    )
