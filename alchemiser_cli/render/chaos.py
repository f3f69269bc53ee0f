"""Chaos: what can be broken, what is broken now, by whom and until when."""

from collections.abc import Sequence
from typing import Any

import msgspec

from alchemiser_cli.chaos.control import ChaosStanding, LeaseStanding
from alchemiser_cli.chaos.leases import Lease
from alchemiser_cli.clock import NS_PER_SECOND, duration_text, iso_from_ns
from alchemiser_cli.errors import error_class
from alchemiser_cli.faults import RESOURCES, Fault, FaultKind, FaultTarget
from alchemiser_cli.render.blocks import Block, Cell, TableBlock, TextBlock, View
from alchemiser_cli.render.foreign_text import printable

__all__ = ["injected_view", "standing_view", "stopped_view", "target_view", "targets_view"]

SHORT_ID = 8

_KINDS = {
    FaultKind.DELAY: "it takes --amount seconds longer",
    FaultKind.HANG: "it does not go on before the fault ends",
    FaultKind.CORRUPT: "the data is spoiled",
    FaultKind.DROP: "it is lost",
    FaultKind.DUPLICATE: "it comes twice",
    FaultKind.KILL: "the process that passes is killed",
    FaultKind.SKEW: "the wall clock is wrong by --amount seconds",
    FaultKind.DOWN: "connections are closed and refused",
    FaultKind.MOVE: "partitions change their leader",
    FaultKind.DELETE: "the oldest --amount records are lost",
    FaultKind.THROTTLE: "at most --amount bytes a second pass",
    FaultKind.RESET: "connections are reset",
    FaultKind.HALF_CLOSE: "one direction of connections ends",
}


def targets_view(targets: Sequence[FaultTarget]) -> View:
    """Return all targets and what each can do."""
    document = {"targets": [_target(one) for one in targets]}
    rows = [(Cell(one.name, "bold"), one.summary, ", ".join(one.words)) for one in targets]
    hint = "A proxy of yours is a target too: proxy.NAME. See one: alchemiser chaos list TARGET"
    return View(
        document,
        [TableBlock(("target", "what it is", "can do"), rows), TextBlock(hint, style="dim")],
    )


def target_view(target: FaultTarget) -> View:
    """Return one target, and what each of its words does."""
    rows = [(Cell(word, "bold"), *_meaning(target, word)) for word in target.words]
    return View(
        _target(target),
        [
            TextBlock(f"{target.name}: {target.summary}"),
            TableBlock(("error", "kind", "what happens"), rows),
        ],
    )


def injected_view(lease: Lease, poll_s: float) -> View:
    """Return a lease that was just taken; processes look for it every ``poll_s`` seconds."""
    text = (
        f"{lease.target}: {_fault(lease.fault)}, from {_moment(lease.begins_ns)} to "
        f"{_moment(lease.ends_ns)} UTC, as {lease.id[:SHORT_ID]}.\n"
        f"Every running process of the {lease.environment} environment notices within "
        f"{poll_s:g} s. End it before: alchemiser chaos stop {lease.target}"
    )
    return View(_lease(lease), [TextBlock(text)])


def stopped_view(ended: Sequence[LeaseStanding]) -> View:
    """Return the leases that were just ended."""
    document = {"ended": [_standing(one) for one in ended]}
    if not ended:
        return View(document, [TextBlock("No fault was in force.", style="green")])
    lines = [
        f"{one.lease.target}: {_fault(one.lease.fault)} is over; it struck {_count(one):,} times."
        for one in ended
    ]
    return View(document, [TextBlock("\n".join(lines))])


def standing_view(found: ChaosStanding, taken_back: Sequence[str] = ()) -> View:
    """Return what is broken on purpose now, experiments under way, and what is over.

    ``taken_back`` says what was done about experiments whose runner is dead; it was told already.
    """
    document = {
        "at": iso_from_ns(found.at_ns),
        "in_force": [
            _standing(one) | {"remaining_s": round(one.lease.remaining_s(found.at_ns), 3)}
            for one in found.in_force
        ],
        "past": [_standing(one) for one in found.past],
        "experiments": [msgspec.to_builtins(one) for one in found.runs],
        "taken_back": list(taken_back),
        "troubles": found.troubles,
    }
    blocks: list[Block] = []
    if found.in_force:
        rows = [
            (*_cells(one), _remains(one.lease, found.at_ns), *_who(one)) for one in found.in_force
        ]
        columns = ("id", "target", "fault", "remains", "by", "strikes", "struck in", "reason")
        blocks.append(TableBlock(columns, rows, right=frozenset({"strikes"})))
    else:
        blocks.append(TextBlock("Nothing is broken on purpose.", style="green"))
    if found.runs:
        blocks.append(_runs(found))
    if found.past:
        rows = [(*_cells(one), _over(one.lease), *_who(one)) for one in found.past]
        columns = ("id", "target", "fault", "ended", "by", "strikes", "struck in", "reason")
        blocks.append(TableBlock(columns, rows, title="over", right=frozenset({"strikes"})))
    if found.troubles:
        lines = "\n".join(f"  {printable(one)}" for one in found.troubles)
        blocks.append(TextBlock(f"Not all could be written down:\n{lines}", style="red"))
    return View(document, blocks)


