"""What error handling costs, with chaos off and on."""

import msgspec

from alchemiser_cli.chaos.measure import ErrorHandlingCost
from alchemiser_cli.render.blocks import TableBlock, View

__all__ = ["error_handling_view"]


def error_handling_view(cost: ErrorHandlingCost) -> View:
    """Return the cost of a capture beside that of a log record, and what breakable places cost."""
    off, on, points = cost.off, cost.on, cost.points
    rows = [
        ("capture, median", off.capture_us, on.capture_us, "µs"),
        ("capture, 99 of 100", off.capture_p99_us, on.capture_p99_us, "µs"),
        ("capture of a critical error, written through", off.critical_us, on.critical_us, "µs"),
        ("logging to a file, median", off.logging_us, on.logging_us, "µs"),
        ("guarded call", points.guarded_us, points.guarded_armed_us, "µs"),
        ("fault point that does not strike", points.off_ns, points.armed_ns, "ns"),
        ("error: by hand, injected", points.raise_us, points.strike_us, "µs"),
    ]
    table = TableBlock(
        ("figure", "chaos off", "chaos on"),
        [(name, f"{one:.1f} {unit}", f"{other:.1f} {unit}") for name, one, other, unit in rows],
        right=frozenset({"chaos off", "chaos on"}),
    )
    dropped = TableBlock(
        ("figure", "value"),
        [("dropped", str(off.dropped + on.dropped))],
        right=frozenset({"value"}),
    )
    document = msgspec.to_builtins(off)
    document |= {"chaos_on": msgspec.to_builtins(on), "points": msgspec.to_builtins(points)}
    return View(document, [table, dropped])
