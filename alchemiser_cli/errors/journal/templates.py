"""Message templates: what stays the same when the numbers, names and ids of a message change.

``skeleton`` only masks and depends on nothing but its message, so that what is derived from it
(the fingerprint) is the same in every process and after every restart. ``TemplateMiner`` learns
from a stream and also finds the words that vary, for messages that others wrote.
"""

import re
from collections import Counter
from collections.abc import Iterator

import msgspec

__all__ = ["WILDCARD", "TemplateGroup", "TemplateMiner", "skeleton"]

WILDCARD = "<*>"

MESSAGE_LIMIT = 4_000  # characters that are looked at
SKELETON_LIMIT = 600  # characters that are kept
PREFIX_TOKENS = 2  # levels of the tree below the number of tokens
TOKEN_LIMIT = 80  # tokens that are compared
CHILDREN_LIMIT = 100  # words a level tells apart; all further ones share a branch
VOTES_LIMIT = 8  # words a column tells apart

_VARIABLE = re.compile(
    r"""
      \b[A-Za-z][A-Za-z0-9+.-]*://[^\s'"<>,;)\]}]+                  # URL
    | "(?:[^"\\\n]|\\.)*+" | (?<!\w)'[^'\n]*+'(?!\w)                # quoted
    | (?<![\w.])(?:~|\.{1,2})?/[\w.@%+~=$-]+(?:/[\w.@%+~=$-]*)*+    # path
    | \b[A-Za-z]:\\[^\s'"]+                                         # path of Windows
    | (?<!\w)(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{1,4}(?![\w:])    # IPv6, MAC, time of day
    | \b(?:localhost|[\w-]++(?:\.[\w-]++)+):\d+\b                   # host:port
    | (?<![\w.-])[\w.-]*\d(?:[\w.-]*\w)?                            # number, time, id, uuid, hex
    | \b[0-9A-Fa-f]{12,}\b                                          # digest without a digit
    """,
    re.VERBOSE,
)
_RUN_OF_WILDCARDS = re.compile(r"<\*>(?:(?:[:+/#_-]|,[ ]?)+<\*>)+")


def skeleton(message: str) -> str:
    """Return ``message`` with every variable part as ``<*>``.

    Masked are numbers, hexadecimal, UUIDs, times, addresses with and without ports, paths,
    URLs, quoted text and words with a digit. A list of such parts becomes one. At most
    ``SKELETON_LIMIT`` characters are returned.
    """
    masked = _VARIABLE.sub(WILDCARD, message[:MESSAGE_LIMIT])
    return " ".join(_RUN_OF_WILDCARDS.sub(WILDCARD, masked).split())[:SKELETON_LIMIT]


class TemplateGroup(msgspec.Struct, frozen=True):
    """Messages of one form: ``template`` has ``<*>`` where they differ."""

    id: int
    template: str
    count: int


class TemplateMiner:
    """Groups messages by their form as they come, in one pass and with bounded memory.

    The method is Drain's (He, Zhu, Zheng and Lyu, "Drain: An Online Log Parsing Approach with
    Fixed Depth Tree", ICWS 2017): a tree over the number of tokens and the first tokens leads to
    few candidate groups. Two things differ. Variables are masked before (``skeleton``), and only
    the other tokens are compared; and each column of a group keeps the votes for the words seen
    in it, so that a word counts by its share of them instead of counting for nothing as soon as
    the column varies. Nothing is tuned by dataset.

    The result depends only on the messages and their order. A message once seen stays in its
    group; after ``limit`` different skeletons nothing more is learnt, and what then fits no group
    falls into the group 0, whose template is ``<*>``.
    """

    def __init__(self, *, similarity: float = 0.5, limit: int = 20_000) -> None:
        """Take messages as one form when ``similarity`` (0 to 1) of their words agree."""
        self._similarity = similarity
        self._limit = limit
        self._root = _Node()
        self._groups = [_Group(0, [WILDCARD])]
        self._assigned: dict[str, _Group] = {}

    def template(self, message: str) -> str:
        """Take one message and return the template of its group, as far as it is known now."""
        return self._take(message).template

    def group(self, message: str) -> int:
        """Take one message and return the number of its group."""
        return self._take(message).id

    def groups(self) -> list[TemplateGroup]:
        """Return the groups that have messages, in the order in which they came up."""
        return [TemplateGroup(one.id, one.template, one.count) for one in self._groups if one.count]

    def _take(self, message: str) -> "_Group":
        form = skeleton(message)
        group = self._assigned.get(form)
        if group is None:
            tokens = form.split(" ")[:TOKEN_LIMIT]
            learning = len(self._assigned) < self._limit
            group = self._find(tokens, learning=learning)
            if learning:
                self._assigned[form] = group
        group.count += 1
        return group

    def _find(self, tokens: list[str], *, learning: bool) -> "_Group":
        leaf = self._leaf(tokens, learning=learning)
        best, likeness = None, 0.0
        for group in leaf.groups if leaf else ():
            found = group.likeness(tokens)
            if found > likeness:
                best, likeness = group, found
        if best is not None and likeness >= self._similarity:
            if learning:
                best.vote(tokens)
            return best
        if leaf is None or not learning:
            return self._groups[0]
        group = _Group(len(self._groups), tokens)
        self._groups.append(group)
        leaf.groups.append(group)
        return group

    def _leaf(self, tokens: list[str], *, learning: bool) -> "_Node | None":
        node = self._root
        for key in _keys(tokens):
            child = node.children.get(key)
            if child is None:
                if len(node.children) >= CHILDREN_LIMIT:
                    key = WILDCARD  # noqa: PLW2901  the branch of all further words
                child = node.children.get(key)
            if child is None:
                if not learning:
                    return None
                child = node.children[key] = _Node()
            node = child
        return node


class _Node:
    """A place in the tree; only the last level has groups."""

    __slots__ = ("children", "groups")

    def __init__(self) -> None:
        self.children: dict[str | int, _Node] = {}
        self.groups: list[_Group] = []


class _Group:
    """The votes of each column; a column with one word is constant."""

    __slots__ = ("_columns", "_template", "count", "id")

    def __init__(self, number: int, tokens: list[str]) -> None:
        self.id = number
        self.count = 0
        self._columns = [Counter((token,)) for token in tokens]
        self._template = " ".join(tokens)

    @property
    def template(self) -> str:
        return self._template

    def likeness(self, tokens: list[str]) -> float:
        """Return the mean share of votes that the words of ``tokens`` have, from 0 to 1."""
        words, agreement = 0, 0.0
        for token, votes in zip(tokens, self._columns, strict=True):
            if token == WILDCARD and WILDCARD in votes:
                continue
            words += 1
            if token in votes:
                agreement += votes[token] / votes.total()
        return agreement / words if words else 1.0

    def vote(self, tokens: list[str]) -> None:
        """Count the words of one more message."""
        shown = []
        for token, votes in zip(tokens, self._columns, strict=True):
            if token in votes or len(votes) < VOTES_LIMIT:
                votes[token] += 1
            shown.append(token if len(votes) == 1 and token in votes else WILDCARD)
        self._template = " ".join(shown)


def _keys(tokens: list[str]) -> Iterator[str | int]:
    yield len(tokens)
    for token in tokens[:PREFIX_TOKENS]:
        yield WILDCARD if WILDCARD in token else token
