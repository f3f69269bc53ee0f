"""How alike two error codes are, and in what.

By the words of their code and meaning, by their family, by the words of their messages and by the
component that they befall. Words count by how few codes have them (TF-IDF, cosine), so that "not"
and "found" say little and "broker" much. Source: Salton and Buckley, "Term-weighting approaches in
automatic text retrieval", Information Processing & Management 24 (1988).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import log, sqrt

import msgspec

from alchemiser_cli.errors import AlchemiserError, error_class, error_codes
from alchemiser_cli.errors.journal.records import ErrorGroup
from alchemiser_cli.errors.journal.templates import WILDCARD
from alchemiser_cli.errors.journal.wording import stem, stems

__all__ = ["SimilarCode", "similarity"]

MOST_MESSAGES = 20  # of a code are compared: the latest
SHOWN_WORDS = 3
CODE_WORD_WEIGHT = 2.0  # a word of the code is chosen with more care than one of a sentence

# What each likeness counts; one that cannot be told (a code never seen) counts nothing.
WORDS, FAMILY, MESSAGES, COMPONENTS = 0.45, 0.25, 0.2, 0.1


class SimilarCode(msgspec.Struct, frozen=True):
    """A code that is like the one in question: how much (0 to 1), and in what."""

    code: str
    likeness: float
    because: str


def similarity(
    code: str, groups: Sequence[ErrorGroup], other: str, theirs: Sequence[ErrorGroup]
) -> SimilarCode:
    """Return how much ``other`` is like ``code``, from 0 to 1, and in what; groups may be none."""
    weights = _rarity()
    words, shared_words = _cosine(_words(code), _words(other), weights)
    shares = [(WORDS, words)]
    mine, yours = _families(code), _families(other)
    family = next((name for name in mine if name in yours), "")
    if mine:
        kinship = _jaccard(set(mine), set(yours)) * _closeness().get(family, 0.0)
        shares.append((FAMILY, kinship))
    same_components: set[str] = set()
    if groups and theirs:
        messages, _ = _cosine(_messages(groups), _messages(theirs), weights)
        components = {one.component for one in groups}, {one.component for one in theirs}
        same_components = components[0] & components[1]
        shares += [(MESSAGES, messages), (COMPONENTS, _jaccard(*components))]
    likeness = sum(weight * like for weight, like in shares) / sum(weight for weight, _ in shares)
    reasons = [
        f"same family {family}" if family else "",
        f"same words: {', '.join(_surface(code, shared_words))}" if shared_words else "",
        f"same component: {', '.join(sorted(same_components))}" if same_components else "",
    ]
    because = "; ".join(filter(None, reasons)) or "similar messages"
    return SimilarCode(other, round(likeness, 3), because)


def _words(code: str) -> dict[str, float]:
    unknown = dict.fromkeys(map(stem, code.split("-")), CODE_WORD_WEIGHT)  # of a lost plugin
    return _vocabulary().get(code, unknown)


@lru_cache(maxsize=1)
def _vocabulary() -> dict[str, dict[str, float]]:
    """Return each code's words with their weights: those of the code itself and of its meaning."""
    words: dict[str, dict[str, float]] = {}
    for entry in error_codes():
        words[entry.code] = dict.fromkeys(set(stems(entry.summary)) - {WILDCARD}, 1.0)
        for word in entry.code.split("-"):
            words[entry.code][stem(word)] = CODE_WORD_WEIGHT
    return words


@lru_cache(maxsize=1)
def _rarity() -> dict[str, float]:
    codes = _vocabulary()
    having = Counter(word for words in codes.values() for word in words)
    return {word: log(len(codes) / count) for word, count in having.items()}


def _messages(groups: Sequence[ErrorGroup]) -> dict[str, float]:
    latest = groups[:MOST_MESSAGES]
    return dict.fromkeys((word for one in latest for word in _message_words(one.template)), 1.0)


@lru_cache(maxsize=1_024)
def _message_words(template: str) -> list[str]:
    return [word for word in stems(template) if word != WILDCARD]


def _cosine(
    mine: Mapping[str, float], yours: Mapping[str, float], rarity: Mapping[str, float]
) -> tuple[float, list[str]]:
    """Return the cosine of two bags of words, and the shared words, the weightiest first."""
    common = log(len(_vocabulary()))  # a word of no code is as rare as one of a single code
    a, b = (
        {word: weight * rarity.get(word, common) for word, weight in bag.items()}
        for bag in (mine, yours)
    )
    length = sqrt(sum(x * x for x in a.values()) * sum(x * x for x in b.values()))
    shared = sorted((word for word in a if word in b), key=lambda word: (-a[word] * b[word], word))
    return (sum(a[word] * b[word] for word in shared) / length if length else 0.0), shared


def _families(code: str) -> list[str]:
    """Return the names of the families of a code's error, the nearest first."""
    kind = error_class(code)
    ancestors = kind.__mro__[1:] if kind else ()
    return [
        one.__name__
        for one in ancestors
        if issubclass(one, AlchemiserError) and one is not AlchemiserError
    ]


@lru_cache(maxsize=1)
def _closeness() -> dict[str, float]:
    """Return for each family from 0 to 1 what it says that two errors are in it: few are, much."""
    sizes = Counter(name for entry in error_codes() for name in _families(entry.code))
    return {name: 1 - log(size) / log(len(_vocabulary())) for name, size in sizes.items()}


def _jaccard(mine: set[str], yours: set[str]) -> float:
    return len(mine & yours) / len(mine | yours) if mine | yours else 0.0


def _surface(code: str, shared: list[str]) -> list[str]:
    """Return the shared words as they are written in the code, or else their stems."""
    written = {stem(word): word for word in code.split("-")}
    return [written[word] for word in shared if word in written][:SHOWN_WORDS]
