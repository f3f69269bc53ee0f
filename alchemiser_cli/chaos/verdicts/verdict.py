"""The verdict on an experiment: a finding a question, a question a fault."""

from typing import Literal

import msgspec

__all__ = ["FaultVerdict", "Finding", "Question", "Verdict"]

Question = Literal[
    "struck",
    "detected",
    "journalled",
    "reacted",
    "told",
    "steady",
    "lost",
    "twice",
    "availability",
    "hypothesis",
]
"""``struck``: a fault that never struck proves nothing."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One answer: what was expected, what was seen, after how many seconds (where that is asked).

    ``defence`` names what a failed answer accuses.
    """

    question: Question
    expected: str
    observed: str
    passed: bool
    defence: str = ""
    after_s: float | None = None


class FaultVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """All answers on one fault; ``fault`` is how it was asked for, as in ``kill`` or ``disk-full``.

    ``strikes`` is how often it struck, over all processes.
    """

    target: str
    fault: str
    lease: str
    strikes: int
    began_ns: int
    ended_ns: int
    findings: list[Finding]

    @property
    def passed(self) -> bool:
        """Tell whether every answer is as expected."""
        return all(finding.passed for finding in self.findings)


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on an experiment; ``findings`` are those that belong to no single fault."""

    faults: list[FaultVerdict]
    findings: list[Finding]

    @property
    def passed(self) -> bool:
        """Tell whether everything is as expected, of at least one question."""
        asked = [*self.findings, *(one for fault in self.faults for one in fault.findings)]
        return bool(asked) and all(finding.passed for finding in asked)

    @property
    def accused(self) -> list[str]:
        """Return the defences that failed answers accuse, each once."""
        asked = [*self.findings, *(one for fault in self.faults for one in fault.findings)]
        return list(dict.fromkeys(one.defence or one.question for one in asked if not one.passed))
