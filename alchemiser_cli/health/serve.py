"""The HTTP server of `health serve`: /healthz, /readyz, /metrics, and links that acknowledge."""

import errno
import hmac
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import msgspec

from alchemiser_cli.clock import Clock, SystemClock
from alchemiser_cli.errors import (
    AlchemiserError,
    CredentialsMissingError,
    PortInUseError,
    ProductionPolicyError,
    SettingInvalidError,
)
from alchemiser_cli.health.ack_pages import AckPages
from alchemiser_cli.health.listener import (
    Answer,
    Limits,
    Listener,
    Request,
    only_get_and_head,
    refusal,
)
from alchemiser_cli.notifications.acknowledging import PATH as ACK_PATH
from alchemiser_cli.notifications.acknowledging import Acknowledger
from alchemiser_cli.settings import HealthSettings
from alchemiser_cli.settings.policy import HEALTH_TOKEN_LENGTH
from alchemiser_cli.telemetry import negotiated

if TYPE_CHECKING:
    from prometheus_client.core import Metric as Family
    from prometheus_client.registry import Collector

__all__ = ["HealthAddress", "HealthStatus", "Limits", "serve_health"]

_LIMITS = Limits()
_CLOCK = SystemClock()
_READINESS = {
    "healthy": HTTPStatus.OK,
    "degraded": HTTPStatus.OK,
    "critical": HTTPStatus.SERVICE_UNAVAILABLE,
}
_NOT_RECORDED = "not recorded"

_T = TypeVar("_T")


class HealthStatus(Protocol):
    """What ``status`` returns: anything that msgspec writes as JSON, with a ``status``."""

    @property
    def status(self) -> str:
        """One of ``healthy``, ``degraded`` and ``critical``."""
        ...


