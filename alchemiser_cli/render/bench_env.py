"""What the benchmark of the environments measured."""

from typing import TYPE_CHECKING

import msgspec

from alchemiser_cli.render.blocks import TableBlock, View

if TYPE_CHECKING:
    from alchemiser_cli.rl.measure import EnvironmentSpeed

__all__ = ["environments_view"]


def environments_view(speed: "EnvironmentSpeed") -> View:
    """Return the steps a second of each environment, and how often the ordinary one's that is."""
    rows = [
        ("ordinary", f"{speed.ordinary_per_s:,.0f}", "1.0"),
        ("single", f"{speed.single_per_s:,.0f}", f"{speed.single_ratio:.1f}"),
        (
            f"{speed.environments} side by side",
            f"{speed.vectorised_per_s:,.0f}",
            f"{speed.vectorised_ratio:.1f}",
        ),
    ]
    columns = ("environment", "steps a second", "to ordinary")
    title = f"Medians of {speed.rounds} {'round' if speed.rounds == 1 else 'rounds'}, by turns"
    return View(
        msgspec.to_builtins(speed),
        [TableBlock(columns, rows, title=title, right=frozenset(columns[1:]))],
    )
