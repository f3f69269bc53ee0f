"""Finding the cluster: an external one, one that another process serves, or an own one."""

import contextlib
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from alchemiser_cli.clock import Clock
from alchemiser_cli.errors import (
    BrokerUnreachableError,
    EmbeddedBrokerRunningError,
    StaleRunFileError,
)
from alchemiser_cli.logs import get_logger
from alchemiser_cli.settings.sections import KafkaSettings, TopicSettings
from alchemiser_cli.streaming.broker_faults import broker_faults_reach
from alchemiser_cli.streaming.embedded import EmbeddedKafka
from alchemiser_cli.streaming.files import (
    locked,
    make_private_folder,
    storage_error,
    write_atomically,
)

__all__ = [
    "Cluster",
    "ServedBroker",
    "Serving",
    "find_served",
    "open_cluster",
    "own_cluster",
    "serve",
]

_RUN_FILE = "broker.json"
_LOCK_FILE = ".broker.lock"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_CONNECT_TIMEOUT_S = 1.0
_START_TIME_FIELD = 19  # field 22 of proc_pid_stat(5), counted after the command's name

_log = get_logger("application", "streaming.discovery")


class ServedBroker(msgspec.Struct, frozen=True):
    """An embedded Kafka that a process serves, as its run file tells.

    ``process_start`` (clock ticks since boot) and ``boot_id`` tell the process from a later one
    with the same number; both are None where the system has no /proc.
    """

    pid: int
    process_start: int | None
    boot_id: str | None
    bootstrap: str
    started_at_ns: int
    topics: tuple[str, ...]


@dataclass(frozen=True)
class Serving:
    """What the serving process itself holds."""

    served: ServedBroker
    embedded: EmbeddedKafka


@dataclass(frozen=True)
class Cluster:
    """The cluster to use; ``embedded`` is there when it lives in this process."""

    bootstrap: str
    origin: Literal["external", "served", "own"]
    embedded: EmbeddedKafka | None = None


@contextlib.contextmanager
def open_cluster(
    kafka: KafkaSettings, topics: TopicSettings, run_folder: Path
) -> Iterator[Cluster]:
    """Yield the cluster that the settings mean.

    External mode means ``kafka.bootstrap``; nothing is contacted here. Embedded mode means the
    cluster that another process of this home serves, or else an own one, which ends with the
    block.

    Raises:
        BrokerUnreachableError: ``broker-unreachable`` if a process serves a cluster that
            accepts no connection: an own, empty cluster would hide that.
        EmbeddedBrokerFailedError: ``embedded-broker-failed``.
    """
    if kafka.mode == "external":
        yield Cluster(kafka.bootstrap, "external")
        return
    served = _find_live(run_folder)
    if served is not None:
        if not _accepts(served.bootstrap):
            raise BrokerUnreachableError(
                f"the embedded Kafka of process {served.pid} accepts no connection",
                why=f"The process lives, but nothing listens on {served.bootstrap}.",
                next_step="Stop that `alchemiser broker serve`, or wait until its fault ends.",
                context={"pid": served.pid, "bootstrap": served.bootstrap},
            )
        yield Cluster(served.bootstrap, "served")
        return
    with own_cluster(kafka, topics) as cluster:
        yield cluster


@contextlib.contextmanager
def own_cluster(kafka: KafkaSettings, topics: TopicSettings) -> Iterator[Cluster]:
    """Yield an embedded Kafka of this process, which ends with the block.

    Raises:
        EmbeddedBrokerFailedError: ``embedded-broker-failed``.
    """
    with _embedded(kafka) as embedded:
        _create_configured(embedded, topics)
        yield Cluster(embedded.bootstrap, "own", embedded)


@contextlib.contextmanager
def serve(
    kafka: KafkaSettings, topics: TopicSettings, run_folder: Path, clock: Clock
) -> Iterator[Serving]:
    """Serve an embedded Kafka to the other processes of this home for the length of the block.

    Raises:
        EmbeddedBrokerRunningError: ``embedded-broker-running`` if another process does already.
        EmbeddedBrokerFailedError: ``embedded-broker-failed``.
        HomeNotWritableError: ``home-not-writable``.
        DiskFullError: ``disk-full``.
    """
    make_private_folder(run_folder)
    with _embedded(kafka) as embedded:
        names = _create_configured(embedded, topics)
        served = ServedBroker(
            pid=os.getpid(),
            process_start=_process_start(os.getpid()),
            boot_id=_boot_id(),
            bootstrap=embedded.bootstrap,
            started_at_ns=clock.now_ns(),
            topics=names,
        )
        with locked(run_folder / _LOCK_FILE):
            _refuse_second(_read_live(run_folder))
            write_atomically(run_folder / _RUN_FILE, msgspec.json.encode(served))
        _log.info("embedded_broker_serving", bootstrap=served.bootstrap, topics=list(names))
        try:
            yield Serving(served, embedded)
        finally:
            _withdraw(run_folder, served)