class HealthAddress(msgspec.Struct, frozen=True):
    """Where the server listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The server's URL without a path."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


@contextmanager
def serve_health(
    settings: HealthSettings,
    status: Callable[[], HealthStatus],
    capture: Callable[[BaseException], str],
    registry: "Collector",
    *,
    production: bool,
    acknowledger: Acknowledger | None = None,
    limits: Limits = _LIMITS,
    clock: Clock = _CLOCK,
) -> Iterator[HealthAddress]:
    """Serve while the block runs, in threads of its own; answers under way finish at its end.

    ``/healthz`` says that the process lives and asks nothing. ``/readyz`` gives ``status()``:
    200 for healthy and degraded, 503 for critical and where no status is found in time.
    ``/metrics`` gives ``registry`` in the format that the client prefers. An unexpected
    exception is given to ``capture``, which returns its error id, and answered with 500 and
    that id, outside production with its traceback too.

    ``/ack/TOKEN`` shows an incident, and acknowledges it by its button (POST). The token, which
    the ``acknowledger`` verifies, stands in for the bearer token on this path alone. Without an
    acknowledger there is no such page.

    Raises:
        CredentialsMissingError: ``credentials-missing``, beyond loopback without a token.
        ProductionPolicyError: ``production-policy``, in production with a short one.
        PortInUseError: ``port-in-use``.
        SettingInvalidError: ``setting-invalid``, for an address that cannot be listened on.
    """
    _refuse_open_doors(settings, production=production)
    site = _Site(
        settings, status, capture, registry, acknowledger, production=production, limits=limits
    )
    try:
        listener = Listener(
            (settings.host, settings.port),
            site.answer,
            failed=site.captured,
            limits=limits,
            clock=clock,
        )
    except OSError as error:
        raise _not_listening(settings, error) from error
    thread = threading.Thread(
        target=listener.serve_forever, args=(0.05,), name="health server", daemon=True
    )
    thread.start()
    try:
        host, port = listener.server_address[:2]
        yield HealthAddress(str(host), port)
    finally:
        listener.stop()
        thread.join()


class _TooLateError(Exception):
    """The answer was not found in its time."""


class _Flight(Generic[_T]):
    """Makes one call at a time; who asks while it is under way shares its result.

    A call that hangs costs one thread, however many ask.
    """

    def __init__(self, call: Callable[[], _T], name: str) -> None:
        self._call = call
        self._name = name
        self._changing = threading.Lock()
        self._under_way: Future[_T] | None = None

    def result(self, timeout_s: float) -> _T:
        with self._changing:
            future = self._under_way
            if future is None:
                future = Future[_T]()
                threading.Thread(
                    target=self._fly, args=(future,), name=f"health {self._name}", daemon=True
                ).start()
                self._under_way = future
        if not wait([future], timeout_s).done:
            raise _TooLateError
        return future.result()

    def _fly(self, future: Future[_T]) -> None:
        try:
            result = self._call()
        except BaseException as error:  # noqa: BLE001  whoever asked gets it, SystemExit too
            self._landed()
            future.set_exception(error)
        else:
            self._landed()
            future.set_result(result)

    def _landed(self) -> None:
        with self._changing:
            self._under_way = None


class _Snapshot:
    """What a registry held at one moment: reading it takes no database and no time."""

    def __init__(self, registry: "Collector") -> None:
        self._families = tuple(registry.collect())

    def collect(self) -> "tuple[Family, ...]":
        return self._families


class _Site:
    """The pages, whatever carries them."""

    def __init__(
        self,
        settings: HealthSettings,
        status: Callable[[], HealthStatus],
        capture: Callable[[BaseException], str],
        registry: "Collector",
        acknowledger: Acknowledger | None,
        *,
        production: bool,
        limits: Limits,
    ) -> None:
        self._token = settings.token.get_secret_value() if settings.token else ""
        self._status = status
        self._capture = capture
        self._production = production
        self._answer_s = limits.answer_s
        self._readiness = _Flight(self._look, "status")
        self._metrics = _Flight(lambda: _Snapshot(registry), "metrics")
        self._acknowledging = AckPages(acknowledger, self.captured)

    def answer(self, request: Request) -> Answer:
        """Return the page at the request's path; nothing that goes wrong leaves this."""
        if request.path.startswith(ACK_PATH):
            return self._acknowledging.answer(request)
        if request.method == "POST":
            return only_get_and_head()
        return self._open_page(request)

    def captured(self, error: BaseException) -> str:
        """Return the error's id in the journal; a journal that fails costs the id alone."""
        try:
            return self._capture(error)
        except BaseException:  # noqa: BLE001  the answer matters more than its id
            return _NOT_RECORDED

    def _open_page(self, request: Request) -> Answer:
        if request.path == "/healthz":
            return Answer(HTTPStatus.OK, b'{"status":"alive"}')
        if not self._may_see(request.authorization):
            return refusal(
                HTTPStatus.UNAUTHORIZED,
                "a bearer token is needed here",
                WWW_Authenticate='Bearer realm="alchemiser"',
            )
        try:
            return self._page(request)
        except _TooLateError:
            return refusal(
                HTTPStatus.SERVICE_UNAVAILABLE, f"no answer was found within {self._answer_s:g} s"
            )
        except BaseException as error:  # noqa: BLE001  answered with its id
            return self._failed(error)

    def _page(self, request: Request) -> Answer:
        if request.path == "/readyz":
            return self._readiness.result(self._answer_s)
        if request.path == "/metrics":
            snapshot = self._metrics.result(self._answer_s)
            return Answer(HTTPStatus.OK, *negotiated(snapshot, request.accept))
        return refusal(HTTPStatus.NOT_FOUND, "there are /healthz, /readyz and /metrics")

    def _look(self) -> Answer:
        status = self._status()
        return Answer(_READINESS[status.status], msgspec.json.encode(status))

    def _may_see(self, authorization: str) -> bool:
        if not self._token:
            return True
        scheme, _, given = authorization.partition(" ")
        # http.server reads headers as Latin-1; a token is compared as the bytes that were sent.
        sent = given.strip().encode("latin-1", "replace")
        return hmac.compare_digest(sent, self._token.encode()) and scheme.lower() == "bearer"

    def _failed(self, error: BaseException) -> Answer:
        told: dict[str, Any] = {
            "status": HTTPStatus.INTERNAL_SERVER_ERROR.value,
            "message": "an unexpected error; `alchemiser errors show ID` tells more",
            "id": self.captured(error),
        }
        if not self._production:
            told["detail"] = "".join(traceback.format_exception(error))
        return Answer(HTTPStatus.INTERNAL_SERVER_ERROR, msgspec.json.encode({"error": told}))


def _refuse_open_doors(settings: HealthSettings, *, production: bool) -> None:
    if not settings.beyond_loopback:
        return
    token = settings.token.get_secret_value() if settings.token else ""
    next_step = f"Set ALCHEMISER_HEALTH__TOKEN to {HEALTH_TOKEN_LENGTH} random characters or more."
    if not token:
        raise CredentialsMissingError(
            f"the health server may not listen on {settings.host} without a token",
            why="Whoever reaches that address could read the system's state and metrics.",
            next_step=f"{next_step[:-1]}, or health.host to 127.0.0.1.",
            context={"host": settings.host},
        )
    if production and len(token) < HEALTH_TOKEN_LENGTH:
        raise ProductionPolicyError(
            "the health server's token is too short for production",
            why=f"Others can reach {settings.host}, and {len(token)} characters can be guessed.",
            next_step=next_step,
            context={"host": settings.host},
        )


def _not_listening(settings: HealthSettings, error: OSError) -> AlchemiserError:
    context: dict[str, object] = {"host": settings.host, "port": settings.port}
    if error.errno == errno.EADDRINUSE:
        return PortInUseError(
            f"port {settings.port} of {settings.host} is in use",
            why="Another process listens there.",
            next_step="Set another health.port, or stop that process (`ss -ltnp` names it).",
            context=context,
        )
    unknown = isinstance(error, socket.gaierror)
    return SettingInvalidError(
        f"the health server cannot listen on {settings.host}, port {settings.port}",
        why=f"The system answered: {error.strerror or error}.",
        next_step=f"Correct {'health.host' if unknown else 'health.host or health.port'}.",
        context=context,
    )
