"""Why an order was made, and why none was: the trail's facts as tables and sentences."""

from collections.abc import Sequence

import msgspec

from alchemiser_cli.clock import iso_from_ns
from alchemiser_cli.render.blocks import Block, Cell, TableBlock, TextBlock, View
from alchemiser_cli.render.foreign_text import printable
from alchemiser_cli.trading.decisions import LimitReading
from alchemiser_cli.trading.signals import ModelStamp
from alchemiser_cli.trading.why import Circumstance, Moment, OrderStory, RefusalStory
from alchemiser_cli.trading.why.narration import reason_text

__all__ = ["order_view", "refusals_view"]

SHORT_HASH = 12

_STATES = {"filled": "green", "refused": "yellow", "rejected": "bold red", "expired": "yellow"}
_EVENTS = {
    "SIGNAL": "the strategy gave a signal",
    "TRADE_APPROVED": "the risk gate approved",
    "TRADE_REJECTED": "the risk gate refused",
    "ORDER_SUBMITTED": "the order went to the broker",
    "ORDER_REJECTED": "the broker rejected it",
    "ORDER_CLOSED": "the order was closed",
    "EXECUTED": "executed",
}
_CIRCUMSTANCES = {
    "KILL_SWITCH_SET": "the kill switch was set",
    "STRATEGY_DISABLED": "a strategy was disabled",
    "RUN_ENDED": "the run had ended",
    "TRADING_STATE": "trading was restricted",
}


def order_view(story: OrderStory) -> View:
    """Return the chain from the message over observation, limits and order to the position."""
    blocks: list[Block] = [
        TableBlock(("order", printable(story.order_id)), _facts(story)),
        _features(story),
        _limits(story),
        _fills(story),
        _timeline(story.timeline),
    ]
    blocks = [block for block in blocks if not isinstance(block, TableBlock) or block.rows]
    return View(msgspec.to_builtins(story), [*blocks, TextBlock(_conclusion(story))])


def refusals_view(story: RefusalStory) -> View:
    """Return refusals with the limit that failed, holds, and what else kept trades from being."""
    blocks: list[Block] = [
        TextBlock(printable(story.said)),
        _circumstances(story.circumstances),
        _refusals(story),
        _holds(story),
    ]
    blocks = [block for block in blocks if not isinstance(block, TableBlock) or block.rows]
    more = sum(story.by_reason.values()) - len(story.refusals)
    if more > 0:
        counts = ", ".join(f"{count:,} {reason}" for reason, count in story.by_reason.items())
        blocks.append(TextBlock(f"{more:,} more refusals are not shown; in all: {counts}."))
    document = {
        **msgspec.to_builtins(story),
        "at": iso_from_ns(story.at_ns),
        "holds": [
            {
                **msgspec.to_builtins(one),
                "since": iso_from_ns(one.since_ns),
                "until": iso_from_ns(one.until_ns),
            }
            for one in story.holds
        ],
    }
    return View(document, blocks)


def _facts(story: OrderStory) -> list[tuple[str, Cell | str]]:
    signal, decision, order = story.signal, story.decision, story.order
    rows: list[tuple[str, Cell | str]] = [
        ("state", Cell(story.state.replace("_", " "), _STATES.get(story.state, ""))),
        ("strategy", Cell(printable(story.strategy_id), "bold")),
        ("symbol", printable(story.symbol)),
        ("broker", f"{printable(story.broker)}, run {printable(story.run_id)}"),
    ]
    if signal is not None:
        sure = "" if signal.confidence is None else f", {signal.confidence:.0%} sure"
        rows += [
            ("message", printable(str(signal.origin))),
            ("tick of", _moment(signal.tick_time_ns)),
            ("wanted", f"a position of {signal.target:+,}, at {signal.reference_price:,.2f}{sure}"),
            ("because", printable(signal.reason)),
            ("model", _model(signal.model)),
            ("parameters", signal.param_hash),
        ]
    if decision is not None:
        change = f"{decision.side} {decision.quantity:,}: " if decision.approved else ""
        rows.append(("decision", f"{change}{decision.reason}, {reason_text(decision.reason)}"))
    if order is not None:
        rows.append(("order", f"{order.side} {order.quantity:,} at the market"))
    if story.average_price is not None:
        paid = f"{story.filled:,} at {story.average_price:,.4f}, commission {story.commission:,.2f}"
        rows.append(("filled", paid))
    if story.position is not None:
        rows.append(("position after", f"{story.position:+,}" if story.position else "none"))
    return rows


