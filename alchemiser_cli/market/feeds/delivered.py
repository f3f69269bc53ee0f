"""What was delivered already, so that a tick that comes by two ways is delivered once."""

from bisect import bisect_right

from alchemiser_cli.market.ticks import Tick, TickKind

__all__ = ["DeliveredTicks", "SequenceRanges"]

MOST_RANGES = 4_096


class SequenceRanges:
    """A set of sequences as the ranges that they form; without gaps it is a single one.

    At most ``most`` ranges are kept: beyond that the two lowest become one, and what was missing
    between them is taken as lost for good.
    """

    def __init__(self, most: int = MOST_RANGES) -> None:
        """Begin empty."""
        self._most = most
        self._starts: list[int] = []
        self._ends: list[int] = []  # inclusive

    @property
    def first(self) -> int | None:
        """The lowest sequence."""
        return self._starts[0] if self._starts else None

    @property
    def missing(self) -> int:
        """How many sequences between the lowest and the highest are not in the set."""
        return sum(
            start - end - 1 for end, start in zip(self._ends, self._starts[1:], strict=False)
        )

    def add(self, sequence: int) -> bool:
        """Add ``sequence``; False when it is there already."""
        starts, ends = self._starts, self._ends
        if ends and sequence == ends[-1] + 1:  # the usual case
            ends[-1] = sequence
            return True
        at = bisect_right(starts, sequence)  # the range before `at` begins at or below it
        if at and sequence <= ends[at - 1]:
            return False
        joins_left = bool(at) and ends[at - 1] == sequence - 1
        joins_right = at < len(starts) and starts[at] == sequence + 1
        if joins_left and joins_right:
            ends[at - 1] = ends[at]
            del starts[at], ends[at]
        elif joins_left:
            ends[at - 1] = sequence
        elif joins_right:
            starts[at] = sequence
        else:
            starts.insert(at, sequence)
            ends.insert(at, sequence)
            self._bound()
        return True

    def _bound(self) -> None:
        if len(self._starts) > self._most:
            del self._starts[1], self._ends[0]


class DeliveredTicks:
    """Admits each tick of a feed once.

    Trades and bars are known by their sequence, in whatever order they come. Of quotes only one
    that is newer than all before is admitted: an older one would put the book back.
    """

    def __init__(self) -> None:
        """Begin with nothing delivered."""
        self._ranges: dict[tuple[str, TickKind], SequenceRanges] = {}
        self._newest_quote: dict[str, int] = {}

    @property
    def missing(self) -> int:
        """Trades and bars that must exist, by the sequences around them, and never came."""
        return sum(ranges.missing for ranges in self._ranges.values())

    def admit(self, tick: Tick) -> bool:
        """Take note of ``tick``; False when it, or a quote newer than it, was admitted before."""
        if tick.kind == "quote":
            newest = self._newest_quote.get(tick.symbol)
            if newest is not None and tick.sequence <= newest:
                return False
            self._newest_quote[tick.symbol] = tick.sequence
            return True
        key = tick.symbol, tick.kind
        ranges = self._ranges.get(key)
        if ranges is None:
            ranges = self._ranges[key] = SequenceRanges()
        return ranges.add(tick.sequence)

    def since_start(self, ticks: list[Tick]) -> list[Tick]:
        """Leave out what happened before the feed's first tick of the same symbol and kind.

        REST answers with the past. Where nothing of a symbol and kind was admitted yet, its
        newest tick is where the feed begins.
        """
        begins: dict[tuple[str, TickKind], int] = {}
        for tick in ticks:
            key = tick.symbol, tick.kind
            known = self._ranges.get(key)
            first = known.first if known is not None else None
            begins[key] = max(begins.get(key, 0), tick.sequence) if first is None else first
        return [tick for tick in ticks if tick.sequence >= begins[tick.symbol, tick.kind]]
