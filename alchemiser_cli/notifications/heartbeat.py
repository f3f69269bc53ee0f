"""The dead man's switch: while all goes well a URL is pinged, and its silence is the alarm.

The protocol is that of Healthchecks (healthchecks.io/docs/http_api): ``URL/start`` when a run
begins, ``URL`` while it goes on, ``URL/EXITCODE`` when it ends, all with the run's id as ``rid``.
"""

import threading
import uuid
from collections.abc import Callable
from typing import Self

from alchemiser_cli.logs import get_logger
from alchemiser_cli.settings import HeartbeatSettings

__all__ = ["Heartbeat"]

Ping = Callable[[str, float], str]
"""Ask a URL, for at most so many seconds; returns what went wrong, empty where nothing did."""


def ping(url: str, timeout_s: float) -> str:
    """Ask ``url`` by GET; the answer may take ``timeout_s`` seconds. It never raises."""
    import httpx2

    try:
        answer = httpx2.get(url, timeout=timeout_s)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        return type(error).__name__  # its text may hold the URL, which is a secret
    return "" if answer.is_success else f"HTTP {answer.status_code}"


class Heartbeat:
    """One run's pings, from a thread of their own: a dead server delays nothing but the end.

    The end waits for at most ``settings.timeout_s``; nothing that a server does is an error of the
    run. Without ``settings.url`` nothing is sent and no thread is started.
    """

    def __init__(
        self, settings: HeartbeatSettings, *, lasting: bool, send: Ping = ping, name: str = ""
    ) -> None:
        """Prepare the pings of one run; ``lasting`` runs also ping while they go on.

        ``name`` tells in the log which command it is.
        """
        self._url = "" if settings.url is None else settings.url.get_secret_value().rstrip("/")
        self._settings = settings
        self._lasting = lasting
        self._send = send
        self._name = name
        self._run = uuid.uuid4()
        self._ended = threading.Event()
        self._exit_code = 0
        self._failed = ""
        self._thread: threading.Thread | None = None

    def start(self) -> Self:
        """Tell that the run begins, without waiting for an answer."""
        if self._url and self._thread is None:
            # A daemon: a ping that hangs must not keep the process from ending.
            self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
            self._thread.start()
        return self

    def end(self, exit_code: int) -> None:
        """Tell the exit code of the run, and wait for the answer; 0 is success."""
        self._exit_code = exit_code
        self._ended.set()
        if self._thread is not None:
            self._thread.join(self._settings.timeout_s)

    def _beat(self) -> None:
        self._ping("/start")
        while self._lasting and not self._ended.wait(self._settings.interval_s):
            self._ping("")
        self._ended.wait()
        self._ping(f"/{self._exit_code}")

    def _ping(self, what: str) -> None:
        failed = self._send(f"{self._url}{what}?rid={self._run}", self._settings.timeout_s)
        if failed and failed != self._failed:  # once, and not at each beat
            get_logger("error", "heartbeat").warning(
                "heartbeat_not_taken", command=self._name, ping=what or "success", why=failed
            )
        self._failed = failed
