"""Reading Avro's encoding at a position in each of many messages at once, with NumPy.

The encoding: https://avro.apache.org/docs/1.12.0/specification/#binary-encoding
"""

import numpy as np
import numpy.typing as npt

__all__ = ["BEYOND", "AvroCursor", "Longs", "Mask"]

Longs = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
Bytes = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

BEYOND = 16  # bytes that a read may look at beyond its position
_WORD = 8
_MORE = 0x80  # the bit that says that a varint goes on
_MORE_BITS = np.uint64(0x8080808080808080)
_SEVEN_BITS = np.uint64(0x7F7F7F7F7F7F7F7F)
# Groups of 7 bits move together in three steps, two neighbours at a time; the last number is the
# least set of bits from which on a step has anything to move.
_GATHER = [
    (np.uint64(keep), np.uint64(shift), np.uint64(move), needed_from)
    for keep, shift, move, needed_from in (
        (0x007F007F007F007F, 1, 0x3F803F803F803F80, 2**8),
        (0x00003FFF00003FFF, 2, 0x0FFFC0000FFFC000, 2**16),
        (0x000000000FFFFFFF, 4, 0x00FFFFFFF0000000, 2**32),
    )
]
_SHORTER_THAN_A_WORD = 2**56 - 1
_ONE = np.uint64(1)
_LOWEST = np.uint64(0xFF)
_EIGHT_GROUPS, _NINE_GROUPS = np.uint64(56), np.uint64(63)  # in bits


class AvroCursor:
    """A position in each of ``n`` messages that lie one after the other in one buffer.

    A row that is not read right is no longer ``sound`` and goes on with arbitrary values; no
    read leaves the buffer. Positions only ever grow, so a row whose position is its message's
    end after the last field has read nothing of its neighbours.
    """

    def __init__(self, buffer: bytes, at: Longs, ends: Longs) -> None:
        """Stand at the positions ``at``; both arrays are of shape ``(n,)``.

        After the last end, ``buffer`` needs as many bytes as the fields take at most without
        the contents of long strings, and ``BEYOND``: unsound rows run on.
        """
        self.at = at
        self.ends = ends
        self.sound: Mask = np.ones(len(at), np.bool_)
        self._buffer = buffer
        self._bytes: Bytes = np.frombuffer(buffer, np.uint8)
        # The 8 bytes from every position on, overlapping.
        self._words: Words = np.ndarray((len(buffer) - _WORD + 1,), "<u8", buffer, strides=(1,))

    def among(self, rows: Mask) -> "AvroCursor":
        """Return a cursor of its own over some rows."""
        return AvroCursor(self._buffer, self.at[rows], self.ends[rows])

    def first_bytes(self) -> Bytes:
        """Return the byte at each position, and stay."""
        return self._bytes[self.at]

    def words(self) -> Words:
        """Return the eight bytes at each position, the first one lowest, and stay."""
        return self._words[self.at]

    def small(self) -> Bytes:
        """Read numbers from 0 to 63; others break their row."""
        values = self.first_bytes()
        self.sound &= (values & 0x81) == 0  # neither goes on nor negative
        self.at += 1
        return np.right_shift(values, 1, dtype=np.uint8)

    def branches(self, branch: int) -> Mask:
        """Read the branches of a union of two, and tell which rows have ``branch``."""
        values = self.first_bytes()
        self.sound &= (values & 0xFD) == 0  # 0 or 1
        self.at += 1
        return np.equal(values, branch << 1)

    def doubles(self) -> npt.NDArray[np.float64]:
        """Read doubles."""
        values = self.words().view(np.float64)
        self.at += _WORD
        return values

    def varints(self) -> Longs:
        """Read zigzag numbers of at most 64 bits; longer ones break their row."""
        words = self.words()
        ends = ~words & _MORE_BITS
        taken = ends ^ (ends - _ONE)  # all bits up to the last byte's highest, or all 64
        lengths = np.right_shift(np.bitwise_count(taken), 3, dtype=np.uint8)
        numbers = words & (taken & _SEVEN_BITS)
        longest = int(np.bitwise_or.reduce(taken))
        for keep, shift, move, needed_from in _GATHER:
            if longest >= needed_from:
                numbers = (numbers & keep) | ((numbers >> shift) & move)
        if longest > _SHORTER_THAN_A_WORD and not ends.all():
            self._long_varints(numbers, lengths, ends == 0)
        self.at += lengths
        return ((numbers >> _ONE) ^ -(numbers & _ONE)).view(np.int64)

    def short_strings(self, longest: int) -> tuple[Words, Longs] | None:
        """Read strings if none is longer than ``longest`` bytes: 1, 3 or 7.

        Returns:
            The words at their lengths' bytes and the lengths, of shape ``(n,)`` each; or None,
            and the cursor stays, if a string is longer or a length takes more than a byte.
        """
        words = self.words()
        heads = words & _LOWEST
        if int(np.bitwise_or.reduce(heads)) & ~(2 * longest):
            return None
        lengths = (heads >> _ONE).view(np.int64)
        self.at += lengths
        self.at += 1
        return words, lengths

    def all_null(self, count: int) -> bool:
        """Read ``count`` unions, up to seven, if all rows have branch 0 in all; else stay."""
        if int(np.bitwise_or.reduce(self.words())) & (2 ** (8 * count) - 1):
            return False
        self.at += count
        return True

    def strings(self) -> tuple[Longs, Longs]:
        """Read strings and return where they begin and their lengths in bytes."""
        lengths = self.varints()
        wrong = (lengths < 0) | (lengths > self.ends - self.at)
        if wrong.any():
            self.sound &= ~wrong
            lengths[wrong] = 0
        begins = self.at
        self.at = begins + lengths
        return begins, lengths

    def _long_varints(self, numbers: Words, lengths: Bytes, rows: Mask) -> None:
        ninth = self._bytes[self.at + _WORD] * rows
        numbers |= (ninth & 0x7F).astype(np.uint64) << _EIGHT_GROUPS
        lengths += rows
        goes_on = ninth >= _MORE
        if goes_on.any():
            tenth = self._bytes[self.at + (_WORD + 1)] * goes_on
            numbers |= tenth.astype(np.uint64) << _NINE_GROUPS
            lengths += goes_on
            self.sound &= tenth <= 1
