"""An HTTP listener for a few small answers that no client can hold up or fill.

One request a connection, a thread each, all of them bounded: how many at once, how long a request
may take to arrive in total and how large its head may be. A request's body is never read.
"""

import io
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer
from typing import Any

import msgspec

from alchemiser_cli.clock import NS_PER_SECOND, Clock

__all__ = ["Answer", "Limits", "Listener", "Request", "only_get_and_head", "refusal"]

_LINGER_S = 1.0
_LINGER_BYTES = 64 * 1024
_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True)
class Limits:
    """How much a client may ask of the server.

    ``request_s`` is for a whole request to arrive, and again for its answer to be taken;
    ``answer_s`` for the answer to be found; ``head_bytes`` counts request line and headers.
    """

    request_s: float = 5.0
    answer_s: float = 5.0
    head_bytes: int = 16 * 1024
    connections: int = 32


class Request(msgspec.Struct, frozen=True):
    """What of a GET, HEAD or POST matters; the headers are empty where the client sent none."""

    path: str
    authorization: str
    accept: str
    method: str = "GET"


class Answer(msgspec.Struct, frozen=True):
    """An HTTP answer; ``headers`` are those beside the usual ones."""

    status: HTTPStatus
    body: bytes
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


def refusal(status: HTTPStatus, message: str, **headers: str) -> Answer:
    """Return a JSON answer that says no; an underscore in a header's name becomes a hyphen."""
    body = msgspec.json.encode({"error": {"status": status.value, "message": message}})
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Answer(status, body, headers=named)


def only_get_and_head() -> Answer:
    """Return the answer to a method that a page does not know."""
    not_allowed = HTTPStatus.METHOD_NOT_ALLOWED
    return refusal(not_allowed, "only GET and HEAD are answered here", Allow="GET, HEAD")


class Listener(TCPServer):
    """Accepts connections and answers each with ``answer(request)``, which does not raise."""

    allow_reuse_address = True
    request_queue_size = 64

    def __init__(
        self,
        address: tuple[str, int],
        answer: Callable[[Request], Answer],
        *,
        failed: Callable[[BaseException], object],
        limits: Limits,
        clock: Clock,
    ) -> None:
        """Bind and listen; ``failed`` is told of a defect while a connection was served.

        Raises:
            OSError: the address cannot be resolved or bound.
        """
        self.answer = answer
        self.limits = limits
        self.clock = clock
        self._failed = failed
        self._free = threading.BoundedSemaphore(limits.connections)
        self._changing = threading.Lock()
        self._served: dict[threading.Thread, socket.socket] = {}
        family, *_, resolved = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)[0]
        self.address_family = family
        # TCPServer is annotated for IPv4; an IPv6 address has two more parts.
        super().__init__(resolved, _Connection)  # type: ignore[arg-type]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve the connection in a thread of its own, or turn it away when all are taken."""
        if not self._free.acquire(blocking=False):
            with suppress(OSError):
                request.settimeout(0)
                request.send(_BUSY)
            self.shutdown_request(request)
            return
        thread = threading.Thread(
            target=self._serve, args=(request, client_address), name="health request", daemon=True
        )
        with self._changing:
            self._served[thread] = request
        try:
            thread.start()
        except RuntimeError as error:  # the system has no thread left
            self._done(thread, request)
            self._failed(error)

    def stop(self) -> None:
        """Accept nothing more, let answers under way finish, and turn away who has not asked."""
        self.shutdown()
        self.server_close()
        with self._changing:
            under_way = dict(self._served)
        for connection in under_way.values():
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RD)
        longest_s = self.limits.answer_s + self.limits.request_s
        deadline_ns = self.clock.monotonic_ns() + round(longest_s * NS_PER_SECOND)
        for thread in under_way:
            thread.join(max(0.0, (deadline_ns - self.clock.monotonic_ns()) / NS_PER_SECOND))

    def _serve(self, request: socket.socket, client_address: Any) -> None:
        try:
            self.finish_request(request, client_address)
        except OSError:
            pass  # the client went away
        except BaseException as error:  # noqa: BLE001  a defect costs one connection
            self._failed(error)
        finally:
            self._done(threading.current_thread(), request)

    def _done(self, thread: threading.Thread, request: socket.socket) -> None:
        self.shutdown_request(request)
        with self._changing:
            self._served.pop(thread, None)
        self._free.release()


