"""One segment in full: its state, slots, readers, tensors, and what to do."""

from alchemiser_cli.clock import duration_text, iso_from_ns
from alchemiser_cli.render.blocks import Block, Cell, TableBlock, TextBlock, View
from alchemiser_cli.render.foreign_text import printable
from alchemiser_cli.render.segment_words import VERDICTS, freshness_cell, size_text, writer_cell
from alchemiser_cli.shm import Diagnosis, Header, ReaderSeen, SlotReport

__all__ = ["inspect_view", "reader_rows", "writer_row"]

SHOWN_TENSORS = 30
_RIGHT = frozenset({"generation", "lag", "retries", "failures", "refusals", "norm", "NaN", "step"})
NS_PER_SECOND = 1_000_000_000


def inspect_view(one: Diagnosis) -> View:
    """Return all that is known of a segment."""
    blocks: list[Block] = [TableBlock(("segment", printable(one.facts.name)), _state(one))]
    blocks += [block for block in (_slots(one), _readers(one), _tensors(one)) if block.rows]
    judgement = one.judgement
    lines = [printable(finding) for finding in judgement.findings]
    style = VERDICTS[judgement.verdict].style
    if lines:
        blocks.append(TextBlock("Found:\n" + "\n".join(f"  {line}" for line in lines), style=style))
    blocks.append(TextBlock(f"Next: {judgement.next_step}"))
    return View(_document(one), blocks)


def writer_row(one: Diagnosis) -> dict[str, object]:
    """Return the writer as JSON shows it."""
    writer = one.writer
    return {
        "pid": writer.pid,
        "alive": writer.alive,
        "evidence": writer.evidence,
        "holds_lease": writer.holds_lease,
        "silence_s": writer.silence_s,
    }


def reader_rows(one: Diagnosis) -> list[dict[str, object]]:
    """Return the readers as JSON shows them; ``lag`` is in generations."""
    return [
        {
            "pid": reader.pid,
            "alive": reader.alive,
            "evidence": reader.evidence,
            "generation": reader.generation,
            "lag": _lag(one, reader),
            "retries": reader.retries,
            "checksum_failures": reader.checksum_failures,
            "refusals": reader.refusals,
            "silence_s": _silence_s(one, reader),
        }
        for reader in one.facts.readers
    ]


def _document(one: Diagnosis) -> dict[str, object]:
    facts, judgement = one.facts, one.judgement
    source = facts.provenance
    head = None if facts.published is None else facts.published.head
    return {
        "name": facts.name,
        "verdict": judgement.verdict,
        "state": one.freshness,
        "header": _header(one),
        "generation": facts.generation,
        "age_s": facts.age_s,
        "bytes": facts.size,
        "mode": f"{facts.mode:04o}",
        "owner": facts.owner,
        "publishes": facts.publishes,
        "takeovers": facts.takeovers,
        "repairs": facts.repairs,
        "slots": [_slot(slot) for slot in facts.slots],
        "writer": writer_row(one),
        "readers": reader_rows(one),
        "tensors": facts.tensors,
        "provenance": {
            "training_run": source.training_run if source else "",
            "data_hash": source.data_hash if source else "",
            "git_revision": source.git_revision if source else "",
            "step": head.step if head else None,
        },
        "findings": judgement.findings,
        "next_step": judgement.next_step,
    }


def _header(one: Diagnosis) -> dict[str, object]:
    facts = one.facts
    header = facts.header
    said: dict[str, object] = {"problem": facts.problem, "spare": facts.spare_header is not None}
    if header is None:
        return said
    return said | {
        "layout_version": header.layout_version,
        "bytes": header.size,
        "slots": header.slot_count,
        "slot_bytes": header.slot_stride,
        "created_at": iso_from_ns(header.created_ns),
        "kind": header.manifest.kind,
        "record": header.manifest.record,
        "capacity": header.manifest.capacity,
        "schema_hash": _hex(header.schema_hash),
        "observation_hash": _hex(header.observation_hash),
        "incarnation": _hex(header.incarnation),
    }


