"""Two wordings of one thing: the words of a sentence that carry its meaning.

Operators write what they did in a hurry: "restarted broker 2", "Restarted the broker 3.". Numbers,
addresses and paths are masked as in the messages of errors, endings of words and small words fall
away, and what is left says whether two people did the same.
"""

import re
import unicodedata

from alchemiser_cli.errors.journal.templates import WILDCARD, skeleton

__all__ = ["gist", "stem", "stems"]

SHORTEST_STEM = 3

_QUOTES = str.maketrans("", "", "\"'`\u2018\u2019\u201c\u201d")
_WORD = re.compile(rf"{re.escape(WILDCARD)}|[^\W_]+")
_SMALL = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be been by did for had has have i in is it its of on our so that the"
        " then there this was we were which with",
    )
)
# Words that make the order matter: "moved from blue to green" is not its reverse.
_DIRECTIONS = frozenset(("after", "before", "from", "instead", "into", "not", "over", "to"))


def gist(text: str) -> str:
    """Return what is equal for two wordings of one thing, and differs for two things.

    The order of the words counts only where a word such as "from" or "not" makes it matter, so
    that "broker 2 was restarted" is "restarted broker 3".
    """
    words = stems(text)
    if not any(word != WILDCARD for word in words):
        return " ".join(text.casefold().split())  # only a number: nothing to abstract from
    return " ".join(words if _DIRECTIONS.intersection(words) else sorted(words))


def stems(text: str) -> list[str]:
    """Return the words of ``text`` without small words and endings; ``<*>`` is what varies."""
    plain = unicodedata.normalize("NFKC", text).translate(_QUOTES).casefold()
    return [stem(word) for word in _WORD.findall(skeleton(plain)) if word not in _SMALL]


def stem(word: str) -> str:
    """Return ``word``, in small letters, without its English ending: restart for restarting."""
    for ending in ("ing", "ed", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= SHORTEST_STEM:
            word = word if word.endswith("ss") else word.removesuffix(ending)
            break
    if word.endswith("e") and len(word) > SHORTEST_STEM:
        word = word[:-1]
    doubled = len(word) > SHORTEST_STEM and word[-1] == word[-2] and word[-1].isalpha()
    return word[:-1] if doubled else word
