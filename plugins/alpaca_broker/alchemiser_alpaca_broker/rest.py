"""Alpaca's REST interface: one request each, its failures by their meaning, credentials unseen.

What may be asked twice is retried and goes through a circuit breaker. An order's submission goes
through the breaker too, but is sent again only where Alpaca refused to look at it (HTTP 429).
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx2
import msgspec

from alchemiser_alpaca_broker.messages import Refusal
from alchemiser_cli.clock import Clock
from alchemiser_cli.errors import (
    AlchemiserError,
    RateLimitError,
    SecurityError,
    ServiceUnreachableError,
    ValidationError,
)
from alchemiser_cli.resilience import BreakerPolicy, CircuitBreaker, Guard, Retry, RetryPolicy
from alchemiser_cli.settings import BrokerAccount

__all__ = ["AlpacaRest", "Answered", "nothing_was_sent"]

Sleep = Callable[[float], Awaitable[object]]
Params = Mapping[str, str]

_RETRIES = RetryPolicy(attempts=4, base_s=0.2, cap_s=5.0, deadline_s=30.0)
_CIRCUIT = BreakerPolicy(consecutive_failures=5, open_s=15.0)
_SHOWN = 200  # characters of an answer that an error quotes
_OK, _MULTIPLE, _BAD_REQUEST, _SERVER_ERROR = 200, 300, 400, 500
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _TIMEOUT = 401, 403, 404, 408
_UNPROCESSABLE, _TOO_MANY = 422, 429
# With these, the request did not leave this machine.
_NOT_SENT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.LocalProtocolError,
    httpx2.UnsupportedProtocol,
)

Kind = TypeVar("Kind")


class Answered(msgspec.Struct, frozen=True):
    """What was answered to an order's submission: HTTP ``status``, and the words of a refusal."""

    status: int
    content: bytes
    why: str


