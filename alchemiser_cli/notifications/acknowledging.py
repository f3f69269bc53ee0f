"""Links that acknowledge one incident: signed, for a week, and good for nothing else."""

import base64
import hashlib
import hmac
import re
from typing import TYPE_CHECKING, Protocol

import msgspec

from alchemiser_cli.clock import NS_PER_SECOND, Clock, iso_from_ns
from alchemiser_cli.errors import AcknowledgementInvalidError
from alchemiser_cli.settings import HealthSettings
from alchemiser_cli.settings.policy import SIGNING_KEY_LENGTH
from alchemiser_cli.settings.signing_key import lasting_signing_key

if TYPE_CHECKING:
    from alchemiser_cli.settings.resolve import Resolved

__all__ = [
    "LIFETIME_S",
    "LONGEST_TOKEN",
    "PATH",
    "AcknowledgedIncident",
    "Acknowledgement",
    "Acknowledger",
    "acknowledging_key",
    "link",
    "token",
    "verified",
]

LIFETIME_S = 7 * 86_400
LONGEST_TOKEN = 256
PATH = "/ack/"

# Signatures of the audit trail are made with the same key: what is signed begins differently.
_PURPOSE = b"alchemiser acknowledgement 1\0"
_TOKEN = re.compile(r"([A-Za-z0-9_-]{1,192})\.([A-Za-z0-9_-]{43})")
_INCIDENT = re.compile(r"[A-Za-z0-9_-]{1,32}")
_CHANNEL = re.compile(r"[a-z0-9_]{1,64}")


class Acknowledgement(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a token allows: to acknowledge ``incident``, until ``expires_ns`` (UTC nanoseconds).

    ``channel`` is the one that the link was sent to.
    """

    incident: str
    channel: str
    expires_ns: int


def acknowledging_key(resolved: "Resolved") -> bytes | None:
    """Return the key that links are signed with, or None: then no links are made.

    It is the signing key of the settings. A transient one would sign links that nobody can verify,
    and of a short one every link would be a chance to guess it.
    """
    key = lasting_signing_key(resolved)
    return key if key is not None and len(key) >= SIGNING_KEY_LENGTH else None


def token(incident: str, channel: str, key: bytes, expires_ns: int) -> str:
    """Return the token that acknowledges ``incident`` until ``expires_ns`` (UTC nanoseconds).

    It is ``BODY.SIGNATURE`` in the URL-safe alphabet (RFC 4648, section 5, without padding): the
    incident, the channel and the expiry as a JSON list, and their HMAC-SHA256 (RFC 2104) under
    ``key``. It hides nothing.

    Raises:
        ValueError: for an incident or channel that cannot be called so.
    """
    if not (_INCIDENT.fullmatch(incident) and _CHANNEL.fullmatch(channel)):
        raise ValueError(f"no link is made for the incident {incident!r} and channel {channel!r}")
    body = _text(msgspec.json.encode(Acknowledgement(incident, channel, expires_ns)))
    return f"{body}.{_signature(body, key)}"


def verified(given: str, key: bytes, now_ns: int) -> Acknowledgement:
    """Return what ``given`` allows at ``now_ns`` (UTC nanoseconds).

    Nothing of it is read before its signature was found right, in a time that does not depend on
    where it is wrong.

    Raises:
        AcknowledgementInvalidError: ``acknowledgement-invalid``: it is no token of ours, or has
            expired; its context says which by ``expired``.
    """
    parts = _TOKEN.fullmatch(given) if len(given) <= LONGEST_TOKEN else None
    if parts is None or not hmac.compare_digest(_signature(parts[1], key), parts[2]):
        raise AcknowledgementInvalidError(
            "this link does not acknowledge anything",
            why="It is not whole, or was not signed with this system's key.",
            next_step="Open the link again from the message, or use `alchemiser notify ack ID`.",
            context={"expired": False},
        )
    found = msgspec.json.decode(_bytes(parts[1]), type=Acknowledgement)
    if now_ns >= found.expires_ns:
        raise AcknowledgementInvalidError(
            "this link has expired",
            why=f"It was good until {iso_from_ns(found.expires_ns)}.",
            next_step=f"Use `alchemiser notify ack {found.incident}`.",
            context={"expired": True, "incident": found.incident},
        )
    return found


def link(
    settings: HealthSettings, incident: str, channel: str, key: bytes | None, now_ns: int
) -> str | None:
    """Return the link for the message about ``incident`` in ``channel``.

    It leads to ``health.public_url``, where that is set, else to where `health serve` listens, and
    is good for ``LIFETIME_S`` from ``now_ns`` on. Without a key, or an address, it is None.

    Raises:
        ValueError: as for ``token``.
    """
    base_url = settings.base_url
    if key is None or base_url is None:
        return None
    signed = token(incident, channel, key, now_ns + LIFETIME_S * NS_PER_SECOND)
    return f"{base_url}{PATH}{signed}"


class AcknowledgedIncident(Protocol):
    """What of an incident is shown before and after it is acknowledged."""

    @property
    def id(self) -> str:
        """Its id."""
        ...

    @property
    def state(self) -> str:
        """``pending``, ``firing`` or ``resolved``."""
        ...

    @property
    def severity(self) -> str:
        """Its severity."""
        ...

    @property
    def code(self) -> str:
        """Its error code."""
        ...

    @property
    def component(self) -> str:
        """Where it happened."""
        ...

    @property
    def count(self) -> int:
        """How many failures it stands for."""
        ...

    @property
    def acknowledged_by(self) -> str | None:
        """Who acknowledged it, or None."""
        ...


class _Incidents(Protocol):
    def find(self, prefix: str) -> AcknowledgedIncident: ...

    def acknowledge(self, prefix: str, by: str) -> AcknowledgedIncident: ...


class Acknowledger:
    """Acknowledges by token: the incident in it, that one alone, and any number of times."""

    def __init__(self, incidents: _Incidents, key: bytes, clock: Clock) -> None:
        """Keep the store of the incidents, and the key of ``acknowledging_key``."""
        self._incidents = incidents
        self._key = key
        self._clock = clock

    def about(self, given: str) -> AcknowledgedIncident:
        """Return the incident that the token acknowledges, and change nothing.

        Raises:
            AcknowledgementInvalidError: ``acknowledgement-invalid``.
            IncidentNotFoundError: ``incident-not-found``: it is no longer kept.
            DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
        """
        return self._incidents.find(self._allowed(given).incident)

    def acknowledge(self, given: str) -> AcknowledgedIncident:
        """Acknowledge the incident; what is queued about it is sent on no channel any more.

        Who did it is ``link:CHANNEL``, the channel that the link was sent to. Who was first stays,
        and of an incident that is over nothing changes.

        Raises:
            AcknowledgementInvalidError: ``acknowledgement-invalid``.
            IncidentNotFoundError: ``incident-not-found``: it is no longer kept.
            DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
        """
        allowed = self._allowed(given)
        return self._incidents.acknowledge(allowed.incident, f"link:{allowed.channel}")

    def _allowed(self, given: str) -> Acknowledgement:
        return verified(given, self._key, self._clock.now_ns())


def _signature(body: str, key: bytes) -> str:
    return _text(hmac.digest(key, _PURPOSE + body.encode(), hashlib.sha256))


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
