"""What an answer means for a message: taken, to be tried again, or refused; without secrets."""

import logging
import threading
from collections.abc import Callable
from urllib.parse import unquote, urlsplit

from alchemiser_cli.errors import AlchemiserError
from alchemiser_cli.faults import fault_point
from alchemiser_cli.logs.redaction import MASK, redacted
from alchemiser_cli.notifications.messages import Outcome

__all__ = ["after_http", "after_smtp", "masked", "within"]

_RETRIED_HTTP = (408, 425, 429)
_THREAD = "notify-send"
_LOG_URLS = ("httpx2", "urllib3.connectionpool")
_SECRET_LENGTH = 4  # shorter parts of a URL would mask plain words

_SEND = fault_point("notify.send")


def after_http(said: str, status: int, retry_after_s: float | None = None) -> Outcome:
    """Judge an HTTP status: 408, 425, 429 and 5xx are tried again (RFC 9110, 15; RFC 6585, 4)."""
    if 200 <= status < 300:
        return Outcome()
    final = status < 500 and status not in _RETRIED_HTTP
    return Outcome(said, retry_after_s, final)


def after_smtp(said: str, status: int) -> Outcome:
    """Judge an SMTP reply: 4xx is tried again, also a greylisting; 5xx is not (RFC 5321, 4.2.1)."""
    return Outcome(said, final=status >= 500)


def masked(text: str, url: str) -> str:
    """Return ``text`` with every part of a channel's URL masked, but its scheme and host.

    A service may repeat in its answer what it was given, as it was written or decoded.
    """
    if not text:
        return text
    text = str(redacted("", text.replace(url, MASK) if url else text))
    for secret in sorted(_secrets(url), key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


def within(timeout_s: float, send: Callable[[], Outcome]) -> Outcome:
    """Return what ``send`` returns, or after ``timeout_s`` that nobody answered.

    What then still runs is left alone, in a thread that holds up no exit.
    """
    for name in _LOG_URLS:
        logging.getLogger(name).addFilter(_said_elsewhere)  # the same one is added once
    answers: list[Outcome] = []
    struck = threading.Event()  # set while a fault keeps it
    given_up = threading.Event()

    def run() -> None:
        try:
            if _SEND.armed is not None:
                struck.set()
                _SEND.strike()
                struck.clear()
                if given_up.is_set():
                    return
            answers.append(send())
        except AlchemiserError as error:
            failed = Outcome(error.what, error.retry_after_s, injected=error.injected)
            answers.append(failed)
        except Exception as error:  # noqa: BLE001  whatever a service's code raises
            answers.append(Outcome(f"sending raised {type(error).__name__}: {error}"))

    thread = threading.Thread(target=run, name=_THREAD, daemon=True)
    thread.start()
    thread.join(timeout_s)
    given_up.set()
    if answers:
        return answers[0]
    return Outcome(f"no answer within {timeout_s:g} s", injected=struck.is_set())


def _said_elsewhere(record: logging.LogRecord) -> bool:
    """Keep a channel's URL out of all logs, at whatever level its library logs it."""
    return record.threadName != _THREAD


def _secrets(url: str) -> set[str]:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return {url}
    credentials = parts.netloc.rpartition("@")[0].split(":")
    query = [piece.partition("=")[2] for piece in parts.query.split("&")]
    pieces = {*credentials, *parts.path.split("/"), *query, parts.fragment}
    if "@" not in parts.netloc:
        pieces.add(parts.netloc)  # many services take a token in the place of a host
    both = {form for piece in pieces for form in (piece, unquote(piece))}
    return {one for one in both if len(one) >= _SECRET_LENGTH and one != host}
