"""Gaps, duplicates and reordering, seen from the sequence that every (venue, symbol) counts."""

from operator import attrgetter
from typing import TYPE_CHECKING

import msgspec

from alchemiser_cli.market.quality.recent import MAX_SYMBOLS, RecentSymbols
from alchemiser_cli.market.ticks import Tick

if TYPE_CHECKING:
    from alchemiser_cli.market.columns import TickColumns

__all__ = ["SequenceCounts", "SequenceSnapshot", "SequenceTracker"]

WORST = 10


class SequenceCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What one (venue, symbol) has been through, or all of them where both names are empty.

    ``gaps`` counts sequences that never came, ``pending`` those that are missing and may still
    come, ``reordered`` those that came late, ``duplicates`` ticks that were nothing new,
    ``resets`` restarts of the venue's counter.
    """

    venue: str = ""
    symbol: str = ""
    gaps: int = 0
    pending: int = 0
    duplicates: int = 0
    reordered: int = 0
    resets: int = 0


class SequenceSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The totals since the beginning, and the keys with the most trouble, worst first.

    ``seen`` counts the ticks, ``symbols`` the (venue, symbol) pairs tracked now. The totals
    include those that were dropped since; ``worst`` does not.
    """

    totals: SequenceCounts
    worst: tuple[SequenceCounts, ...]
    seen: int
    symbols: int


class _Track:
    """One key's counter.

    Bit i of ``missing`` stands for sequence ``highest - i``, up to the window. Where none is
    missing, ``expected`` is the next sequence and says all, so that the usual case is one
    comparison and one addition; ``highest`` is then out of date. Otherwise it is None.
    """

    __slots__ = (
        "duplicates",
        "expected",
        "gaps",
        "highest",
        "lowest",
        "missing",
        "newest_ns",
        "reordered",
        "reset_ns",
        "resets",
        "symbol",
        "venue",
    )

    def __init__(self, venue: str, symbol: str, sequence: int, at_ns: int) -> None:
        self.venue = venue
        self.symbol = symbol
        self.gaps = self.duplicates = self.reordered = self.resets = 0
        self.reset_ns: int | None = None
        self.begin(sequence, at_ns)

    def begin(self, sequence: int, at_ns: int) -> None:
        self.lowest = self.highest = sequence
        self.missing = 0
        self.newest_ns = at_ns
        self.expected: int | None = sequence + 1


