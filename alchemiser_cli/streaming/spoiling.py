"""How a message is spoiled on purpose: as a producer spoils it, not as a wire does.

Kafka's own checksum covers a message on its way, so what cannot be decoded was written so. A
message whose frame is wrong is refused by every decoder; flipped bits of its content could pass
as other content, and nobody would ever know.
"""

from collections.abc import Sequence

import msgspec

from alchemiser_cli.faults import Armed

__all__ = ["SPOILED_HEADER", "Produced", "misframed", "spoiled_before_sending"]

SPOILED_HEADER = "alchemiser.fault"
"""The header of a message that was spoiled before it was sent; its value names the lease."""

_FRAME_BYTES = 5  # Confluent's wire format: a zero byte, then the schema's id


class Produced(msgspec.Struct, frozen=True):
    """The part of a message that a fault may change before it is sent."""

    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


def spoiled_before_sending(message: Produced, armed: Armed) -> Produced:
    """Return ``message`` spoiled, with the header that says so to whoever reads it."""
    told = (SPOILED_HEADER, (armed.lease or "unnamed").encode())
    return Produced(misframed(message.value, armed), [*message.headers, told])


def misframed(value: bytes | None, armed: Armed) -> bytes | None:
    """Return ``value`` with bits of its magic byte or its schema's id flipped."""
    if not value:
        return value
    return armed.spoiled(value[:_FRAME_BYTES]) + value[_FRAME_BYTES:]
