"""Counts in words, as verdicts say them."""

__all__ = ["counted", "times"]


def times(count: int) -> str:
    """Say how often: never, once, 3 times."""
    return {0: "never", 1: "once"}.get(count, f"{count:,} times")


def counted(count: int, noun: str) -> str:
    """Say how many, of a noun that takes an s: 1 message, 3 messages."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