class SequenceTracker:
    """Tells what is lost from what is late.

    The first tick of a (venue, symbol) may have any sequence: a consumer can start in the middle.
    A missing sequence is pending until ``window`` later ones have been passed, or until
    ``settle``; then it is a gap. One that comes before that was reordered. What comes again is a
    duplicate, and so is whatever is older than the window: nothing can be said of it any more.

    A lower sequence with a newer event time than all before is a reset of the venue's counter
    where it is 1 or lies beyond the window. What comes later from before a reset is a duplicate.
    A counter that jumps ahead for no reason counts as a gap, and its return as a reset.

    A key holds at most ``window`` bits; at most 100,000 keys are held, and a key that is dropped
    settles what was pending.
    """

    def __init__(
        self, window: int, max_symbols: int = MAX_SYMBOLS, *, gapless: bool = True
    ) -> None:
        """Begin with nothing seen.

        Where the venue's numbers only rise and are not ``gapless``, none is missing, and a lower
        one than the highest came late.

        Raises:
            ValueError: ``window`` is negative.
        """
        if window < 0:
            raise ValueError("a reorder window has no negative length")
        self._window = window
        self._gapless = gapless
        self._mask = (1 << (window + 1)) - 1
        self._seen = 0
        self._dropped = [0, 0, 0, 0]  # gaps, duplicates, reordered, resets
        self._tracks: RecentSymbols[_Track] = RecentSymbols(max_symbols, self._drop)

    def see(self, tick: Tick) -> None:
        """Take the next tick in its partition's order."""
        self._seen += 1
        sequence = tick.sequence
        table = self._tracks.young.get(tick.venue)
        track = None if table is None else table.get(tick.symbol)
        if track is not None and track.expected == sequence:
            track.expected = sequence + 1
            track.newest_ns = tick.event_time_ns
        else:
            self._see(tick.venue, tick.symbol, sequence, tick.event_time_ns)

    def see_columns(self, columns: "TickColumns") -> None:
        """Take the ticks of ``columns``, in their order, as ``see`` would."""
        self._seen += len(columns)
        venues = columns.venue.tolist()
        symbols = columns.symbol.tolist()
        rows = zip(
            self._tracks.find_all(venues, symbols),
            venues,
            symbols,
            columns.sequence.tolist(),
            columns.event_time_ns.tolist(),
            strict=True,
        )
        for track, venue, symbol, sequence, event_time_ns in rows:
            if track is not None and track.expected == sequence:
                track.expected = sequence + 1
                track.newest_ns = event_time_ns
            else:
                self._see(venue, symbol, sequence, event_time_ns)

    def settle(self) -> None:
        """Take what is pending as lost: nothing more will come."""
        for track in self._tracks.values():
            _settle(track)

    def snapshot(self) -> SequenceSnapshot:
        """Return the counts as they are now; pending ones are not settled by this."""
        tracks = list(self._tracks.values())
        pending = sum(track.missing.bit_count() for track in tracks)
        gaps, duplicates, reordered, resets = (
            gone + sum(map(attrgetter(name), tracks))
            for gone, name in zip(self._dropped, _COUNTED, strict=True)
        )
        troubled = [track for track in tracks if _trouble(track) < (0, 0)]
        troubled.sort(key=lambda track: (*_trouble(track), track.venue, track.symbol))
        return SequenceSnapshot(
            totals=SequenceCounts(
                gaps=gaps,
                pending=pending,
                duplicates=duplicates,
                reordered=reordered,
                resets=resets,
            ),
            worst=tuple(_counts(track) for track in troubled[:WORST]),
            seen=self._seen,
            symbols=len(tracks),
        )

    def _see(self, venue: str, symbol: str, sequence: int, event_time_ns: int) -> None:
        track = self._tracks.find(venue, symbol)
        if track is None:
            self._tracks.add(venue, symbol, _Track(venue, symbol, sequence, event_time_ns))
            return
        if track.expected == sequence:
            track.expected = sequence + 1
            track.newest_ns = event_time_ns
            return
        if track.expected is not None:
            track.highest = track.expected - 1
        ahead = sequence - track.highest
        if track.reset_ns is not None and event_time_ns < track.reset_ns and ahead != 1:
            track.duplicates += 1
        elif ahead > 0:
            if self._gapless:
                self._advance(track, ahead)
            else:
                track.highest = sequence
            track.newest_ns = event_time_ns
        elif event_time_ns > track.newest_ns and (sequence == 1 or -ahead > self._window):
            _settle(track)
            track.resets += 1
            track.reset_ns = event_time_ns
            track.begin(sequence, event_time_ns)
        elif self._gapless:
            self._late(track, -ahead)
        elif ahead == 0:
            track.duplicates += 1
        else:
            track.reordered += 1
        track.expected = None if track.missing else track.highest + 1

    def _advance(self, track: _Track, ahead: int) -> None:
        """Move ``ahead`` sequences on: all but the last of them are missing."""
        if ahead > self._window:  # what was pending is passed, and so may be some of the new ones
            pending = min(ahead - 1, self._window)
            track.gaps += track.missing.bit_count() + ahead - 1 - pending
            track.missing = (2 << pending) - 2
        else:
            moved = track.missing << ahead | (1 << ahead) - 2
            track.gaps += (moved & ~self._mask).bit_count()
            track.missing = moved & self._mask
        track.highest += ahead

    def _late(self, track: _Track, behind: int) -> None:
        """Take a sequence ``behind`` the highest one."""
        below = track.lowest - (track.highest - behind)
        if behind > self._window:
            track.duplicates += 1
        elif below > 0:  # from before the first that was seen: what lies between is missing
            track.reordered += 1
            track.missing |= (1 << behind) - (1 << behind - below + 1)
            track.lowest -= below
        elif track.missing >> behind & 1:
            track.reordered += 1
            track.missing &= ~(1 << behind)
        else:
            track.duplicates += 1

    def _drop(self, track: _Track) -> None:
        _settle(track)
        for at, name in enumerate(_COUNTED):
            self._dropped[at] += getattr(track, name)


_COUNTED = ("gaps", "duplicates", "reordered", "resets")


def _settle(track: _Track) -> None:
    if track.missing:
        track.gaps += track.missing.bit_count()
        track.missing = 0
        track.expected = track.highest + 1


def _trouble(track: _Track) -> tuple[int, int]:
    """Rank a key, the worst lowest: by what is lost, then by all else that is not in order."""
    lost = track.gaps + track.missing.bit_count()
    return -lost, -(track.duplicates + track.reordered + track.resets)


def _counts(track: _Track) -> SequenceCounts:
    return SequenceCounts(
        venue=track.venue,
        symbol=track.symbol,
        gaps=track.gaps,
        pending=track.missing.bit_count(),
        duplicates=track.duplicates,
        reordered=track.reordered,
        resets=track.resets,
    )
