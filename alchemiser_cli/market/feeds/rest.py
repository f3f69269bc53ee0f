"""Polling a venue by REST, for the time in which there is no live data."""

import asyncio
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from alchemiser_cli.clock import Clock
from alchemiser_cli.errors import FeedMessageError, FeedRestError
from alchemiser_cli.market.feeds.venue import RestRequest, Subscription, Venue
from alchemiser_cli.market.ticks import Tick

if TYPE_CHECKING:
    import httpx2

__all__ = ["RestPoller"]

_OK = 200
_CONCURRENT = 8
_SHOWN = 200  # characters of an answer that an error quotes


class RestPoller:
    """A context manager that fetches the newest ticks of a subscription.

    No proxy and no credential is taken from the environment.
    """

    def __init__(
        self, venue: Venue, base: str, subscription: Subscription, clock: Clock, timeout_s: float
    ) -> None:
        """Prepare to poll ``base``; nothing is connected yet."""
        self._venue = venue
        self._base = base.rstrip("/")
        self._requests = tuple(venue.rest_requests(subscription))
        self._clock = clock
        self._timeout_s = timeout_s
        self._client: httpx2.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        """Begin."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def poll(self) -> tuple[list[Tick], FeedRestError | None]:
        """Return the newest ticks, and the first failure where a symbol could not be fetched.

        One symbol's failure keeps no other from being fetched.
        """
        if not self._requests:
            return [], None
        if self._client is None:
            import httpx2

            self._client = httpx2.AsyncClient(timeout=self._timeout_s, trust_env=False)
        client, room = self._client, asyncio.Semaphore(_CONCURRENT)

        async def one(request: RestRequest) -> list[Tick] | FeedRestError:
            async with room:
                try:
                    return await self._fetch(client, request)
                except FeedRestError as failure:
                    return failure

        answers = await asyncio.gather(*(one(request) for request in self._requests))
        ticks = [tick for answer in answers if isinstance(answer, list) for tick in answer]
        failures = [answer for answer in answers if isinstance(answer, FeedRestError)]
        for failure in failures:
            failure.context["failed_requests"] = len(failures)
            failure.context["requests"] = len(answers)
        return ticks, failures[0] if failures else None

    async def _fetch(self, client: "httpx2.AsyncClient", request: RestRequest) -> list[Tick]:
        import httpx2

        try:
            answer = await client.get(self._base + request.path)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            why = f"{type(error).__name__}: {error or 'no answer in time'}."
            raise self._failed(request, why) from error
        if answer.status_code != _OK:
            why = f"It answered HTTP {answer.status_code}: {answer.text[:_SHOWN] or 'no body'}."
            failure = self._failed(request, why)
            failure.retry_after_s = _retry_after_s(answer.headers.get("retry-after"))
            raise failure
        try:
            return self._venue.parse_rest(request, answer.content, self._clock.now_ns())
        except FeedMessageError as error:
            raise self._failed(request, error.why) from error
        except Exception as error:
            why = f"Its answer cannot be read: {type(error).__name__}: {error}."
            raise self._failed(request, why) from error

    def _failed(self, request: RestRequest, why: str) -> FeedRestError:
        host = urlsplit(self._base).netloc.rpartition("@")[2]
        return FeedRestError(
            f"{self._venue.name} gave no {request.kind} of {request.symbol} by REST",
            why=why,
            next_step=f"Check that {host} can be reached and that its rate limits are kept; "
            "the feed goes on polling and reconnecting.",
            context={"host": host, "symbol": request.symbol, "kind": request.kind},
        )


def _retry_after_s(header: str | None) -> float | None:
    """Read the seconds of a Retry-After header (RFC 9110, 10.2.3); dates are not used here."""
    return float(header) if header is not None and header.isdigit() else None
