"""Which resolutions of a code work: how often, how fast, when last, and which are out of date."""

import statistics
from collections.abc import Iterable
from math import sqrt

import msgspec

from alchemiser_cli.clock import NS_PER_SECOND, duration_text
from alchemiser_cli.errors.journal.uses import Use
from alchemiser_cli.errors.journal.wording import gist

__all__ = ["RETURN_DAYS", "STALE_DAYS", "KnownResolution", "known_resolutions", "wilson_interval"]

STALE_DAYS = 180  # a resolution that did not work for longer may fit a system of the past
RETURN_DAYS = 7  # an error that is back sooner was not mended
NS_PER_DAY = 86_400 * NS_PER_SECOND

_Z = statistics.NormalDist().inv_cdf(0.975)  # of a two-sided 95 % interval


class KnownResolution(msgspec.Struct, frozen=True, kw_only=True):
    """One way to mend it, in its newest wording, over all wordings of it; times are UTC ns.

    ``tried`` counts the uses whose outcome is known, of which ``worked`` helped; ``unknown`` the
    others. ``rate_low`` and ``rate_high`` are the 95 % interval of the rate of success (0 to 1).
    ``median_seconds`` and ``p90_seconds`` are from the error's opening to the record, over the
    uses that worked. ``author`` did it last. ``returned`` counts the uses that worked after which
    the error was back within ``RETURN_DAYS``. ``stale`` says why it is out of date, else None.
    """

    text: str
    tried: int
    worked: int
    unknown: int
    rate_low: float
    rate_high: float
    median_seconds: float | None
    p90_seconds: float | None
    last_at_ns: int
    last_worked_ns: int | None
    author: str
    returned: int
    stale: str | None


def known_resolutions(uses: Iterable[Use], now_ns: int) -> list[KnownResolution]:
    """Sum up ``uses`` by what was done, the most trustworthy first.

    What has worked of late comes first, by the lower end of the interval, so that 1 of 1 does not
    stand above 19 of 20; then what worked long ago, and last what never did.
    """
    by_gist: dict[str, list[Use]] = {}
    for use in sorted(uses, key=lambda one: (one.record.at_ns, one.record.id)):
        by_gist.setdefault(gist(use.record.text), []).append(use)
    known = [_known(same, now_ns) for same in by_gist.values()]
    return sorted(known, key=lambda one: (_rank(one, now_ns), *_trust(one)))


def wilson_interval(worked: int, tried: int) -> tuple[float, float]:
    """Return the 95 % score interval of a rate, from 0 to 1; all of it where nothing was tried.

    Source: Wilson, "Probable inference, the law of succession, and statistical inference", JASA
    22 (1927).
    """
    if not tried:
        return 0.0, 1.0
    rate, weight = worked / tried, _Z * _Z / tried
    centre = rate + weight / 2
    spread = _Z * sqrt(rate * (1 - rate) / tried + weight / (4 * tried))
    low, high = ((centre + sign * spread) / (1 + weight) for sign in (-1, 1))
    return max(0.0, low), min(1.0, high)


def _known(uses: list[Use], now_ns: int) -> KnownResolution:
    records = [use.record for use in uses]
    helped = [use for use in uses if use.record.worked]
    unknown = sum(record.worked is None for record in records)
    low, high = wilson_interval(len(helped), len(records) - unknown)
    seconds = [use.record.seconds for use in helped if use.record.seconds is not None]
    returned = sum(_came_back(use) for use in helped)
    last_worked_ns = helped[-1].record.at_ns if helped else None
    return KnownResolution(
        text=records[-1].text.strip(),
        tried=len(records) - unknown,
        worked=len(helped),
        unknown=unknown,
        rate_low=round(low, 4),
        rate_high=round(high, 4),
        median_seconds=statistics.median(seconds) if seconds else None,
        p90_seconds=_ninetieth(seconds),
        last_at_ns=records[-1].at_ns,
        last_worked_ns=last_worked_ns,
        author=records[-1].author,
        returned=returned,
        stale=_stale(last_worked_ns, returned, len(helped), now_ns),
    )


def _rank(one: KnownResolution, now_ns: int) -> int:
    if one.last_worked_ns is None:
        return 2
    return 1 if _long_ago(one.last_worked_ns, now_ns) else 0


def _trust(one: KnownResolution) -> tuple[float, float, int, str]:
    return -one.rate_low, -one.rate_high, -one.last_at_ns, one.text


def _long_ago(last_worked_ns: int, now_ns: int) -> bool:
    return now_ns - last_worked_ns > STALE_DAYS * NS_PER_DAY


def _ninetieth(seconds: list[int]) -> float | None:
    if len(seconds) < 2:
        return float(seconds[0]) if seconds else None
    return statistics.quantiles(seconds, n=10, method="inclusive")[-1]


def _came_back(use: Use) -> bool:
    return use.returned_ns is not None and (
        use.returned_ns - use.record.at_ns <= RETURN_DAYS * NS_PER_DAY
    )


def _stale(last_worked_ns: int | None, returned: int, worked: int, now_ns: int) -> str | None:
    if last_worked_ns is None:
        return None  # it never worked, which is another thing to say
    reasons = []
    if _long_ago(last_worked_ns, now_ns):
        age = duration_text((now_ns - last_worked_ns) / NS_PER_SECOND)
        reasons.append(f"it last worked {age} ago")
    if 2 * returned > worked:
        reasons.append(
            f"the error was back within {RETURN_DAYS} d after {returned} of {worked} uses"
        )
    return "; ".join(reasons) or None
