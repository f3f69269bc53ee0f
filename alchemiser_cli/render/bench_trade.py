"""What the benchmark of trading measured."""

from typing import TYPE_CHECKING

import msgspec

from alchemiser_cli.render.blocks import TableBlock, View

if TYPE_CHECKING:
    from alchemiser_cli.pipeline.trading.measure import HistorySpeed
    from alchemiser_cli.trading.measure import ChainSpeed

__all__ = ["trading_view"]


def trading_view(chain: "ChainSpeed", history: "HistorySpeed | None") -> View:
    """Return the chain's figures beside bare work, and the whole history where it was run."""
    rows = [
        ("tick to approved decision on record, median", chain.validated_us, ""),
        ("the same, p99", chain.validated_p99_us, ""),
        ("tick without a signal", chain.tick_us, ""),
        (
            "risk decision, 1 position",
            chain.decision_us,
            _times(chain.decision_us, chain.comparisons_us, "ten comparisons"),
        ),
        (
            "risk decision, 20 positions",
            chain.decision_20_us,
            _times(chain.decision_20_us, chain.comparisons_us, "ten comparisons"),
        ),
        (
            "audit append, a decision",
            chain.append_us,
            _times(chain.append_us, chain.write_us, "a bare write"),
        ),
        (
            "kill switch, a read",
            chain.switch_us,
            _times(chain.switch_us, chain.attribute_us, "an attribute"),
        ),
    ]
    columns = ("figure", "microseconds", "beside")
    lines = [(name, f"{value:,.2f}", beside) for name, value, beside in rows]
    title = f"Medians of {chain.rounds} {'round' if chain.rounds == 1 else 'rounds'}, by turns"
    tables = [TableBlock(columns, lines, title=title, right=frozenset({"microseconds"}))]
    document = {"chain": msgspec.to_builtins(chain), "history": None}
    if history is not None:
        document["history"] = {
            **msgspec.to_builtins(history),
            "quotes_per_s": history.quotes_per_s,
        }
        facts = [
            ("ticks", f"{history.ticks:,}"),
            ("quotes", f"{history.quotes:,}"),
            ("signals", f"{history.signals:,}"),
            ("executions", f"{history.executions:,}"),
            ("seconds", f"{history.seconds:,.1f}"),
            ("quotes a second", f"{history.quotes_per_s:,.0f}"),
        ]
        title = f"The history {history.dataset} and its contracts"
        right = frozenset({"value"})
        tables.append(TableBlock(("figure", "value"), facts, title=title, right=right))
    return View(document, tables)


def _times(value: float, bare: float, what: str) -> str:
    return f"{value / bare:.1f} x {what}"
