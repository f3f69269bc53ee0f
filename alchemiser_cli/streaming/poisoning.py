"""Messages that a fault spoils on purpose, and the mark that they carry from then on."""

from collections.abc import Iterable, Sequence

from alchemiser_cli.errors import MessageUndecodableError
from alchemiser_cli.faults import Armed, fault_point
from alchemiser_cli.market.ticks import Tick
from alchemiser_cli.streaming.acknowledged import Header
from alchemiser_cli.streaming.columnar import ColumnDecoder, DecodedColumns
from alchemiser_cli.streaming.spoiling import SPOILED_HEADER, misframed

__all__ = ["Poisoning", "marked"]

_DECODE = fault_point("streaming.decode")


class Poisoning:
    """What the fault at ``streaming.decode`` does to the values of one batch.

    The messages themselves stay as they came, so that a dead letter holds what can be redriven.
    What a struck message fails with is marked as injected.
    """

    def __init__(self, values: Sequence[bytes | None]) -> None:
        """Strike ``values``."""
        self._spoiled: set[int] = set()
        self._refused: dict[int, MessageUndecodableError] = {}
        self._values = [self._struck(row, value) for row, value in enumerate(values)]

    def columns(self, decoder: ColumnDecoder) -> DecodedColumns:
        """Decode as ``ColumnDecoder.decode``."""
        decoded = decoder.decode(self._values)
        decoded.undecodable[:] = [(row, self._of(row, error)) for row, error in decoded.undecodable]
        return decoded

    def ticks(self, decoder: ColumnDecoder) -> list[Tick | MessageUndecodableError]:
        """Decode as ``ColumnDecoder.decode_ticks``."""
        return [
            outcome if isinstance(outcome, Tick) else self._of(row, outcome)
            for row, outcome in enumerate(decoder.decode_ticks(self._values))
        ]

    def _struck(self, row: int, value: bytes | None) -> bytes | None:
        def spoil(whole: bytes | None, armed: Armed) -> bytes | None:
            self._spoiled.add(row)
            return misframed(whole, armed)

        try:
            (left,) = _DECODE.alter_all([value], spoil)
        except MessageUndecodableError as error:
            self._refused[row] = error
            return None
        return left

    def _of(self, row: int, error: MessageUndecodableError) -> MessageUndecodableError:
        error = self._refused.get(row, error)
        if row in self._spoiled:
            error.injected = True
        return error


def marked(error: MessageUndecodableError, headers: Iterable[Header]) -> MessageUndecodableError:
    """Return ``error``, marked as injected where a fault spoiled the message before it was sent."""
    if any(name == SPOILED_HEADER for name, _ in headers):
        error.injected = True
    return error
