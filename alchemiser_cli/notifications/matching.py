"""Which alerts are meant: by severity, code, component, kind and fingerprint."""

from collections.abc import Iterator

import msgspec

from alchemiser_cli.notifications.alert import Alert, AlertKind, Level

__all__ = ["Matcher"]


class Matcher(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The alerts that a policy or a silence is about.

    An alert is meant when each field that is given holds one of its values; a field that is empty
    asks for nothing. A code, component or fingerprint that ends in ``*`` stands for all with that
    beginning: ``feed:*`` is every feed. Case counts.
    """

    severity: tuple[Level, ...] = ()
    code: tuple[str, ...] = ()
    component: tuple[str, ...] = ()
    kind: tuple[AlertKind, ...] = ()
    fingerprint: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether it asks for nothing, so that every alert is meant."""
        return self == Matcher()

    def matches(self, alert: Alert) -> bool:
        """Tell whether ``alert`` is meant."""
        return (
            (not self.severity or alert.severity in self.severity)
            and (not self.kind or alert.kind in self.kind)
            and _one_of(self.code, alert.code)
            and _one_of(self.component, alert.component)
            and _one_of(self.fingerprint, alert.fingerprint)
        )

    def problems(self) -> Iterator[str]:
        """Yield, as parts of sentences, what is wrong with names that could be written better."""
        for field in ("code", "component", "fingerprint"):
            for name in getattr(self, field):
                if not name.strip():
                    yield f"{field} holds an empty name"
                elif "*" in name[:-1]:
                    yield f"{field} {name!r} has a * that is not at its end"
                elif name == "*":
                    yield f"{field} '*' asks for nothing: leave {field} out"


def _one_of(names: tuple[str, ...], found: str) -> bool:
    return not names or any(
        found.startswith(name[:-1]) if name.endswith("*") else found == name for name in names
    )
