"""The proxy: a thread of its own that listens, passes on, and takes itself down."""

import asyncio
import socket
import threading
from types import TracebackType
from typing import Self

from alchemiser_cli.chaos.proxy.address import Address
from alchemiser_cli.chaos.proxy.disturbance import LOOK_EVERY_S, Disturbance
from alchemiser_cli.chaos.proxy.passage import Traffic, pass_through
from alchemiser_cli.errors import ProxyFailedError
from alchemiser_cli.faults import Armed, FaultKind, declare, proxy_target
from alchemiser_cli.logs import get_logger

__all__ = ["TcpProxy", "Traffic"]

BACKLOG = 128

_log = get_logger("application", "chaos.proxy")


class TcpProxy:
    """Passes TCP connections on to a service, broken as the faults of ``proxy.NAME`` say.

    A context manager. Faults are armed as at any fault point of this process: ``delay``,
    ``throttle``, ``reset``, ``hang``, ``half-close`` and ``down``. Nothing is read from the data,
    so any protocol over TCP may pass, encrypted or not.
    """

    def __init__(self, name: str, *, listen: Address, to: Address) -> None:
        """Declare the target; nothing listens before the block is entered."""
        self.point = declare(proxy_target(name))
        self.traffic = Traffic()
        self._listen = listen
        self._to = to
        self._disturbance = Disturbance(self.point)
        self._loop = asyncio.new_event_loop()
        self._changed = asyncio.Event()
        self._passages: set[asyncio.Task[None]] = set()
        self._accepting: tuple[socket.socket, asyncio.Task[None]] | None = None
        self._work: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name=self.point.name, daemon=True)

    @property
    def address(self) -> Address:
        """Where it listens; the port is a real one while the block lasts."""
        return self._listen

    def __enter__(self) -> Self:
        """Listen.

        Raises:
            ProxyFailedError: ``proxy-failed`` if it cannot listen there.
        """
        try:
            server = self._bound()
        except OSError as error:
            self._loop.close()
            raise _failed(self.point.name, self._listen, error) from error
        self._listen = Address(self._listen.host, server.getsockname()[1])
        self._loop.call_soon(self._begin, server)
        self._thread.start()
        self.point.listen(self._noticed)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close all connections; nothing listens any more."""
        self.point.listen(None)
        self._loop.call_soon_threadsafe(self._stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            self._loop.run_until_complete(self._closed())
        finally:
            self._loop.close()

    def _begin(self, server: socket.socket) -> None:
        self._take(server)
        self._work = self._loop.create_task(self._tend())

    def _stop(self) -> None:
        self._loop.stop()

    async def _closed(self) -> None:
        self._close_door()
        self._break_off()
        if self._work is not None:
            self._work.cancel()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*rest, return_exceptions=True)
        await self._loop.shutdown_default_executor()

    def _noticed(self, _armed: Armed | None) -> None:
        self._loop.call_soon_threadsafe(self._changed.set)

    async def _tend(self) -> None:
        """Take the proxy down and up again, as its fault wants it."""
        down_for: Armed | None = None  # the fault whose present period was given its chance
        while True:
            armed = self.point.armed
            wanted = armed is not None and armed.fault.kind is FaultKind.DOWN and armed.in_force()
            if not wanted:
                down_for = None
                self._open_door()
            elif down_for is not armed:
                down_for = armed
                if self.point.drawn(FaultKind.DOWN) is not None:
                    self._close_door()
                    self._break_off()
            if armed is None:
                await self._changed.wait()
                self._changed.clear()
            else:
                await asyncio.sleep(LOOK_EVERY_S)
                if armed.is_over:
                    self.point.disarm(armed)

    def _open_door(self) -> None:
        if self._accepting is not None:
            return
        try:
            server = self._bound()
        except OSError as error:  # somebody took the port; it is tried again
            _log.warning("proxy_still_down", target=self.point.name, reason=str(error))
            return
        self._take(server)

    def _close_door(self) -> None:
        if self._accepting is not None:
            server, task = self._accepting
            self._accepting = None
            task.cancel()
            self._loop.remove_reader(server)
            server.close()

    def _break_off(self) -> None:
        for task in self._passages:
            task.cancel()  # which resets both of its sides

    def _take(self, server: socket.socket) -> None:
        self._accepting = (server, self._loop.create_task(self._accept(server)))

    async def _accept(self, server: socket.socket) -> None:
        while True:
            client, _ = await self._loop.sock_accept(server)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            passing = pass_through(client, self._to, self._disturbance, self.traffic)
            task = self._loop.create_task(passing)
            self._passages.add(task)
            task.add_done_callback(self._passages.discard)

    def _bound(self) -> socket.socket:
        found = socket.getaddrinfo(
            self._listen.host, self._listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, kind, protocol, _, address = found[0]
        server = socket.socket(family, kind, protocol)
        try:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind(address)
            server.listen(BACKLOG)
            server.setblocking(False)
        except OSError:
            server.close()
            raise
        return server


def _failed(name: str, address: Address, error: OSError) -> ProxyFailedError:
    return ProxyFailedError(
        f"{name} cannot listen on {address}",
        why=f"The system says: {error.strerror or error}.",
        next_step="Choose another port with --listen, or port 0 for any that is free.",
        context={"target": name, "address": str(address)},
    )
