"""One connection through a proxy: two sockets, and what goes between them."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable

import msgspec

from alchemiser_cli.chaos.proxy.address import Address
from alchemiser_cli.chaos.proxy.disturbance import Disturbance, ResetOnPurposeError
from alchemiser_cli.logs import get_logger

__all__ = ["Traffic", "pass_through", "reset"]

_log = get_logger("application", "chaos.proxy")

PIECE = 256 * 1024
_LINGER_NOT = struct.pack("ii", 1, 0)  # a close that sends RST, see socket(7)


class Traffic(msgspec.Struct):
    """What passed a proxy so far."""

    connections: int = 0
    bytes_to_service: int = 0
    bytes_to_client: int = 0


async def pass_through(
    client: socket.socket, service: Address, disturbance: Disturbance, traffic: Traffic
) -> None:
    """Connect ``client`` with ``service`` until both have said all, or one of them breaks off.

    Where one side is reset, or there is no service, the other is reset as well.
    """
    traffic.connections += 1
    server: socket.socket | None = None
    close: Callable[[socket.socket], None] = reset  # until both have said all
    try:
        await disturbance.opening()
        server = await _connected(service)
        async with asyncio.TaskGroup() as both:
            both.create_task(_pump(client, server, disturbance, traffic, to_client=False))
            both.create_task(_pump(server, client, disturbance, traffic, to_client=True))
        close = socket.socket.close
    except* OSError:
        _log.debug("connection_broken", to=str(service))
    finally:
        close(client)
        if server is not None:
            close(server)


def reset(one: socket.socket) -> None:
    """Close a connection with RST: what was on its way is lost."""
    with contextlib.suppress(OSError):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    one.close()


async def _connected(service: Address) -> socket.socket:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(service.host, service.port, type=socket.SOCK_STREAM)
    family, kind, protocol, _, address = found[0]
    server = socket.socket(family, kind, protocol)
    try:
        server.setblocking(False)
        await loop.sock_connect(server, address)
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        server.close()
        raise
    return server


async def _pump(
    source: socket.socket,
    sink: socket.socket,
    disturbance: Disturbance,
    traffic: Traffic,
    *,
    to_client: bool,
) -> None:
    loop = asyncio.get_running_loop()
    whole = memoryview(bytearray(PIECE))
    point = disturbance.point
    ended = False
    while size := await loop.sock_recv_into(
        source, whole if point.armed is None else whole[: disturbance.limit(PIECE)]
    ):
        if ended:
            continue
        if point.armed is not None:
            try:
                ended = await disturbance.passing(size, to_client=to_client)
            except ResetOnPurposeError:
                await loop.sock_sendall(sink, whole[: size // 2])
                raise
            if ended:
                sink.shutdown(socket.SHUT_WR)
                continue
        await loop.sock_sendall(sink, whole[:size])
        if to_client:
            traffic.bytes_to_client += size
        else:
            traffic.bytes_to_service += size
    if not ended:
        sink.shutdown(socket.SHUT_WR)
