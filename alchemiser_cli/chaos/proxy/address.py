"""Where a proxy listens, and where it passes things on to."""

from typing import Self

import msgspec

from alchemiser_cli.errors import UsageError

__all__ = ["Address"]

LOOPBACK = "127.0.0.1"
HIGHEST_PORT = 65_535


class Address(msgspec.Struct, frozen=True):
    """A host, by name or number, and a TCP port; port 0 is any that is free."""

    host: str
    port: int

    @classmethod
    def of(cls, text: str) -> Self:
        """Read HOST:PORT, [IPV6]:PORT, or a port of the loopback.

        Raises:
            UsageError: ``usage``.
        """
        host, _, port = text.rpartition(":")
        if not port.isdecimal() or int(port) > HIGHEST_PORT:
            raise UsageError(
                f"{text!r} is no address",
                why=f"It ends in no port from 0 to {HIGHEST_PORT}.",
                next_step="Write HOST:PORT, as in 127.0.0.1:5432.",
                context={"address": text},
            )
        return cls(host.removeprefix("[").removesuffix("]") or LOOPBACK, int(port))

    def __str__(self) -> str:
        """Write it as ``of`` reads it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"
