"""The desk and its kill switch as they are now, runs, drills and replays."""

from collections.abc import Mapping

import msgspec

from alchemiser_cli.clock import NS_PER_SECOND, duration_text, iso_from_ns
from alchemiser_cli.pipeline.trading.replaying import Comparison
from alchemiser_cli.render.blocks import Block, Cell, TableBlock, TextBlock, View
from alchemiser_cli.render.trade import RIGHT, account_rows, decisions_table, positions_table
from alchemiser_cli.trading.control import DeskStatus
from alchemiser_cli.trading.decisions import LimitReading
from alchemiser_cli.trading.kill_switch import DrillResult, KillSwitchState
from alchemiser_cli.trading.runs import Fed, RunRecord

__all__ = ["drill_view", "flatten_view", "kill_switch_view", "replay_view", "runs_view"]
__all__ += ["service_view", "skipped_view", "status_view"]

_RIGHT = RIGHT | {"threshold", "signals", "ticks", "was"}


def status_view(
    broker: str,
    state: KillSwitchState,
    desk: DeskStatus | None,
    *,
    running: bool,
    now_ns: int,
    services: Mapping[str, tuple[DeskStatus, bool]] | None = None,
) -> tuple[View, bool]:
    """Return the status of one broker's desk, and whether something in it is a warning.

    ``services`` are those that run in processes of their own, or did, each with whether it runs
    now. Where no desk runs, the account and the limits are those of the service risk.
    """
    services = services or {}
    if "risk" in services and not running and (services["risk"][1] or desk is None):
        desk, running = _together(services), services["risk"][1]
    document = {
        "broker": broker,
        "kill_switch": msgspec.to_builtins(state),
        "running": running,
        "desk": None if desk is None else msgspec.to_builtins(desk),
        "services": {
            name: {"running": runs, **msgspec.to_builtins(one)}
            for name, (one, runs) in services.items()
        },
    }
    blocks: list[Block] = [_kill_switch_table(state, now_ns)]
    if services:
        blocks.append(_services_table(services, now_ns))
    if desk is None:
        blocks.append(TextBlock(f"no desk ever traded through {broker!r} in this home"))
        return View(document, blocks), state.active
    blocks += [
        _desk_table(desk, _process(desk, running=running), now_ns),
        decisions_table(desk.approved, desk.denied),
        _limits_table(desk.limits),
        _strategies_table(desk),
    ]
    if desk.account is not None:
        blocks += positions_table(desk.account)
    blocks += [TextBlock(finding, style="yellow") for finding in desk.findings]
    if not running:
        blocks.append(
            TextBlock(f"this is what the desk said last, {_ago(desk.at_ns, now_ns)}", style="dim")
        )
    disabled = any(not one.loaded for one in desk.strategies)
    warned = state.active or desk.trading_state != "active" or disabled or bool(desk.findings)
    return View(document, blocks), warned


def service_view(desk: DeskStatus) -> View:
    """Return what one service did."""
    blocks: list[Block] = [
        _desk_table(desk, f"service {desk.service}, ended", desk.at_ns),
        decisions_table(desk.approved, desk.denied),
    ]
    return View(msgspec.to_builtins(desk), blocks)


def skipped_view(skipped: dict[str, str]) -> View:
    """Return which services did not start, and why."""
    rows = [(name, f"skipped ({reason})") for name, reason in skipped.items()]
    return View({"skipped": skipped}, [TableBlock(("service", "state"), rows)])


def kill_switch_view(state: KillSwitchState, answer: str | None = None) -> View:
    """Return the kill switch after it was set or cleared, and what the desk said to it."""
    blocks: list[Block] = [_kill_switch_table(state, state.since_ns)]
    if answer is not None:
        blocks.append(TextBlock(f"the desk: {answer}"))
    return View({"kill_switch": msgspec.to_builtins(state), "desk": answer}, blocks)


def flatten_view(broker: str, answer: str | None) -> View:
    """Return what the desk said to a request to flatten."""
    text = answer or "the desk has not answered yet; it will do it as soon as it can"
    return View({"broker": broker, "answer": answer}, [TextBlock(f"{broker}: {text}")])


def drill_view(result: DrillResult) -> View:
    """Return the times of a kill-switch drill."""
    document = {**msgspec.to_builtins(result), "passed": result.passed}
    rows: list[tuple[Cell | str, Cell | str]] = [
        ("rounds", f"{result.rounds:,}"),
        ("orders sent", f"{result.orders:,}"),
        ("from command to last order, p50", _microseconds(result.p50_us)),
        ("p99", _microseconds(result.p99_us)),
        ("longest", _microseconds(result.max_us)),
        ("orders after it was seen", Cell(str(result.orders_after), _alarm(result.orders_after))),
    ]
    return View(document, [TableBlock(("kill switch drill", "value"), rows, right=_RIGHT)])


def runs_view(records: list[RunRecord]) -> View:
    """Return the trading runs, the newest first."""
    rows = [
        (
            one.run_id,
            one.broker,
            _fed(one.fed),
            ", ".join(one.strategies) or "none",
            f"{one.ticks:,}",
            f"{one.signals:,}",
            "ended" if one.ended_at else Cell("running or killed", "yellow"),
        )
        for one in reversed(records)
    ]
    columns = ("run", "broker", "fed with", "strategies", "ticks", "signals", "state")
    document = {"runs": [msgspec.to_builtins(one) for one in reversed(records)]}
    return View(document, [TableBlock(columns, rows, right=_RIGHT)])


