"""A proxy that runs: where to connect to, and how to break it."""

from alchemiser_cli.render.blocks import TableBlock, TextBlock, View

__all__ = ["proxy_view"]


def proxy_view(target: str, listening: str, service: str) -> View:
    """Return the way through the proxy, and the command that breaks it."""
    rows = [
        ("target", target),
        ("connect clients to", listening),
        ("service", service),
        ("break it", f"alchemiser chaos inject {target} delay --amount 0.2 --duration 60"),
    ]
    return View(
        {"target": target, "listen": listening, "to": service},
        [
            TableBlock(("proxy", ""), rows),
            TextBlock("Faults of this home reach it. Ctrl-C stops it.", style="dim"),
        ],
    )
