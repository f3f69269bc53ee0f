"""A real HTTP server on loopback that takes webhooks, and answers as it is told."""

import json
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

__all__ = ["Answer", "Hook", "running_hook"]


@dataclass(frozen=True)
class Answer:
    """How the server answers: ``delays`` waits ``seconds``, ``hangs`` never answers.

    ``drops`` hangs up without a word, and ``endless`` sends a body that has no end.
    """

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    how: Literal["at once", "delays", "hangs", "drops", "endless"] = "at once"
    seconds: float = 0.0


@dataclass
class Hook:
    """What the server took, and what it answers next; all may be read and changed at any time.

    ``next`` are answers that are given once, in their order; then ``answer`` is given.
    """

    port: int = 0
    answer: Answer = Answer()
    next: deque[Answer] = field(default_factory=deque)
    taken: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    attempts: int = 0
    released: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """The Apprise URL of a channel that ends here, with a password."""
        user = "desk:hook-password"
        return f"json://{user}@127.0.0.1:{self.port}/hook-token"


class _Answering(BaseHTTPRequestHandler):
    hook: Hook

    def do_POST(self) -> None:
        hook = self.hook
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        hook.attempts += 1
        answer = hook.next.popleft() if hook.next else hook.answer
        if answer.how == "delays":
            hook.released.wait(answer.seconds)
        if answer.how == "hangs":
            hook.released.wait()
        self.close_connection = True
        if answer.how in ("hangs", "drops"):
            return
        if 200 <= answer.status < 300:
            hook.taken.append(json.loads(body))
            hook.headers.append(dict(self.headers))
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        self.end_headers()
        try:
            while answer.how == "endless" and not hook.released.wait(0.01):
                self.wfile.write(b"x" * 1_000)
        except OSError:
            return

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the library's name
        """Say nothing."""


@contextmanager
def running_hook() -> Iterator[Hook]:
    """Run a server for webhooks on a free port of loopback."""
    hook = Hook()
    handler = type("_HookHandler", (_Answering,), {"hook": hook})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    hook.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hook
    finally:
        hook.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
