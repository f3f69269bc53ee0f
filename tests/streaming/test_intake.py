"""What the intake measures: how long live messages were on their way."""

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.streaming.intake import Transit

NOW_NS = 1_700_000_000_000_000_000
NS_PER_MS = 1_000_000


class Observed(list):
    observe = list.append


def test_the_way_from_the_stamp_to_here_is_observed_in_seconds():
    seconds = Observed()
    Transit(seconds, ManualClock(NOW_NS)).observe(NOW_NS // NS_PER_MS - 250, NOW_NS - 10**9)
    assert seconds == [0.25]


def test_a_replayed_message_says_nothing_of_its_way():
    seconds = Observed()
    long_ago_ns = NOW_NS - 10**18
    Transit(seconds, ManualClock(NOW_NS)).observe(long_ago_ns // NS_PER_MS, long_ago_ns)
    assert seconds == []


def test_a_stamp_ahead_of_our_clock_counts_as_no_time_at_all():
    seconds = Observed()
    Transit(seconds, ManualClock(NOW_NS)).observe(NOW_NS // NS_PER_MS + 50, NOW_NS)
    assert seconds == [0.0]
