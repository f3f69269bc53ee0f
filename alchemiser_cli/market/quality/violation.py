"""Why a tick is implausible: the rule that it breaks, with the rule's numbers."""

import msgspec

__all__ = ["Violation"]


class Violation(msgspec.Struct, frozen=True):
    """One broken rule: its name, a sentence for people, and the numbers that broke it.

    ``numbers`` may hold NaN and infinities: they are what ``non-finite`` is about.
    """

    rule: str
    detail: str
    numbers: dict[str, float]
