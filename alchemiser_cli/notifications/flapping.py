"""Flapping: a trouble that comes and goes is kept open longer, so that it is not told each time."""

__all__ = ["FLAPPING_SPAN_S", "is_flapping", "keep_firing_factor"]

FLAPPING_SPAN_S = 3_600.0
FLAPPING_OPENINGS = 3
LARGEST_FACTOR = 8


def is_flapping(openings: int) -> bool:
    """Return whether ``openings`` within ``FLAPPING_SPAN_S`` seconds are too many."""
    return openings >= FLAPPING_OPENINGS


def keep_firing_factor(openings: int) -> int:
    """Return how many times longer an incident stays open: doubled at each opening, at most 8."""
    if not is_flapping(openings):
        return 1
    doublings = min(openings - FLAPPING_OPENINGS + 1, LARGEST_FACTOR)
    return min(LARGEST_FACTOR, 1 << doublings)
