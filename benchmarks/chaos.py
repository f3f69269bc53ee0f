"""What being breakable costs: fault points, looking for leases, a proxy; beside bare work each.

Run it as ``python benchmarks/chaos.py [--trials N] [--only points|notice|watch|proxy] [--json]``.

Points: what a place adds to its caller while it is off, beside an empty loop in the same turns.
Notice: from the moment a lease is taken until the fault is in force in another process's place
(the real watching thread, with the default pause between two looks), over ``--trials`` trials.
Watch: the CPU time of the whole process, the watcher's thread included, for a loop that does
nothing but pass a fault point, against the same without a watcher, by turns. Proxy: bytes through
a proxy without a fault, against the same service reached directly. Exits 1 when a target is
missed.
"""

import argparse
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from figures import Figure, all_met, printed

from alchemiser_cli.chaos.leases import LeaseStore
from alchemiser_cli.chaos.measure import measure_points
from alchemiser_cli.chaos.proxy import Address, TcpProxy
from alchemiser_cli.chaos.suffering import suffering, watchers_database
from alchemiser_cli.clock import SystemClock
from alchemiser_cli.faults import Fault, FaultKind, fault_point
from alchemiser_cli.settings import Settings
from alchemiser_cli.state import StateDatabase

__all__ = ["main", "measure_notice", "measure_off", "measure_proxy", "measure_watch"]

OFF_NS = 100.0
NOTICE_S = 1.0
TARGET = "registry.get"
LASTS_S = 60.0
PATIENCE_S = 5.0
LOOPS = 10_000_000  # about a second: a watcher looks twice in it
TURNS = 5
WATCHED_AT_MOST = 1.05
SENT = 64 * 1024 * 1024
PIECE = 256 * 1024


def measure_off() -> Iterator[Figure]:
    """Yield what a place costs, in nanoseconds, and an injected error beside one by hand."""
    cost = measure_points(SystemClock())
    yield Figure("point that is off", cost.off_ns, OFF_NS, "ns", "over an empty loop")
    yield Figure("point armed, not struck", cost.armed_ns, None, "ns")
    ratio = cost.strike_us / cost.raise_us
    yield Figure("injected error", ratio, None, "x", f"by hand {cost.raise_us:.1f} us")
    ratio = cost.guarded_armed_us / cost.guarded_us
    yield Figure("guarded call, armed", ratio, None, "x", f"off {cost.guarded_us:.2f} us")


def measure_notice(settings: Settings, trials: int) -> Iterator[Figure]:
    """Yield how long leases took to be in force, in seconds: the median and the longest."""
    clock, point = SystemClock(), fault_point(TARGET)
    fault = Fault(kind=FaultKind.DELAY, amount=0.001)
    taken: list[float] = []
    with (
        closing(StateDatabase.of(settings, clock)) as database,
        closing(watchers_database(settings, clock)) as watched,
    ):
        store = LeaseStore(database, clock)
        store.in_force()
        with suffering(settings, watched, clock):
            for number in range(trials):
                time.sleep(settings.chaos.poll_s * number / trials)  # at any phase of its pause
                begun = time.monotonic()
                lease = store.take(
                    TARGET,
                    fault,
                    duration_s=LASTS_S,
                    environment=str(settings.environment),
                    owner="bench",
                )
                while point.armed is None and time.monotonic() - begun < PATIENCE_S:
                    time.sleep(0.001)
                taken.append(time.monotonic() - begun)
                store.end(lease.id, "bench")
                while point.armed is not None and time.monotonic() - begun < PATIENCE_S:
                    time.sleep(0.001)
    detail = f"of {trials}, looking every {settings.chaos.poll_s:g} s"
    yield Figure("lease noticed, longest", max(taken), NOTICE_S, "s", detail)
    yield Figure("lease noticed, median", statistics.median(taken), None, "s")


def measure_watch(settings: Settings) -> Iterator[Figure]:
    """Yield the time of a hot loop with the watcher over the time without, by turns."""
    clock, ratios = SystemClock(), []
    with closing(watchers_database(settings, clock)) as watched:
        _hot()
        for _ in range(TURNS):
            first = _cpu_of_hot()
            with suffering(settings, watched, clock):
                watching = _cpu_of_hot()
            ratios.append(watching / ((first + _cpu_of_hot()) / 2))
    ratio = statistics.median(ratios)
    yield Figure(
        "hot loop, watched", ratio, WATCHED_AT_MOST, "x", f"{LOOPS:,} passes of a point a turn"
    )


def measure_proxy() -> Iterator[Figure]:
    """Yield the throughput through a proxy as a share of the direct one, and the extra delay."""
    shares, direct_s, through_s = [], [], []
    with (
        _swallowing() as service,
        TcpProxy("bench", listen=Address("127.0.0.1", 0), to=service) as proxy,
    ):
        for _ in range(5):
            direct, through = _sent_s(service), _sent_s(proxy.address)
            shares.append(direct / through)
        for _ in range(300):
            direct_s.append(_turn_s(service))
            through_s.append(_turn_s(proxy.address))
    megabytes = SENT / 1e6 / direct
    share = statistics.median(shares)
    yield Figure("proxy, throughput", share, None, "x", f"the last direct {megabytes:,.0f} MB/s")
    extra_us = (statistics.median(through_s) - statistics.median(direct_s)) * 1e6
    detail = f"direct {statistics.median(direct_s) * 1e6:.0f} us, connecting included"
    yield Figure("proxy, question and answer", extra_us, None, "us", detail)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the table or JSON, and fail when a target is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--trials", type=int, default=50, help="leases (default: 50)")
    parser.add_argument("--only", choices=("points", "notice", "watch", "proxy"))
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder))
        if options.only in (None, "points"):
            figures += measure_off()
        if options.only in (None, "notice"):
            figures += measure_notice(settings, options.trials)
        if options.only in (None, "watch"):
            figures += measure_watch(settings)
    if options.only in (None, "proxy"):
        figures += measure_proxy()
    print(printed(figures, as_json=options.json))
    return 0 if all_met(figures) else 1


def _hot() -> int:
    point, total = fault_point(TARGET), 0
    for number in range(LOOPS):
        if point.armed is not None:
            point.strike()
        total += number
    return total


def _cpu_of_hot() -> float:
    begun = time.process_time()
    _hot()
    return time.process_time() - begun


@contextmanager
def _swallowing() -> Iterator[Address]:
    """Run a service that says one byte for each connection that has said all."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            buffer = bytearray(PIECE)
            while True:
                try:
                    one, _ = server.accept()
                except OSError:
                    return
                with one:
                    while one.recv_into(buffer):
                        pass
                    one.sendall(b".")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield Address(*server.getsockname())
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def _sent_s(address: Address, size: int = SENT) -> float:
    piece = bytes(min(PIECE, size))
    begun = time.perf_counter()
    with socket.create_connection((address.host, address.port)) as one:
        for _ in range(size // len(piece)):
            one.sendall(piece)
        one.shutdown(socket.SHUT_WR)
        one.recv(1)
    return time.perf_counter() - begun


def _turn_s(address: Address) -> float:
    return _sent_s(address, 1)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    sys.exit(main())
