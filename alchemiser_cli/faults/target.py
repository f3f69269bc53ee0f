"""What can be broken: a target, and what it can do."""

import msgspec

from alchemiser_cli.faults.fault import FaultKind

__all__ = ["FaultTarget"]


class FaultTarget(msgspec.Struct, frozen=True, kw_only=True):
    """One target of faults, as ``chaos list`` shows it.

    ``errors`` are the codes that it may raise, ``resources`` what can be denied there,
    ``answers`` the errors of a protocol, ``kinds`` what else it can do. ``is_condition`` tells of
    a state that is brought about and healed, unlike a place in the code that is passed.
    """

    name: str
    summary: str
    errors: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    kinds: tuple[FaultKind, ...] = ()
    is_condition: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        """Return all that may be asked of it, as ``chaos inject TARGET WORD`` takes it."""
        return (*self.errors, *self.resources, *self.answers, *(str(kind) for kind in self.kinds))

    def kind_of(self, word: str) -> FaultKind | None:
        """Return the kind of fault that ``word`` asks for, or None where the target cannot."""
        if word in self.errors:
            return FaultKind.RAISE
        if word in self.resources:
            return FaultKind.DENY
        if word in self.answers:
            return FaultKind.ANSWER
        return next((kind for kind in self.kinds if kind == word), None)
