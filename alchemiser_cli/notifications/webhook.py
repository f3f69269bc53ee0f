"""Webhooks: a message as JSON to a web address of one's own, and the wishes of its server."""

import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit, urlunsplit

import msgspec

from alchemiser_cli.clock import NS_PER_SECOND, Clock, ns_from_datetime
from alchemiser_cli.notifications.alert import Level
from alchemiser_cli.notifications.messages import Message, Outcome
from alchemiser_cli.notifications.outcomes import after_http, masked, within
from alchemiser_cli.settings import NotificationChannel

__all__ = ["WebhookChannel", "retry_after_s"]

_SCHEMES = {"json": "http", "jsons": "https", "http": "http", "https": "https"}


class WebhookChannel:
    """A channel that posts JSON: version, title, message, type (as Apprise's), and severity.

    The URL is Apprise's: ``json://USER:PASSWORD@HOST:PORT/PATH``, ``jsons://`` with TLS; a query
    ``+NAME=VALUE`` is a header, ``-NAME=VALUE`` goes to the server, ``verify=no`` trusts any
    certificate. ``http://`` and ``https://`` keep their query as it is.
    """

    def __init__(
        self, name: str, settings: NotificationChannel, timeout_s: float, clock: Clock
    ) -> None:
        """Keep what is needed; the URL is read when the first message is sent."""
        self._name = name
        self._url = "" if settings.url is None else settings.url.get_secret_value()
        self._timeout_s = timeout_s
        self._clock = clock

    @property
    def name(self) -> str:
        """Its name in the settings, under ``notifications``."""
        return self._name

    def send(self, message: Message, *, severity: Level) -> Outcome:
        """Post a message, and wait for the answer, for at most ``timeout_s``; 429 is honoured."""
        outcome = within(self._timeout_s, lambda: self._post(message, severity))
        return msgspec.structs.replace(outcome, error=masked(outcome.error, self._url))

    def _post(self, message: Message, severity: Level) -> Outcome:
        import httpx2

        try:
            parts = urlsplit(self._url)
            request = _request(parts)
            verify = request.pop("verify")
            with (
                httpx2.Client(timeout=self._timeout_s, verify=verify, trust_env=False) as client,
                # The body of the answer is never read: it may have no end.
                client.stream("POST", content=_payload(message, severity), **request) as answer,
            ):
                said = f"the server answered {answer.status_code} {answer.reason_phrase}".strip()
                wish = answer.headers.get("Retry-After", "")
                wish_s = retry_after_s(wish, self._clock.now_ns())
                return after_http(said, answer.status_code, wish_s)
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol, ValueError) as error:
            return Outcome(f"the channel's URL cannot be used: {error}", final=True)
        except httpx2.HTTPError as error:
            return Outcome(f"the server cannot be reached: {error or type(error).__name__}")


def retry_after_s(text: str, now_ns: int) -> float | None:
    """Read the header Retry-After, seconds or a date (RFC 9110, 10.2.3); None where it is neither.

    ``now_ns`` is UTC nanoseconds; a date that is over asks for no wait.
    """
    if re.fullmatch(r"\d{1,9}", text.strip(), re.ASCII):
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (ns_from_datetime(moment.astimezone(UTC)) - now_ns) / NS_PER_SECOND)


def _payload(message: Message, severity: Level) -> bytes:
    document = {
        "version": "1.0",
        "title": message.subject,
        "message": message.text,
        "type": "failure" if severity == "critical" else "warning",
        "severity": severity,
    }
    return msgspec.json.encode(document)


def _request(parts: SplitResult) -> dict[str, Any]:
    """Return URL, headers, credentials, and whether certificates are verified."""
    native = parts.scheme in ("http", "https")
    headers = {"Content-Type": "application/json", "User-Agent": "alchemiser"}
    sent, verify, query = [], True, parts.query
    if not native:
        # A plus is decoded as a space.
        for name, value in parse_qsl(query.replace("+", "%2B"), keep_blank_values=True):
            if name.startswith("+"):
                headers[name[1:]] = value
            elif name.startswith("-"):
                sent.append((name[1:], value))
            elif name == "verify":
                verify = value.lower() not in {"no", "false", "0"}
        query = ""
    host = parts.netloc.rpartition("@")[2]
    url = urlunsplit((_SCHEMES[parts.scheme], host, parts.path or "/", query, ""))
    request: dict[str, Any] = {"url": url, "headers": headers, "verify": verify}
    if sent:
        request["params"] = sent
    if parts.username:
        request["auth"] = (unquote(parts.username), unquote(parts.password or ""))
    return request
