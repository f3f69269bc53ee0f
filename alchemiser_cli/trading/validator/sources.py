"""Where the validator learns what the stages did: the state database, and Prometheus' text."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from msgspec.structs import replace

from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.errors import ServiceUnreachableError, ValidationError
from alchemiser_cli.settings.urls import masked_url
from alchemiser_cli.state import StateDatabase
from alchemiser_cli.telemetry import names as n
from alchemiser_cli.trading.activity import StageSeen
from alchemiser_cli.trading.activity_store import ActivityStore

if TYPE_CHECKING:
    from prometheus_client.samples import Sample

__all__ = ["ActivitySource", "MetricsSource", "StateSource"]

_OK = 200
_LABELS = ("service", "stage", "broker")


class ActivitySource(Protocol):
    """Somewhere to read what the stages did."""

    @property
    def name(self) -> str:
        """What it is called in messages; without secrets."""
        ...

    def read(self) -> list[StageSeen]:
        """Return what it knows, its times as they stand there: nobody has checked them.

        Raises:
            ValidationError: ``validation-failed``: it answers, but not in its format.
            AlchemiserError: Any other: it does not answer.
        """
        ...


class StateSource:
    """The state database, which every process of trading writes to."""

    def __init__(self, database: StateDatabase) -> None:
        """Keep the database; nothing is opened yet."""
        self._store = ActivityStore(database)
        self.name = f"the state database {database.location}"

    def read(self) -> list[StageSeen]:
        """Return the stages of every broker.

        Raises:
            DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
        """
        return self._store.read()


class MetricsSource:
    """Metrics of another process, at a URL or in a text file.

    Source: https://prometheus.io/docs/instrumenting/exposition_formats/.
    """

    def __init__(self, location: str | Path, *, timeout_s: float = 5.0, token: str = "") -> None:
        """Keep ``location``: ``http(s)://HOST:PORT/metrics``, or a path. ``token`` is a bearer's.

        No proxy and no credential is taken from the environment.
        """
        self._location = str(location)
        self._timeout_s = timeout_s
        self._token = token
        self.name = masked_url(self._location)

    def read(self) -> list[StageSeen]:
        """Return the stages whose gauges are there.

        Raises:
            ServiceUnreachableError: ``service-unreachable``: it cannot be fetched or opened.
            ValidationError: ``validation-failed``: it is no Prometheus text.
        """
        content = self._content()
        try:
            samples = list(_samples(content.decode()))
        except Exception as error:  # the library's parser raises what its code happens to
            raise ValidationError(
                f"the metrics of {self.name} cannot be read",
                why=f"They are no Prometheus text: {type(error).__name__}: {error}.",
                next_step="See that the address is that of an alchemiser process's /metrics.",
                context={"source": self.name, "bytes": len(content)},
            ) from error
        found: dict[tuple[str, str, str], StageSeen] = {}
        for sample in samples:
            service, stage, broker = self._labels(sample)
            key = (service, stage, broker)
            one = found.get(key) or StageSeen(broker=broker, stage=stage, active_ns=0.0)
            at_ns = sample.value * NS_PER_SECOND
            if sample.name == n.TRADING_LAST_ACTIVITY.name:
                found[key] = replace(one, active_ns=at_ns)
            else:
                found[key] = replace(one, gave_ns=at_ns or None)
        return list(found.values())

    def _labels(self, sample: "Sample") -> tuple[str, str, str]:
        try:
            service, stage, broker = (sample.labels[label] for label in _LABELS)
        except KeyError as error:
            raise ValidationError(
                f"the metrics of {self.name} are incomplete",
                why=f"A sample of {sample.name} has no label {error}.",
                next_step="See that the address is that of an alchemiser process of this version.",
                context={"source": self.name, "metric": sample.name},
            ) from error
        return service, stage, broker

    def _content(self) -> bytes:
        if self._location.startswith(("http://", "https://")):
            return self._fetched()
        try:
            return Path(self._location).read_bytes()
        except OSError as error:
            raise self._unreachable(f"{error.strerror or error}.") from error

    def _fetched(self) -> bytes:
        import httpx2

        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        try:
            answer = httpx2.get(
                self._location, headers=headers, timeout=self._timeout_s, trust_env=False
            )
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            why = f"{type(error).__name__}: {error or 'no answer in time'}."
            raise self._unreachable(why) from error
        if answer.status_code != _OK:
            raise self._unreachable(f"It answered HTTP {answer.status_code}.")
        return answer.content

    def _unreachable(self, why: str) -> ServiceUnreachableError:
        return ServiceUnreachableError(
            f"the metrics of {self.name} could not be had",
            why=why,
            next_step="Start the process again, or correct where its metrics are looked for.",
            context={"source": self.name},
        )


def _samples(text: str) -> "Iterator[Sample]":
    from prometheus_client.parser import text_string_to_metric_families

    wanted = {n.TRADING_LAST_ACTIVITY.name, n.TRADING_LAST_OUTPUT.name}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name in wanted:
                yield sample
