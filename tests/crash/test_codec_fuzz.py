"""Whatever bytes come, each message is a tick or refused, on both paths alike, without a crash.

``CRASH=full`` mutates 100,000 messages, otherwise 3,000.
"""

import os
import random
import struct
from collections import Counter

import pytest

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.errors import MessageUndecodableError
from alchemiser_cli.market.columns import KINDS
from alchemiser_cli.market.ticks import Tick
from alchemiser_cli.settings.sections import RegistrySettings
from alchemiser_cli.streaming.codec import TickDecoder, TickEncoder
from alchemiser_cli.streaming.columnar import ColumnDecoder
from alchemiser_cli.streaming.registry import open_registry
from alchemiser_cli.streaming.schemas import SchemaCache

MESSAGES = 100_000 if os.environ.get("CRASH") == "full" else 3_000
BATCH = 500


def random_tick(chance):
    return Tick(
        symbol=chance.choice(["SPY", "BTCUSDT", "SPX230616C04000000"]),
        venue=chance.choice(["XNYS", "BINANCE"]),
        kind=chance.choice(KINDS),
        sequence=chance.randint(1, 2 ** chance.randint(1, 62)),
        event_time_ns=1_600_000_000_000_000_000 + chance.randrange(10**17),
        price=chance.uniform(1, 1_000),
        bid=chance.choice([None, chance.uniform(1, 1_000)]),
        high=chance.choice([None, chance.uniform(1, 1_000)]),
    )


def mutated(chance, data):
    data = bytearray(data)
    for _ in range(chance.choice([0, 1, 1, 2, 8])):
        begin = chance.randrange(len(data))
        match chance.randrange(6):
            case 0:
                data[begin] = chance.choice([0, 1, 2, 4, 0x7F, 0x80, 0xFF, chance.randrange(256)])
            case 1:
                data[begin] ^= 1 << chance.randrange(8)
            case 2:
                del data[begin : begin + chance.randint(1, 9)]
            case 3:
                data[begin:begin] = chance.randbytes(chance.randint(1, 9))
            case 4:
                data[begin : begin + 8] = struct.pack("<d", chance.choice([float("nan"), 1e308]))
            case 5:
                data[begin : begin + 10] = b"\xff" * chance.randint(8, 12)
        if not data:
            return b""
    return bytes(data)


def alone(decoder, value):
    try:
        return decoder.decode(value)
    except MessageUndecodableError as error:
        return error


@pytest.mark.timeout(600)
@pytest.mark.provokes("message-undecodable")
def test_every_mutated_message_is_a_tick_or_refused_on_both_paths(tmp_path):
    registry = open_registry(RegistrySettings(), f"file:{tmp_path}")
    encoder = TickEncoder(registry, "market.ticks-value")
    cache = SchemaCache(registry, ManualClock())
    single, columns = TickDecoder(cache), ColumnDecoder(cache)
    chance = random.Random(4)  # noqa: S311  no secret; the same mutations every time
    counts = Counter()
    for _ in range(MESSAGES // BATCH):
        values = [mutated(chance, encoder.encode(random_tick(chance))) for _ in range(BATCH)]
        together = columns.decode_ticks(values)
        for value, one in zip(values, together, strict=True):
            expected = alone(single, value)
            if isinstance(one, Tick):
                assert one == expected
                counts["tick"] += 1
            else:
                assert one.context == expected.context
                counts[one.context["reason"]] += 1
    assert counts.total() == MESSAGES
    assert set(counts) >= {"tick", "truncated", "trailing-bytes", "malformed", "unknown-schema"}
