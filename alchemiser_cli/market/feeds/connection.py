"""One WebSocket connection: opened, or an error that says why not; closed, or lost and why."""

import logging
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from alchemiser_cli.errors import WebSocketError
from alchemiser_cli.market.feeds.venue import ConnectionRules

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection
    from websockets.exceptions import ConnectionClosed

__all__ = ["lost_connection", "open_connection"]

_CLOSE_TIMEOUT_S = 0.5  # a peer that does not answer must not hold up the next attempt


async def open_connection(
    feed: str, url: str, rules: ConnectionRules, timeout_s: float
) -> "ClientConnection":
    """Connect to ``url``; no proxy is taken from the environment.

    Raises:
        WebSocketError: ``websocket-lost``, when it is refused or not there in ``timeout_s``.
    """
    from websockets.asyncio.client import connect
    from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI

    silent = logging.getLogger("alchemiser.websockets")  # what matters is in our own errors
    silent.disabled = True
    try:
        return await connect(
            url,
            open_timeout=timeout_s,
            ping_interval=rules.ping_interval_s,
            ping_timeout=rules.ping_timeout_s,
            close_timeout=_CLOSE_TIMEOUT_S,
            max_size=rules.max_message_bytes,
            compression=None,
            proxy=None,
            logger=silent,
        )
    except InvalidStatus as error:
        status = error.response.status_code
        why = f"The handshake was answered with HTTP {status} {error.response.reason_phrase}."
        raise _refused(feed, url, why, {"http_status": status}) from error
    except TimeoutError as error:
        raise _refused(feed, url, f"No answer within {timeout_s:g} s.", {}) from error
    except (OSError, InvalidHandshake, InvalidURI) as error:
        raise _refused(feed, url, f"{type(error).__name__}: {error}.", {}) from error


def lost_connection(feed: str, url: str, closed: "ConnectionClosed") -> WebSocketError:
    """Return the error of a connection that ended, with the close code where one came."""
    frame = closed.rcvd or closed.sent
    if closed.rcvd is not None:
        why = f"The venue closed it with code {closed.rcvd.code}: {closed.rcvd.reason or '-'}."
    elif closed.sent is not None:
        why = f"It was given up with code {closed.sent.code}: {closed.sent.reason or '-'}."
    else:
        why = f"It broke without a close frame: {closed.__cause__ or 'end of the stream'}."
    return WebSocketError(
        f"the connection of the feed {feed!r} was lost",
        why=why,
        next_step="Nothing yet: the feed connects again by itself and polls by REST meanwhile.",
        context={"feed": feed, "host": _host(url), "close_code": frame.code if frame else None},
    )


def _refused(feed: str, url: str, why: str, facts: dict[str, object]) -> WebSocketError:
    return WebSocketError(
        f"the feed {feed!r} could not connect to {_host(url)}",
        why=why,
        next_step="Nothing yet: the feed tries again by itself and polls by REST meanwhile. If it "
        f"stays so, check the feed's `url` and the network's way to {_host(url)}.",
        context={"feed": feed, "host": _host(url), **facts},
    )


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]