class _RefusedError(Exception):
    """A request that will not be read to its end."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


class _BoundedReader(io.RawIOBase):
    """Reads a socket until a deadline and up to a number of bytes, however they trickle in."""

    def __init__(self, connection: socket.socket, listener: Listener) -> None:
        self._connection = connection
        self._clock = listener.clock
        limits = listener.limits
        self._deadline_ns = self._clock.monotonic_ns() + round(limits.request_s * NS_PER_SECOND)
        self._left = limits.head_bytes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left_s = (self._deadline_ns - self._clock.monotonic_ns()) / NS_PER_SECOND
        if self._left <= 0:
            raise _RefusedError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        if left_s <= 0:
            raise _RefusedError(HTTPStatus.REQUEST_TIMEOUT)
        self._connection.settimeout(left_s)
        try:
            count = self._connection.recv_into(buffer, min(len(buffer), self._left))
        except TimeoutError:
            raise _RefusedError(HTTPStatus.REQUEST_TIMEOUT) from None
        self._left -= count
        return count


class _Connection(BaseHTTPRequestHandler):
    """One connection: one request in, one answer out."""

    protocol_version = "HTTP/1.1"
    server: Listener

    def setup(self) -> None:
        self.connection = self.request
        self.rfile = io.BufferedReader(_BoundedReader(self.connection, self.server))
        self._answer = io.BytesIO()  # all of it, sent at once with one time limit
        self.wfile = self._answer
        self.command = self.requestline = ""
        self.request_version = self.protocol_version
        self._linger = False

    def handle(self) -> None:
        try:
            self.handle_one_request()
        except _RefusedError as refused:
            self._send(refusal(refused.status, refused.status.phrase))

    def do_GET(self) -> None:
        self._linger = bool(
            self.headers.get("Content-Length") or self.headers.get("Transfer-Encoding")
        )
        request = Request(
            self.path.partition("?")[0],
            self.headers.get("Authorization", ""),
            self.headers.get("Accept", ""),
            self.command,
        )
        self._send(self.server.answer(request))

    do_HEAD = do_POST = do_GET  # noqa: N815  the names that http.server looks for

    def send_error(
        self,
        code: int,
        message: str | None = None,
        explain: str | None = None,  # noqa: ARG002  http.server's signature
    ) -> None:
        """Answer what http.server itself refuses in JSON, and without repeating the request."""
        status = HTTPStatus(code)
        if status is HTTPStatus.NOT_IMPLEMENTED:  # so it calls a method without a do_ function
            self._send(only_get_and_head())
        else:
            del message
            self._send(refusal(status, status.phrase))

    def finish(self) -> None:
        answer = self._answer.getvalue()
        if not answer:
            return
        self.connection.settimeout(self.server.limits.request_s)
        self.connection.sendall(answer)
        if self._linger:
            self._drain()

    def version_string(self) -> str:
        return "alchemiser"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  http.server's name
        """Write nothing: a library does not print."""

    def _send(self, answer: Answer) -> None:
        self._linger = self._linger or answer.status >= HTTPStatus.BAD_REQUEST
        self.send_response(answer.status)
        for name, value in (
            ("Content-Type", answer.content_type),
            ("Content-Length", str(len(answer.body))),
            ("Connection", "close"),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            *answer.headers,
        ):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def _drain(self) -> None:
        """Take what the client still sends: closing over unread bytes would reset the answer."""
        self.connection.shutdown(socket.SHUT_WR)
        clock = self.server.clock
        deadline_ns = clock.monotonic_ns() + round(_LINGER_S * NS_PER_SECOND)
        left = _LINGER_BYTES
        with suppress(OSError):
            while left > 0 and (left_ns := deadline_ns - clock.monotonic_ns()) > 0:
                self.connection.settimeout(left_ns / NS_PER_SECOND)
                taken = len(self.connection.recv(min(left, 8192)))
                if not taken:
                    return
                left -= taken
