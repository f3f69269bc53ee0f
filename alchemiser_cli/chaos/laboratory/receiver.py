"""The people of a laboratory: a web server on the loopback that takes what they are told."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

__all__ = ["Receiver"]

_MOST_BYTES = 1_000_000
_LOOK_S = 0.05


class _Taking(BaseHTTPRequestHandler):
    receiver: "Receiver"

    def do_POST(self) -> None:
        """Keep the message, and say so."""
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if 0 <= length <= _MOST_BYTES else b""
        try:
            self.receiver.taken.append(json.loads(body))
            status = 200
        except ValueError:
            status = 400
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the library's name
        """Say nothing."""


class Receiver:
    """Takes the messages of a ``json://`` channel, on a free port of the loopback.

    ``taken`` holds them in the order in which they came.
    """

    def __init__(self) -> None:
        """Begin with nobody listening; entering the block opens the port."""
        self.taken: list[dict[str, Any]] = []
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Listen.

        Raises:
            OSError: where no port of the loopback is free.
        """
        handler = type("_TakingHere", (_Taking,), {"receiver": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": _LOOK_S},
            name="chaos-receiver",
            daemon=True,
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the port."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
        self._server = self._thread = None

    @property
    def url(self) -> str:
        """The URL of a channel that ends here."""
        if self._server is None:
            raise RuntimeError("the receiver does not listen")
        return f"json://127.0.0.1:{self._server.server_port}/chaos"
