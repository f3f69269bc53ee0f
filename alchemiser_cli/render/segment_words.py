"""How verdicts, ages, sizes and writers of segments look."""

from alchemiser_cli.render.blocks import Cell
from alchemiser_cli.shm import State, Verdict, WriterSeen

__all__ = ["VERDICTS", "freshness_cell", "size_text", "writer_cell"]

VERDICTS: dict[Verdict, Cell] = {
    "healthy": Cell("healthy", "green"),
    "degraded": Cell("degraded", "yellow"),
    "corrupt": Cell("corrupt", "bold red"),
    "orphan": Cell("orphan", "yellow"),
}
_STATES: dict[State, str] = {"fresh": "green", "stale": "yellow", "expired": "bold red"}
_UNITS = ((1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB"))


def freshness_cell(state: State) -> Cell:
    """Return the word for how fresh the weights are."""
    return Cell(state, _STATES[state])


def size_text(size: int) -> str:
    """Return ``size`` bytes in their largest fitting unit of a thousand."""
    for unit, name in _UNITS:
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size} B"


def writer_cell(writer: WriterSeen) -> Cell:
    """Return the writer's process and whether it lives."""
    if writer.pid is None:
        return Cell("unknown, has lease" if writer.holds_lease else "none", "dim")
    if writer.holds_lease:
        return Cell(f"{writer.pid} alive", "green")
    if writer.alive is None:
        return Cell(f"{writer.pid} unknown", "yellow")
    return Cell(f"{writer.pid} idle" if writer.alive else f"{writer.pid} gone", "dim")
