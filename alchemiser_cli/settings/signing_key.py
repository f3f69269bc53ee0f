"""The key that lasting signatures are made with."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alchemiser_cli.settings.resolve import Resolved

__all__ = ["lasting_signing_key"]


def lasting_signing_key(resolved: "Resolved") -> bytes | None:
    """Return the signing key that was set, or None.

    Outside production a key is made for each process where none is set. What that one signs
    nobody could verify later, so that it must not sign an audit trail.
    """
    key = resolved.settings.signing.key
    if key is None or resolved.origin(("signing", "key")).startswith("transient"):
        return None
    return key.get_secret_value().encode()