class AlpacaRest:
    """Alpaca at one address, in the name of one account."""

    def __init__(
        self,
        broker: str,
        url: str,
        account: BrokerAccount,
        clock: Clock,
        *,
        sleep: Sleep | None = None,
    ) -> None:
        """Prepare; nothing is connected yet. ``sleep`` waits between attempts (asyncio's)."""
        self._url = url
        self._host = urlsplit(url).netloc
        self._account = account
        self._client: httpx2.AsyncClient | None = None
        self.breaker = CircuitBreaker(f"broker.{broker}"[:64], _CIRCUIT, clock)
        retry = Retry(_RETRIES, clock, sleep=sleep)
        told = {"component": "alpaca", "broker": broker}
        self._asking = Guard(retry.idempotent(), self.breaker, operation="ask", **told)
        self._polling = Guard(None, self.breaker, operation="poll", **told)
        self._ordering = Guard(retry, self.breaker, operation="submit", **told)

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def get(
        self,
        path: str,
        kind: type[Kind],
        wish: str,
        params: Params | None = None,
        *,
        once: bool = False,
    ) -> Kind | None:
        """Return the answer as ``kind``, None where there is nothing (HTTP 404).

        ``once`` does not try again.

        Raises:
            RetryExhaustedError: ``retry-exhausted``; with ``once`` ServiceUnreachableError
                ``service-unreachable`` or RateLimitError ``rate-limited``.
            SecurityError: ``security-violation``: the credentials are refused.
            ValidationError: ``validation-failed``: Alpaca does not understand the request.
            CircuitOpenError: ``circuit-open``.
        """

        async def ask() -> Kind | None:
            answer = await self._send("GET", path, wish, params=params)
            if answer.status_code == _NOT_FOUND:
                return None
            self._require_success(answer, wish)
            return self.read(answer.content, kind, wish)

        return await (self._polling if once else self._asking).call_async(ask)

    async def delete(self, path: str, wish: str) -> bool:
        """Delete; tell whether that was still possible. Raises as ``get``."""

        async def ask() -> bool:
            answer = await self._send("DELETE", path, wish)
            if answer.status_code in {_NOT_FOUND, _UNPROCESSABLE}:
                return False
            self._require_success(answer, wish)
            return True

        return await self._asking.call_async(ask)

    async def submit(self, path: str, body: Mapping[str, str], wish: str) -> Answered:
        """Send an order, at most once to where it may be executed, and return the answer.

        Raises:
            ServiceUnreachableError: ``service-unreachable``; whether it was ``sent`` is in the
                context.
            RetryExhaustedError: ``retry-exhausted``: Alpaca limits our rate, and took nothing.
            CircuitOpenError: ``circuit-open``; nothing was sent.
            SecurityError: ``security-violation``; nothing was taken.
        """
        content = msgspec.json.encode(body)

        async def order() -> Answered:
            answer = await self._send("POST", path, wish, content=content)
            status = answer.status_code
            if status in {_UNAUTHORIZED, _TOO_MANY} or _is_no_answer(status):
                self._require_success(answer, wish)
            return Answered(status, answer.content, self._words(answer))

        return await self._ordering.call_async(order)

    def read(self, content: bytes, kind: type[Kind], wish: str) -> Kind:
        """Return an answer's content as ``kind``.

        Raises:
            ServiceUnreachableError: ``service-unreachable``: who answers so is not Alpaca.
        """
        try:
            return msgspec.json.decode(content, type=kind)
        except (msgspec.DecodeError, ValueError) as error:
            why = f"Its answer cannot be read: {self._unsecret(str(error))}."
            raise self._unreachable(wish, why, sent=True) from None

    async def _send(
        self,
        method: str,
        path: str,
        wish: str,
        *,
        params: Params | None = None,
        content: bytes | None = None,
    ) -> httpx2.Response:
        try:
            return await self._connected().request(method, path, params=params, content=content)
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as error:
            # Not chained: the exception holds the request, and that the credentials.
            why = f"{type(error).__name__}: {self._unsecret(str(error)) or 'no answer in time'}."
            sent = not isinstance(error, _NOT_SENT)
            failure = self._unreachable(wish, why, sent=sent)
        raise failure

    def _connected(self) -> httpx2.AsyncClient:
        if self._client is None:
            account = self._account
            self._client = httpx2.AsyncClient(
                base_url=self._url,
                headers={
                    "APCA-API-KEY-ID": _plain(account, "api_key"),
                    "APCA-API-SECRET-KEY": _plain(account, "api_secret"),
                    "Content-Type": "application/json",
                },
                timeout=account.timeout_s,
                trust_env=False,
                follow_redirects=False,
            )
        return self._client

    def _require_success(self, answer: httpx2.Response, wish: str) -> None:
        status = answer.status_code
        if _OK <= status < _MULTIPLE:
            return
        why = f"It answered HTTP {status}: {self._words(answer)}."
        if status == _TOO_MANY:
            raise RateLimitError(
                f"Alpaca did not {wish}: it asks us to slow down",
                why=why,
                next_step="Wait as long as it asks for; raise brokers.NAME.poll_interval_s, and "
                "let no other program use the same account.",
                context={"host": self._host, "status": status},
                retry_after_s=_seconds(answer),
            )
        if status in {_UNAUTHORIZED, _FORBIDDEN}:
            raise SecurityError(
                f"Alpaca did not {wish}: it refuses the account's credentials",
                why=why,
                next_step="Check that key and secret belong together, and that they are of the "
                "kind of account (live or for practice) that brokers.NAME.url leads to.",
                context={"host": self._host, "status": status},
            )
        if _is_no_answer(status):
            failure = self._unreachable(wish, why, sent=True, status=status)
            failure.retry_after_s = _seconds(answer)
            raise failure
        raise ValidationError(
            f"Alpaca did not {wish}: it does not understand the request",
            why=why,
            next_step="Look into Alpaca's change log, and update the plugin.",
            context={"host": self._host, "status": status},
        )

    def _unreachable(
        self, wish: str, why: str, *, sent: bool, status: int | None = None
    ) -> ServiceUnreachableError:
        return ServiceUnreachableError(
            f"Alpaca did not {wish}",
            why=why,
            next_step=f"Check that {self._host} can be reached, and Alpaca's page of its status.",
            context={"host": self._host, "sent": sent, "status": status},
        )

    def _words(self, answer: httpx2.Response) -> str:
        """Return what a refusal says, short and without our credentials."""
        try:
            said = msgspec.json.decode(answer.content, type=Refusal).message
        except (msgspec.DecodeError, ValueError):
            said = answer.content[: 4 * _SHOWN].decode(errors="replace")
        text = "".join(one if one.isprintable() else " " for one in self._unsecret(said))
        return text[:_SHOWN].strip().rstrip(".") or "no reason given"

    def _unsecret(self, text: str) -> str:
        for key in ("api_key", "api_secret"):
            if secret := _plain(self._account, key):
                text = text.replace(secret, "***")
        return text


def nothing_was_sent(error: AlchemiserError) -> bool:
    """Tell whether an order's submission failed before it can have reached Alpaca."""
    return error.context.get("sent") is False


def _plain(account: BrokerAccount, key: str) -> str:
    value: Any = getattr(account, key)
    return "" if value is None else str(value.get_secret_value())


def _is_no_answer(status: int) -> bool:
    """Tell whether a status says nothing about what became of the request."""
    return status == _TIMEOUT or status >= _SERVER_ERROR or _MULTIPLE <= status < _BAD_REQUEST


def _seconds(answer: httpx2.Response) -> float | None:
    """Read the seconds of a Retry-After header (RFC 9110, 10.2.3); dates are not used here."""
    header = answer.headers.get("retry-after")
    return float(header) if header is not None and header.isascii() and header.isdigit() else None
