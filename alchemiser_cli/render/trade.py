"""What a desk did: its account, its decisions by reason, its positions, its equity."""

from typing import Any

import msgspec

from alchemiser_cli.clock import iso_from_ns
from alchemiser_cli.render.blocks import Block, Cell, TableBlock, TextBlock, View
from alchemiser_cli.render.chart import area_chart
from alchemiser_cli.trading.book import AccountSnapshot
from alchemiser_cli.trading.decisions import REASONS
from alchemiser_cli.trading.desk import DeskResult

__all__ = ["account_rows", "decisions_table", "money", "positions_table", "run_document"]
__all__ += ["run_view"]

RIGHT = frozenset({"value", "count", "quantity", "average", "price", "worth", "unrealised"})
SHOWN_POSITIONS = 20


def run_view(result: DeskResult, *, width: int = 72) -> View:
    """Return one run: what came in, what was decided, what it earned."""
    blocks: list[Block] = [
        _summary(result),
        decisions_table(result.approved, result.denied),
        *_disabled(result.disabled),
        *positions_table(result.account),
        *_equity(result, width),
        TextBlock(
            f"\naudit trail {result.trail}, head {result.audit_head[:16]}\n"
            f"alchemiser trade why ORDER | alchemiser audit verify {result.trail}",
            style="dim",
        ),
    ]
    return View(run_document(result), blocks)


def run_document(result: DeskResult) -> dict[str, Any]:
    """Return the JSON document of a run, as the contract of the command line has it."""
    account = result.account
    return {
        "run_id": result.run_id,
        "broker": result.broker,
        "ticks": result.ticks,
        "signals": result.signals,
        "approved": result.approved,
        "denied": result.denied,
        "orders": result.orders,
        "fills": result.fills,
        "by_strategy": result.by_strategy,
        "disabled": result.disabled,
        "positions": msgspec.to_builtins(account.positions),
        "cash": account.cash,
        "equity": account.equity,
        "realised_pnl": account.realised_pnl,
        "unrealised_pnl": account.unrealised_pnl,
        "fees": account.fees,
        "trail": result.trail,
        "audit_head": result.audit_head,
    }


def decisions_table(approved: int, denied: dict[str, int]) -> TableBlock:
    """Return decisions by reason, the most frequent refusal first."""
    rows: list[tuple[Cell | str, ...]] = [
        (Cell("approved", "green"), f"{approved:,}", "an order was sent")
    ]
    rows += [
        (Cell(reason, "yellow"), f"{count:,}", REASONS.get(reason, ""))  # type: ignore[call-overload]  # of a later version, too
        for reason, count in sorted(denied.items(), key=lambda item: (-item[1], item[0]))
    ]
    return TableBlock(("decision", "count", "meaning"), rows, right=RIGHT)


def positions_table(account: AccountSnapshot) -> list[TableBlock]:
    """Return the positions, the largest first; nothing where there are none."""
    if not account.positions:
        return []
    rows = [
        (
            one.symbol,
            one.strategy_id,
            f"{one.quantity:,}",
            f"{one.average_price:,.2f}",
            f"{one.price:,.2f}",
            money(one.market_value),
            _signed(one.unrealised_pnl),
        )
        for one in sorted(account.positions, key=lambda one: -abs(one.market_value))
    ][:SHOWN_POSITIONS]
    columns = ("position", "strategy", "quantity", "average", "price", "worth", "unrealised")
    return [TableBlock(columns, rows, right=RIGHT)]


def account_rows(account: AccountSnapshot) -> list[tuple[Cell | str, Cell | str]]:
    """Return the account's figures, a row each."""
    gained = account.equity / account.initial_cash - 1.0
    return [
        ("equity", f"{money(account.equity)} ({gained:+.2%})"),
        ("cash", money(account.cash)),
        ("realised PnL", _signed(account.realised_pnl)),
        ("unrealised PnL", _signed(account.unrealised_pnl)),
        ("fees", money(account.fees)),
    ]


def money(amount: float) -> str:
    """Write an amount with two decimals."""
    return f"{amount:,.2f}"


def _summary(result: DeskResult) -> TableBlock:
    by_strategy = ", ".join(
        f"{name} {count:,}" for name, count in sorted(result.by_strategy.items())
    )
    rows: list[tuple[Cell | str, Cell | str]] = [
        ("run", result.run_id),
        ("ticks", f"{result.ticks:,}"),
        ("signals", f"{result.signals:,}" + (f" ({by_strategy})" if by_strategy else "")),
        ("orders", f"{result.orders:,}"),
        ("fills and settlements", f"{result.fills:,}"),
        *account_rows(result.account),
    ]
    return TableBlock((f"desk {result.broker}", "value"), rows, right=RIGHT)


def _disabled(disabled: dict[str, str]) -> list[TableBlock]:
    rows = [(Cell(name, "red"), why) for name, why in sorted(disabled.items())]
    return [TableBlock(("disabled strategy", "why"), rows)] if rows else []


def _equity(result: DeskResult, width: int) -> list[TextBlock]:
    curve = result.equity_curve
    if len(curve) < 2:
        return []
    first, last = (iso_from_ns(point.at_ns)[:10] for point in (curve[0], curve[-1]))
    chart = area_chart(
        [point.equity for point in curve],
        title=f"\nequity of {result.broker}",
        width=width,
        height=6,
        first=first,
        last=last,
    )
    return [TextBlock(chart, style="green")]


def _signed(amount: float) -> Cell:
    return Cell(money(amount), "red" if amount < 0 else "")
