"""A TCP proxy between a client and a service, which breaks what passes as faults demand."""

from alchemiser_cli.chaos.proxy.address import Address
from alchemiser_cli.chaos.proxy.proxy import TcpProxy, Traffic

__all__ = ["Address", "TcpProxy", "Traffic"]