def _features(story: OrderStory) -> TableBlock:
    features = {} if story.signal is None else story.signal.features
    rows = [(printable(name), f"{value:.6g}") for name, value in sorted(features.items())]
    return TableBlock(("feature", "value"), rows, title="What it saw", right=frozenset({"value"}))


def _limits(story: OrderStory) -> TableBlock:
    limits: Sequence[LimitReading] = () if story.decision is None else story.decision.limits
    rows = [
        (
            _words(one.name),
            _number(one.value),
            _number(one.threshold),
            Cell("passed", "green") if one.passed else Cell("FAILED", "bold red"),
        )
        for one in limits
    ]
    columns = ("limit", "value", "threshold", "result")
    return TableBlock(columns, rows, title="Limits", right=frozenset({"value", "threshold"}))


def _fills(story: OrderStory) -> TableBlock:
    rows = [
        (
            _moment(one.at_ns),
            f"{one.change:+,}",
            f"{one.price:,.4f}",
            f"{one.commission:,.2f}",
            "-" if one.origin is None else printable(str(one.origin)),
            printable(one.execution_id),
        )
        for one in story.executions
    ]
    columns = ("at", "change", "price", "commission", "message", "execution")
    right = frozenset({"change", "price", "commission"})
    return TableBlock(columns, rows, title="Executions", right=right)


def _timeline(moments: Sequence[Moment]) -> TableBlock:
    rows = [
        (
            _moment(one.at_ns),
            f"{one.after_s * 1_000:+,.3f} ms",
            _EVENTS.get(one.event, one.event),
            printable(reason_text(one.reason)),
        )
        for one in moments
    ]
    columns = ("at", "after", "what", "reason")
    return TableBlock(columns, rows, title="Timeline", right=frozenset({"after"}))


def _conclusion(story: OrderStory) -> str:
    if story.state == "undecided":
        return "No decision about this signal is on record: the risk gate has not seen it yet."
    if story.state == "approved":
        return "No order is on record, though the signal was approved: a crash, or it is under way."
    if story.signal is None or (not story.signal.features and story.decision is not None):
        return "The strategy's own line is not among what was read: its features are not known."
    return "Whether these lines are as they were written: alchemiser audit verify"


def _circumstances(found: Sequence[Circumstance]) -> TableBlock:
    rows = [
        (
            _moment(one.at_ns),
            Cell(_CIRCUMSTANCES.get(one.event, one.event), "yellow"),
            printable(one.strategy_id or one.state or "-"),
            printable(one.reason),
        )
        for one in found
    ]
    return TableBlock(("since", "what", "which", "reason"), rows, title="At that time")


def _refusals(story: RefusalStory) -> TableBlock:
    rows = [
        (
            _moment(one.at_ns),
            printable(one.symbol),
            Cell(printable(one.strategy_id), "bold"),
            "-" if one.target is None else f"{one.target:+,}",
            one.by,
            printable(reason_text(one.reason)),
            _reading(one.limit),
            printable(one.signal_id),
        )
        for one in story.refusals
    ]
    columns = ("at", "symbol", "strategy", "wanted", "by", "because", "limit", "signal")
    return TableBlock(columns, rows, title="Refusals", right=frozenset({"wanted"}))


def _holds(story: RefusalStory) -> TableBlock:
    rows = [
        (
            _moment(one.since_ns),
            _moment(one.until_ns),
            printable(one.symbol),
            Cell(printable(one.strategy_id), "bold"),
            f"{one.ticks:,}",
            printable(one.reason),
        )
        for one in story.holds
    ]
    columns = ("since", "until", "symbol", "strategy", "ticks", "because")
    return TableBlock(columns, rows, title="Holds", right=frozenset({"ticks"}))


def _reading(limit: LimitReading | None) -> str:
    if limit is None:
        return "-"
    return f"{_words(limit.name)}: {_number(limit.value)}, allowed {_number(limit.threshold)}"


def _model(model: ModelStamp | None) -> str:
    if model is None:
        return "none, a rule"
    generation = "" if model.generation is None else f", generation {model.generation:,}"
    name = f"{printable(model.name)} {printable(model.version)}"
    return f"{name} ({model.hash[:SHORT_HASH]}){generation}"


def _words(name: str) -> str:
    return printable(name.replace("_", " "))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.6g}"


def _moment(at_ns: int) -> str:
    return iso_from_ns(at_ns)[:23] + "Z"
