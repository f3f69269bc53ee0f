"""Making the bytes of a line: the entry, its place and time, and the hash over them."""

from typing import Any

import msgspec

from alchemiser_cli import __version__
from alchemiser_cli.clock import NS_PER_SECOND, iso_from_ns
from alchemiser_cli.trading.audit.chain import HASH_FIELD, LINE_END, starter
from alchemiser_cli.trading.audit.days import DAY_NS
from alchemiser_cli.trading.audit.record import SCHEMA_VERSION, AuditEntry, AuditEvent
from alchemiser_cli.trading.decisions import LimitReading

__all__ = ["LineEncoder"]


class _Line(msgspec.Struct, gc=False):
    """A line without its hash, in the order of ``AuditRecord``."""

    schema_version: int
    sequence: int
    event_id: str
    at: str
    at_ns: int
    event: AuditEvent
    app_version: str
    run_id: str
    broker: str
    strategy_id: str
    param_hash: str
    model_hash: str
    reason: str
    symbol: str
    side: str
    quantity: int
    limits: tuple[LimitReading, ...]
    causation: str
    detail: Any
    prev_hash: str


class LineEncoder:
    """Encodes lines of one run into one buffer, which the next line overwrites."""

    def __init__(self, run_id: str, broker: str, key: bytes | None) -> None:
        """Keep what all lines of a run share; ``key`` signs them."""
        self._run_id, self._broker = run_id, broker
        self._start = starter(key)
        self._encode_into = msgspec.json.Encoder().encode_into
        self._encode_any = msgspec.json.Encoder(enc_hook=str).encode_into
        self._buffer = bytearray(4_096)
        self._day_ns, self._day = -DAY_NS, ""
        self._second_ns, self._second = -NS_PER_SECOND, ""

    def encode(
        self, entry: AuditEntry, sequence: int, at_ns: int, prev_hash: str
    ) -> tuple[bytearray, str]:
        """Return the line with its newline, and its hash in hexadecimal.

        Raises:
            TypeError: as ``ValueError`` and ``RecursionError``, for what JSON has no form for.
        """
        detail = entry.detail
        if isinstance(detail, msgspec.Raw):  # foreign text; it may hold a line's end
            detail = msgspec.json.decode(detail)
        line = _Line(
            SCHEMA_VERSION,
            sequence,
            entry.event_id,
            self._iso(at_ns),
            at_ns,
            entry.event,
            __version__,
            self._run_id,
            self._broker,
            entry.strategy_id,
            entry.param_hash,
            entry.model_hash,
            entry.reason,
            entry.symbol,
            entry.side,
            entry.quantity,
            entry.limits,
            entry.causation,
            detail,
            prev_hash,
        )
        buffer = self._buffer
        try:
            self._encode_into(line, buffer)
        except TypeError:  # a detail of a type that JSON has no form for is told in words
            self._encode_any(line, buffer)
        del buffer[-1:]  # the closing brace
        digest = self._start()
        digest.update(prev_hash.encode())
        digest.update(buffer)
        found = digest.hexdigest()
        buffer += HASH_FIELD
        buffer += found.encode()
        buffer += LINE_END
        return buffer, found

    def _iso(self, at_ns: int) -> str:
        """Write a time as ``iso_from_ns`` does, at a fraction of its cost within one day."""
        since = at_ns - self._second_ns
        if not 0 <= since < NS_PER_SECOND:
            of_day = at_ns - self._day_ns
            if not 0 <= of_day < DAY_NS:
                of_day = at_ns % DAY_NS
                self._day_ns = at_ns - of_day
                self._day = iso_from_ns(self._day_ns)[:11]
            seconds, since = divmod(of_day, NS_PER_SECOND)
            minutes, seconds = divmod(seconds, 60)
            hours, minutes = divmod(minutes, 60)
            self._second_ns = at_ns - since
            self._second = f"{self._day}{hours:02d}:{minutes:02d}:{seconds:02d}"
        return f"{self._second}.{since // 1_000:06d}+00:00"
