"""The embedded Kafka that is being served."""

import msgspec

from alchemiser_cli.render.blocks import TableBlock, TextBlock, View
from alchemiser_cli.streaming import ServedBroker

__all__ = ["serving_view"]


def serving_view(served: ServedBroker) -> View:
    """Return where the cluster is and how to look at it."""
    rows = [
        ("bootstrap", served.bootstrap),
        ("process", str(served.pid)),
        ("topics", ", ".join(served.topics)),
        ("look", f"kcat -L -b {served.bootstrap.split(',')[0]}"),
    ]
    return View(
        msgspec.to_builtins(served),
        [
            TableBlock(("embedded Kafka", ""), rows),
            TextBlock("Other commands with this home find it. Ctrl-C stops it.", style="dim"),
        ],
    )
