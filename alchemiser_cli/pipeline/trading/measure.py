"""How long the whole chain takes for a whole history: each day's underlying and ten contracts."""

from pathlib import Path

import msgspec

from alchemiser_cli.clock import Clock
from alchemiser_cli.pipeline.trading.dataset import DatasetRun, Progress, trade_dataset
from alchemiser_cli.settings import Settings
from alchemiser_cli.trading.runs import Fed

__all__ = ["HistorySpeed", "measure_history"]

CONTRACTS = 10
STRATEGY = "contracts"
DEFINITION = """\
kind = "momentum"
version = 1
symbols = ["SPX-*"]

[parameters]
lookback = 5
volatility_rows = 5
"""


class HistorySpeed(msgspec.Struct, frozen=True, kw_only=True):
    """One run; ``quotes`` are the underlying's ticks and those of its contracts, all shown."""

    dataset: str
    ticks: int
    quotes: int
    signals: int
    approved: int
    executions: int
    seconds: float

    @property
    def quotes_per_s(self) -> float:
        """Quotes that went through the chain in a second."""
        return self.quotes / self.seconds


def measure_history(
    clock: Clock,
    *,
    folder: Path,
    dataset: str = "sp500",
    rows: int | None = None,
    on_progress: Progress = lambda _done, _total: None,
) -> HistorySpeed:
    """Trade a momentum rule on the contracts of ``dataset``, in ``folder``, which is a scratch one.

    Prices of contracts, strategy, risk, simulated broker and audit trail are all part of it.

    Raises:
        DatasetNotFoundError: ``dataset-not-found``.
    """
    definitions = folder / "configs" / "strategies"
    definitions.mkdir(parents=True, exist_ok=True)
    (definitions / f"{STRATEGY}.toml").write_text(DEFINITION, encoding="utf-8")
    fed = Fed(dataset=dataset, limit=rows)
    run = DatasetRun(fed, "measure", names=[STRATEGY], on_progress=on_progress)
    begun_ns = clock.monotonic_ns()
    result = trade_dataset(Settings(home=folder), run, clock)
    return HistorySpeed(
        dataset=dataset,
        ticks=result.ticks,
        quotes=result.ticks * (1 + CONTRACTS),
        signals=result.signals,
        approved=result.approved,
        executions=result.fills,
        seconds=(clock.monotonic_ns() - begun_ns) / 1e9,
    )
