"""What a strategy says: a signal with everything that is needed to explain it later, or a hold.

What is made for each tick cannot be part of a cycle, so the garbage collector does not look at it.
"""

import hashlib
from collections.abc import Mapping

import msgspec

__all__ = ["Hold", "Intent", "ModelStamp", "Origin", "Signal", "signal_id"]


class Origin(msgspec.Struct, frozen=True, gc=False):
    """The message that led to something: ``topic``, ``partition`` and ``offset``.

    A dataset that is replayed without Kafka stands as the topic ``dataset:NAME``, partition 0,
    and the row as its offset.
    """

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        """Write it as TOPIC/PARTITION/OFFSET."""
        return f"{self.topic}/{self.partition}/{self.offset}"


class ModelStamp(msgspec.Struct, frozen=True, kw_only=True):
    """The model that a strategy acts on.

    ``hash`` is over its weights; ``feature_schema_hash`` is that of what it looks at.
    ``generation`` is that of the weight bus, None for a model from a file.
    """

    name: str
    version: str
    hash: str
    feature_schema_hash: str
    generation: int | None = None


class Intent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a strategy wants for one symbol: to hold ``target`` units or contracts, signed.

    ``reason`` is a few words for people. ``confidence`` is the probability that the trade wins,
    0 to 1, where a model gives one. ``stop_price`` is where it would be given up.
    """

    symbol: str
    target: int
    reason: str
    confidence: float | None = None
    stop_price: float | None = None


class Hold(msgspec.Struct, frozen=True):
    """A strategy looked and wants nothing changed; ``reason`` is a few words, always the same."""

    reason: str


class Signal(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One intent of a strategy, on its way to the risk gate.

    ``signal_id`` follows from strategy, parameters, symbol and origin: a message that is read
    twice gives the same signal. ``reference_price`` is the mid when the strategy looked, in the
    instrument's currency; times are UTC nanoseconds. ``features`` is what it looked at, by name;
    ``policy_expired`` tells that its weights were too old to act on.
    """

    signal_id: str
    strategy_id: str
    param_hash: str
    broker: str
    symbol: str
    target: int
    reason: str
    reference_price: float
    tick_time_ns: int
    decided_at_ns: int
    origin: Origin
    confidence: float | None = None
    stop_price: float | None = None
    model: ModelStamp | None = None
    policy_expired: bool = False
    features: Mapping[str, float] = {}


def signal_id(strategy_id: str, param_hash: str, symbol: str, origin: Origin) -> str:
    """Return the id of the one signal that these can give: 24 hexadecimal digits of BLAKE2b."""
    text = f"{strategy_id}\0{param_hash}\0{symbol}\0{origin}"
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
