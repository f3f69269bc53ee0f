"""Symbols and venues: few different strings in many messages, each made into a str once."""

from typing import cast

import numpy as np
import numpy.typing as npt

__all__ = ["SHORT", "StringCache"]

Texts = tuple[npt.NDArray[np.object_], list[int]]

SHORT = 7  # bytes of a string that fit, with their length, into one word of eight
_WORD_MASKS = np.array([2 ** (8 * (length + 1)) - 1 for length in range(SHORT + 1)], np.uint64)
_SLOT_BITS = 12
_SHIFT = np.uint64(64 - _SLOT_BITS)
_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio: Fibonacci hashing
_LONG_LIMIT = 8_192


class StringCache:
    """Strings by their UTF-8 bytes; it holds at most some 12,000, new ones in place of old ones.

    Short strings lie in a table that is looked up for all rows at once: a word's slot is taken
    from its hash, and a word that finds another in its slot takes that slot over.
    """

    def __init__(self) -> None:
        self._words = np.zeros(2**_SLOT_BITS, np.uint64)
        self._texts = np.full(2**_SLOT_BITS, "", object)
        self._long: dict[bytes, str] = {}

    def short(self, words: npt.NDArray[np.uint64], lengths: npt.NDArray[np.int64]) -> Texts:
        """Return strings of at most ``SHORT`` bytes, and the rows whose bytes are not UTF-8.

        Args:
            words: of shape ``(n,)``; the lowest byte is the length as Avro writes it, the
                following ones are the string, the others arbitrary.
            lengths: of shape ``(n,)``, in bytes.
        """
        words = words & _WORD_MASKS[lengths]
        slots = ((words * _FACTOR) >> _SHIFT).view(np.int64)
        texts = self._texts[slots]
        known = self._words[slots] == words
        wrong = []
        if not known.all():
            for row in np.flatnonzero(~known).tolist():
                text = texts[row] = self._at(int(slots[row]), int(words[row]))
                if text is None:
                    wrong.append(row)
        return texts, wrong

    def long(self, strings: list[bytes]) -> Texts:
        """Return strings of any length, and the rows whose bytes are not UTF-8."""
        texts = np.empty(len(strings), object)
        wrong = []
        for row, string in enumerate(strings):
            text = self._long.get(string) or self._add(string)
            if text is None:
                wrong.append(row)
            texts[row] = text
        return texts, wrong

    def _at(self, slot: int, word: int) -> str | None:
        if self._words[slot] == word:  # an earlier row brought it
            return cast("str", self._texts[slot])
        content = word.to_bytes(8, "little")
        text = _text(content[1 : 1 + content[0] // 2])
        if text is not None:
            self._words[slot] = word
            self._texts[slot] = text
        return text

    def _add(self, string: bytes) -> str | None:
        text = _text(string)
        if text is not None:
            if len(self._long) >= _LONG_LIMIT:
                self._long.clear()
            self._long[string] = text
        return text


def _text(string: bytes) -> str | None:
    try:
        return string.decode()
    except UnicodeDecodeError:
        return None
