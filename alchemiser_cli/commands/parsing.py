"""Values of options that Typer has no type for."""

from alchemiser_cli.errors import UsageError

__all__ = ["column_mapping", "replay_speed"]


def replay_speed(text: str) -> float | None:
    """Read ``max`` as None and a positive number as the multiple of real time.

    Raises:
        UsageError: ``usage``.
    """
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise UsageError(
            f"{text!r} is not a speed",
            why="A speed is `max`, or how many times faster than real time to replay.",
            next_step="For example: --speed max, or --speed 3600 for an hour a second.",
        )
    return speed


def column_mapping(pairs: list[str]) -> dict[str, str]:
    """Read ``FIELD=COLUMN`` pairs.

    Raises:
        UsageError: ``usage``.
    """
    mapping = {}
    for pair in pairs:
        name, equals, column = pair.partition("=")
        if not equals or not name:
            raise UsageError(
                f"--column {pair!r} is not FIELD=COLUMN",
                why="A column is mapped by the field that it holds.",
                next_step="For example: --column price=Last --column time=Stamp",
            )
        mapping[name] = column
    return mapping