def find_served(run_folder: Path) -> ServedBroker | None:
    """Return the embedded Kafka that a living process of this home serves, or None.

    Its process must be the one that wrote the run file, and its broker must accept a
    connection. The run file of a dead process is removed, with a warning in the log
    (``stale-run-file``).

    Raises:
        HomeNotWritableError: ``home-not-writable`` if a stale file cannot be read or removed.
    """
    served = _find_live(run_folder)
    return served if served is not None and _accepts(served.bootstrap) else None


@contextlib.contextmanager
def _embedded(kafka: KafkaSettings) -> Iterator[EmbeddedKafka]:
    """Yield a cluster that suffers the broker faults of this process."""
    with EmbeddedKafka(kafka.embedded_brokers) as embedded, broker_faults_reach(embedded):
        yield embedded


def _find_live(run_folder: Path) -> ServedBroker | None:
    if not (run_folder / _RUN_FILE).exists():
        return None  # nothing to lock, perhaps not even a folder
    with locked(run_folder / _LOCK_FILE):
        return _read_live(run_folder)


def _read_live(run_folder: Path) -> ServedBroker | None:
    path = run_folder / _RUN_FILE
    try:
        served = msgspec.json.decode(path.read_bytes(), type=ServedBroker)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        _remove_stale(path, f"It cannot be read: {error}.", None)
        return None
    except OSError as error:
        raise storage_error(error, path) from error
    if served.boot_id != _boot_id():
        _remove_stale(path, "It was written before the machine's last start.", served)
    elif not _alive(served):
        _remove_stale(path, f"Its process {served.pid} is gone.", served)
    else:
        return served
    return None


def _remove_stale(path: Path, why: str, served: ServedBroker | None) -> None:
    stale = StaleRunFileError(
        f"a stale run file was removed: {path}",
        why=f"{why} A process that is killed cannot remove its run file.",
        next_step="Nothing to do; start `alchemiser broker serve` again if you need it.",
        context={"path": str(path), "pid": served.pid if served else None},
    )
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise storage_error(error, path) from error
    _log.warning("stale_run_file", code=stale.code, what=stale.what, why=stale.why, **stale.context)


def _refuse_second(served: ServedBroker | None) -> None:
    if served is not None:
        raise EmbeddedBrokerRunningError(
            f"process {served.pid} already serves the embedded Kafka of this home",
            why=f"Its brokers are at {served.bootstrap}; a second one would split the data.",
            next_step="Use that one: other commands find it by themselves. Or stop it first, "
            "or set another home with --home.",
            context={"pid": served.pid, "bootstrap": served.bootstrap},
        )


def _withdraw(run_folder: Path, served: ServedBroker) -> None:
    path = run_folder / _RUN_FILE
    try:
        with locked(run_folder / _LOCK_FILE):
            if path.exists() and path.read_bytes() == msgspec.json.encode(served):
                path.unlink()
    except OSError as error:
        raise storage_error(error, path) from error


def _create_configured(embedded: EmbeddedKafka, topics: TopicSettings) -> tuple[str, ...]:
    names = (topics.ticks,)
    for name in names:
        embedded.create_topic(name, topics.partitions, topics.replication)
    return names


def _alive(served: ServedBroker) -> bool:
    if served.process_start is not None:
        return _process_start(served.pid) == served.process_start
    try:
        os.kill(served.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # it lives, under another user
    return True


def _process_start(pid: int) -> int | None:
    """Return when the process began, in clock ticks since boot; None if it is gone or a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in {"Z", "X"} else int(fields[_START_TIME_FIELD])


def _boot_id() -> str | None:
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return None


def _accepts(bootstrap: str) -> bool:
    for server in bootstrap.split(","):
        host, _, port = server.rpartition(":")
        with (
            contextlib.suppress(OSError),
            socket.create_connection((host, int(port)), timeout=_CONNECT_TIMEOUT_S),
        ):
            return True
    return False