def replay_view(comparison: Comparison) -> View:
    """Return how a replay compares with its run."""
    document = {**msgspec.to_builtins(comparison), "same": comparison.same}
    rows: list[tuple[Cell | str, Cell | str]] = [
        ("run", comparison.run_id),
        ("decisions", f"{comparison.decisions:,}"),
        ("that differ", Cell(f"{comparison.differing:,}", _alarm(comparison.differing))),
        ("executions", f"{comparison.executions:,}"),
        (
            "that differ",
            Cell(f"{comparison.executions_differing:,}", _alarm(comparison.executions_differing)),
        ),
        ("changed strategies", ", ".join(comparison.changed_parameters) or "none"),
    ]
    blocks: list[Block] = [TableBlock(("replay", "value"), rows, right=_RIGHT)]
    if comparison.differences:
        columns = ("difference", "strategy", "symbol", "tick", "before", "now")
        table = [
            (
                one.kind,
                one.strategy_id,
                one.symbol,
                iso_from_ns(one.tick_time_ns)[:19],
                one.was or "-",
                one.now or "-",
            )
            for one in comparison.differences
        ]
        blocks.append(TableBlock(columns, table))
    return View(document, blocks)


def _kill_switch_table(state: KillSwitchState, now_ns: int) -> TableBlock:
    word = Cell("SET: nothing is traded", "bold red") if state.active else Cell("clear", "green")
    rows: list[tuple[Cell | str, Cell | str]] = [("state", word)]
    if state.reason:
        since = f"{iso_from_ns(state.since_ns)[:19]}Z"
        if now_ns - state.since_ns >= NS_PER_SECOND:
            since += f" ({_ago(state.since_ns, now_ns)})"
        rows += [("by", state.by), ("since", since), ("reason", state.reason)]
    if not state.readable:
        rows.append(("evidence", Cell(state.evidence, "red")))
    return TableBlock(("kill switch", "value"), rows)


def _process(desk: DeskStatus, *, running: bool) -> Cell:
    if running:
        return Cell(f"running, process {desk.pid}", "green")
    return Cell("not running", "yellow")


def _desk_table(desk: DeskStatus, where: Cell | str, now_ns: int) -> TableBlock:
    word = Cell(desk.trading_state, "" if desk.trading_state == "active" else "yellow")
    newest = "-" if desk.last_event_ns is None else _ago(desk.last_event_ns, now_ns)
    rows: list[tuple[Cell | str, Cell | str]] = [
        ("desk", where),
        ("run", desk.run_id),
        ("trading state", word),
        ("ticks", f"{desk.ticks:,} (the newest {newest})"),
        ("signals", f"{desk.signals:,}"),
        ("orders", f"{desk.orders:,} ({desk.working:,} working)"),
        ("fills and settlements", f"{desk.fills:,}"),
    ]
    if desk.account is not None:
        rows += account_rows(desk.account)
    rows.append(("audit", f"{desk.audit_trail}, head {desk.audit_head[:16]}"))
    return TableBlock((desk.broker, "value"), rows, right=_RIGHT)


def _together(services: Mapping[str, tuple[DeskStatus, bool]]) -> DeskStatus:
    """Return what the service risk says, with what only the others know."""
    risk = services["risk"][0]
    broker, strategy = (services.get(name, (risk, False))[0] for name in ("broker", "strategy"))
    return msgspec.structs.replace(
        risk,
        orders=broker.orders,
        fills=broker.fills,
        working=broker.working,
        strategies=strategy.strategies,
    )


def _services_table(services: Mapping[str, tuple[DeskStatus, bool]], now_ns: int) -> TableBlock:
    rows = [
        (
            name,
            Cell(f"running, process {one.pid}", "green") if runs else Cell("not running", "yellow"),
            f"{one.ticks:,}",
            f"{one.signals:,}",
            f"{one.approved:,}",
            f"{one.orders:,}",
            _ago(one.at_ns, now_ns),
        )
        for name, (one, runs) in services.items()
    ]
    columns = ("service", "state", "ticks", "signals", "approved", "orders", "said")
    return TableBlock(columns, rows, right=_RIGHT | {"approved", "orders"})


def _limits_table(limits: list[LimitReading]) -> TableBlock:
    rows = [
        (
            Cell(one.name, "" if one.passed else "red"),
            _figure(one.value),
            _figure(one.threshold),
        )
        for one in limits
    ]
    return TableBlock(("limit", "value", "threshold"), rows, right=_RIGHT)


def _strategies_table(desk: DeskStatus) -> TableBlock:
    rows = [
        (
            one.strategy_id,
            Cell("loaded", "green") if one.loaded else Cell("disabled", "red"),
            f"{one.signals:,}",
            one.why,
        )
        for one in desk.strategies
    ]
    return TableBlock(("strategy", "state", "signals", "why"), rows, right=_RIGHT)


def _fed(fed: Fed) -> str:
    if fed.dataset is None:
        return f"topic {fed.topic}"
    span = [iso_from_ns(at)[:10] if at else "" for at in (fed.start_ns, fed.end_ns)]
    return fed.dataset + (f" {span[0]}..{span[1]}" if any(span) else "")


def _microseconds(value: float) -> str:
    return "no order after it" if value < 1 else f"{value:,.0f} µs"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:,.6g}"


def _ago(at_ns: int, now_ns: int) -> str:
    return f"{duration_text((now_ns - at_ns) / NS_PER_SECOND)} ago"


def _alarm(count: int) -> str:
    return "red" if count else "green"