def _runs(found: ChaosStanding) -> TableBlock:
    rows = [
        (
            Cell(one.id[:SHORT_ID], "bold"),
            printable(one.title),
            one.state,
            duration_text((found.at_ns - one.started_ns) / NS_PER_SECOND),
            printable(one.owner),
            one.process,
        )
        for one in found.runs
    ]
    return TableBlock(("id", "experiment", "state", "for", "by", "process"), rows)


def _meaning(target: FaultTarget, word: str) -> tuple[str, str]:
    kind = target.kind_of(word)
    if kind is FaultKind.RAISE:
        error = error_class(word)
        says = (error.__doc__ or "").splitlines()[0] if error is not None else ""
        return "error", says
    if kind is FaultKind.DENY:
        return "resource", RESOURCES[word]
    if kind is FaultKind.ANSWER:
        return "answer", "the broker answers with this error of the protocol"
    return "kind", _KINDS[kind] if kind is not None else ""


def _fault(fault: Fault) -> str:
    """Say what a fault does, with all that limits it."""
    said = [fault.word or str(fault.kind)]
    if fault.amount:
        said.append(f"amount {fault.amount:g}")
    if fault.probability < 1:
        said.append(f"p {fault.probability:g}")
    if fault.count is not None:
        said.append(f"at most {fault.count:,} times")
    if fault.every_s is not None:
        said.append(f"{fault.active_s:g} of every {fault.every_s:g} s")
    return ", ".join(said)


def _cells(one: LeaseStanding) -> tuple[Cell, str, str]:
    drill = " (drill)" if one.lease.drill else ""
    lease = one.lease
    return Cell(lease.id[:SHORT_ID], "bold"), lease.target, f"{_fault(lease.fault)}{drill}"


def _who(one: LeaseStanding) -> tuple[str, str, str, str]:
    places = ", ".join(f"{place.process} ({place.count:,})" for place in one.strikes)
    reason = printable(one.lease.reason) or "-"
    return printable(one.lease.owner), f"{_count(one):,}", printable(places) or "-", reason


def _remains(lease: Lease, now_ns: int) -> str:
    if lease.begins_ns > now_ns:
        return f"begins in {duration_text((lease.begins_ns - now_ns) / NS_PER_SECOND)}"
    return duration_text(lease.remaining_s(now_ns))


def _over(lease: Lease) -> str:
    return f"{_moment(lease.ended_ns or lease.ends_ns)} by {printable(lease.ended_by or '')}"


def _count(one: LeaseStanding) -> int:
    return sum(place.count for place in one.strikes)


def _moment(at_ns: int) -> str:
    return iso_from_ns(at_ns)[:19].replace("T", " ")


def _target(target: FaultTarget) -> dict[str, Any]:
    return {
        "name": target.name,
        "summary": target.summary,
        "condition": target.is_condition,
        "errors": list(target.errors),
        "resources": list(target.resources),
        "answers": list(target.answers),
        "kinds": [str(kind) for kind in target.kinds],
    }


def _lease(lease: Lease) -> dict[str, Any]:
    fault = lease.fault
    return {
        "id": lease.id,
        "target": lease.target,
        "environment": lease.environment,
        "owner": lease.owner,
        "kind": str(fault.kind),
        "error": lease.word,
        "amount": fault.amount,
        "probability": fault.probability,
        "count": fault.count,
        "every_s": fault.every_s,
        "active_s": fault.active_s,
        "seed": fault.seed,
        "reason": lease.reason,
        "drill": lease.drill,
        "experiment": lease.run,
        "at": iso_from_ns(lease.at_ns),
        "begins": iso_from_ns(lease.begins_ns),
        "ends": iso_from_ns(lease.ends_ns),
        "ended": None if lease.ended_ns is None else iso_from_ns(lease.ended_ns),
        "ended_by": lease.ended_by,
    }


def _standing(one: LeaseStanding) -> dict[str, Any]:
    strikes = [
        {
            "process": place.process,
            "count": place.count,
            "first": iso_from_ns(place.first_ns),
            "last": iso_from_ns(place.last_ns),
        }
        for place in one.strikes
    ]
    return _lease(one.lease) | {"strikes": strikes}