def _state(one: Diagnosis) -> list[tuple[str, Cell | str]]:
    facts, writer = one.facts, one.writer
    silence = (
        "" if writer.silence_s is None else f", last sign {duration_text(writer.silence_s)} ago"
    )
    rows: list[tuple[str, Cell | str]] = [
        ("verdict", VERDICTS[one.judgement.verdict]),
        ("state", freshness_cell(one.freshness)),
        ("generation", "-" if facts.generation is None else f"{facts.generation:,}"),
        ("age", "-" if facts.age_s is None else duration_text(facts.age_s)),
        ("writer", writer_cell(writer)),
        ("evidence", printable(writer.evidence + silence)),
        ("size", size_text(facts.size)),
        ("mode, owner", f"{facts.mode:04o}, user {facts.owner}"),
    ]
    if facts.header is not None:
        rows += _described(facts.header)
    counts = (facts.publishes, facts.takeovers, facts.repairs)
    rows.append(("counted", "{:,} published, {:,} taken over, {:,} repaired".format(*counts)))
    source = facts.provenance
    if source is not None:
        told = (source.training_run, source.data_hash, source.git_revision)
        rows.append(("from", printable(" ".join(part for part in told if part) or "-")))
    return rows


def _described(header: Header) -> list[tuple[str, Cell | str]]:
    manifest = header.manifest
    held = (
        f"{len(manifest.tensors)} tensor{'s' * (len(manifest.tensors) != 1)}"
        if manifest.kind == "weights"
        else f"records of {printable(manifest.record)}"
    )
    observed = _hex(header.observation_hash) or "not said"
    return [
        ("created", iso_from_ns(header.created_ns)[:19] + "Z"),
        ("holds", f"{held}, up to {size_text(manifest.capacity)}"),
        ("schema", f"{_hex(header.schema_hash)}, observations {observed}"),
    ]


def _slots(one: Diagnosis) -> TableBlock:
    published = one.facts.published
    rows = [
        (
            str(slot.index) + (" *" if slot is published else ""),
            "-" if slot.generation is None else f"{slot.generation:,}",
            slot.state,
            _checksum(slot),
            "-" if slot.head is None else f"{slot.head.step:,}",
            "-" if slot.head is None else iso_from_ns(slot.head.published_ns)[:19] + "Z",
        )
        for slot in one.facts.slots
    ]
    columns = ("slot", "generation", "state", "checksum", "step", "written")
    return TableBlock(columns, rows, title="Slots (* published)", right=_RIGHT)


def _readers(one: Diagnosis) -> TableBlock:
    rows = [
        (
            str(reader.pid),
            _ALIVE[reader.alive],
            f"{reader.generation:,}",
            f"{_lag(one, reader):,}",
            f"{reader.retries:,}",
            f"{reader.checksum_failures:,}",
            f"{reader.refusals:,}",
        )
        for reader in one.facts.readers
    ]
    columns = ("reader", "alive", "generation", "lag", "retries", "failures", "refusals")
    return TableBlock(columns, rows, title="Readers", right=_RIGHT)


def _tensors(one: Diagnosis) -> TableBlock:
    found = one.facts.tensors
    rows = [
        (
            printable(each.name),
            each.dtype,
            "x".join(map(str, each.shape)) or "scalar",
            f"{each.norm:.6g}",
            Cell(str(each.nan_count), "bold red" if each.nan_count else ""),
        )
        for each in found[:SHOWN_TENSORS]
    ]
    more = len(found) - len(rows)
    title = "Tensors" + (f" (the first {SHOWN_TENSORS} of {len(found)})" if more else "")
    return TableBlock(("tensor", "dtype", "shape", "norm", "NaN"), rows, title=title, right=_RIGHT)


_ALIVE = {True: Cell("yes", "green"), False: Cell("no", "yellow"), None: Cell("unknown", "yellow")}


def _checksum(slot: SlotReport) -> Cell:
    if slot.checksum_ok is None:
        return Cell("-", "dim")
    return Cell("right", "green") if slot.checksum_ok else Cell("WRONG", "bold red")


def _slot(slot: SlotReport) -> dict[str, object]:
    head = slot.head
    return {
        "index": slot.index,
        "generation": slot.generation,
        "state": slot.state,
        "checksum_ok": slot.checksum_ok,
        "step": None if head is None else head.step,
        "published_at": None if head is None else iso_from_ns(head.published_ns),
    }


def _lag(one: Diagnosis, reader: ReaderSeen) -> int:
    return max(0, (one.facts.generation or 0) - reader.generation)


def _silence_s(one: Diagnosis, reader: ReaderSeen) -> float | None:
    if not 0 < reader.heartbeat_ns <= one.facts.looked_ns:
        return None
    return (one.facts.looked_ns - reader.heartbeat_ns) / NS_PER_SECOND


def _hex(value: int) -> str | None:
    return f"{value:016x}" if value else None
