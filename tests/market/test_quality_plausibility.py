"""The gate: which rule an implausible tick breaks, and which odd ticks are none."""

import math
import subprocess
import sys
from typing import get_args

import pytest

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.errors import SettingInvalidError
from alchemiser_cli.market import open_dataset
from alchemiser_cli.market.columns import TickColumns
from alchemiser_cli.market.quality import PlausibilityGate, Violation, rules
from alchemiser_cli.market.ticks import Tick
from alchemiser_cli.settings import TelemetrySettings
from alchemiser_cli.settings.resolve import Request, resolve
from alchemiser_cli.settings.sections import QualityRule, QualitySettings
from alchemiser_cli.telemetry import open_telemetry
from alchemiser_cli.telemetry.names import TICKS_IMPLAUSIBLE

NOW_NS = 1_700_000_000_000_000_000


def tick(price=100.0, *, symbol="SPY", **fields):
    fields = {"event_time_ns": NOW_NS, "kind": "quote", "sequence": 1, "venue": "XNYS"} | fields
    return Tick(symbol=symbol, price=price, **fields)


def gate(telemetry=None, max_symbols=100_000, **quality):
    clock = ManualClock(NOW_NS)
    extra = {} if telemetry is None else {"telemetry": telemetry}
    return PlausibilityGate(QualitySettings(**quality), clock, max_symbols=max_symbols, **extra)


def verdicts(judging, prices):
    found = [judging.judge(tick(price)) for price in prices]
    return [violation and violation.rule for violation in found]


@pytest.mark.parametrize(
    ("rule", "fields", "numbers"),
    [
        ("crossed-book", {"bid": 100.5, "ask": 100.4}, {"bid": 100.5, "ask": 100.4}),
        ("non-positive", {"price": 0.0}, {"price": 0.0}),
        ("non-positive", {"price": -3.0}, {"price": -3.0}),
        ("non-positive", {"bid": 0.0}, {"bid": 0.0}),
        ("non-positive", {"ask": 0.0}, {"ask": 0.0}),
        ("non-positive", {"size": -1.0}, {"size": -1.0}),
        ("non-positive", {"low": -1.0, "high": 101.0}, {"low": -1.0}),
        ("non-finite", {"price": math.inf}, {"price": math.inf}),
        ("non-finite", {"size": math.inf}, {"size": math.inf}),
        ("non-finite", {"ask": math.inf}, {"ask": math.inf}),
        ("non-finite", {"implied_volatility": -math.inf}, {"implied_volatility": -math.inf}),
        ("inconsistent-bar", {"low": 101.0, "high": 99.0}, {"low": 101.0, "high": 99.0}),
        (
            "inconsistent-bar",
            {"low": 99.0, "high": 99.5},
            {"price": 100.0, "low": 99.0, "high": 99.5},
        ),
        (
            "inconsistent-bar",
            {"open": 98.0, "low": 99.0, "high": 101.0},
            {"open": 98.0, "low": 99.0, "high": 101.0},
        ),
        (
            "clock-ahead",
            {"event_time_ns": NOW_NS + 6_000_000_000},
            {"ahead_s": 6.0, "max_ahead_s": 5.0},
        ),
        ("unknown-symbol", {"symbol": "SPYY"}, {}),
    ],
)
def test_an_implausible_tick_breaks_its_rule_and_says_by_which_numbers(rule, fields, numbers):
    judging = gate(symbols=("SPY",))
    violation = judging.judge(tick(**fields))
    assert (violation.rule, violation.numbers) == (rule, numbers)
    [(row, of_columns)] = judging.judge_columns(TickColumns.of([tick(), tick(**fields)]))
    assert (row, of_columns) == (1, violation)


@pytest.mark.parametrize(
    "fields",
    [
        {"bid": 100.0, "ask": 100.0},
        {"bid": 100.5},
        {"size": 0.0},
        {"open": 100.0, "low": 100.0, "high": 100.0},
        {"event_time_ns": NOW_NS + 5_000_000_000},
        {"event_time_ns": 0},
        {"low": 99.0},
    ],
    ids=["locked", "one-sided", "no-size", "flat-bar", "just-ahead", "old", "low-only"],
)
def test_odd_but_possible_ticks_pass(fields):
    assert gate().judge(tick(**fields)) is None
    assert gate().judge_columns(TickColumns.of([tick(**fields)])) == []


def test_nan_is_not_finite():
    assert gate().judge(tick(math.nan)).rule == "non-finite"
    assert gate().judge(tick(bid=math.nan)).rule == "non-finite"


def test_rules_are_listed_in_the_order_of_the_settings_names():
    assert tuple(rule.name for rule in rules()) == get_args(QualityRule)
    assert all(rule.sentence.endswith(".") for rule in rules())


@pytest.mark.provokes("setting-invalid")
def test_switching_off_a_rule_that_does_not_exist_is_refused_by_name():
    with pytest.raises(SettingInvalidError) as refused:
        resolve(Request(assignments=("quality.rules_off=crossed-books",)))
    assert "'crossed-book'" in refused.value.why
    assert refused.value.context["key"].startswith("quality.rules_off")
    chosen = resolve(Request(assignments=("quality.rules_off=crossed-book, price-jump",)))
    assert chosen.settings.quality.rules_off == ("crossed-book", "price-jump")


def test_what_is_implausible_is_counted_by_its_rule():
    telemetry = open_telemetry(TelemetrySettings())
    judging = gate(telemetry)
    judging.judge(tick(bid=2.0, ask=1.0))
    judging.judge_columns(TickColumns.of([tick(-1.0), tick(), tick(bid=2.0, ask=1.0)]))

    def count(rule):
        return telemetry.registry.get_sample_value(TICKS_IMPLAUSIBLE.name, {"rule": rule})

    assert (count("crossed-book"), count("non-positive"), count("price-jump")) == (2, 1, 0)


class TestPriceJumps:
    QUIET = (100.0, 100.1, 99.9, 100.05, 99.95, 100.0, 100.1, 99.9)

    def test_a_fat_finger_is_a_jump_and_is_not_learnt(self):
        judging = gate()
        assert verdicts(judging, self.QUIET) == [None] * 8
        violation = judging.judge(tick(1_000.0))
        assert violation.rule == "price-jump"
        assert violation.numbers["price"] == 1_000.0
        assert violation.numbers["median"] == 100.0
        assert violation.numbers["allowed"] == 2.0
        assert violation.numbers["last"] == 99.9
        assert verdicts(judging, [100.0, 10.0, 100.1]) == [None, "price-jump", None]

    def test_a_split_is_believed_after_a_few_ticks_at_its_level(self):
        judging = gate()
        verdicts(judging, self.QUIET)
        split = [25.0, 25.02, 24.98, 25.01, 25.0, 25.03]
        assert verdicts(judging, split) == ["price-jump"] * 4 + [None] * 2
        assert verdicts(judging, [100.0, 25.0]) == ["price-jump", None]

    def test_garbage_at_random_levels_is_never_believed(self):
        judging = gate()
        verdicts(judging, self.QUIET)
        garbage = [1.0, 5_000.0, 20.0, 777.0, 3.0, 250.0, 60_000.0, 9.0] * 5
        assert verdicts(judging, garbage) == ["price-jump"] * 40
        assert judging.judge(tick(100.0)) is None

    def test_a_second_source_of_wrong_prices_between_right_ones_is_never_believed(self):
        judging = gate()
        verdicts(judging, self.QUIET)
        assert verdicts(judging, [200.0, 100.0] * 20) == ["price-jump", None] * 20

    def test_a_wide_swinging_price_has_a_wide_band(self):
        """Twelve robust deviations of what is usual for this symbol, not a fixed fraction."""
        judging = gate()
        assert (
            verdicts(judging, [100.0, 110.0, 90.0, 105.0, 95.0, 112.0, 88.0, 100.0]) == [None] * 8
        )
        assert verdicts(judging, [150.0, 60.0, 100.0, 400.0]) == [None] * 3 + ["price-jump"]

    def test_a_slow_drift_is_followed_to_any_level(self):
        judging = gate()
        assert set(verdicts(judging, [100 * 1.001**step for step in range(3_000)])) == {None}
        assert verdicts(judging, [100.0]) == ["price-jump"]

    def test_each_venue_and_symbol_has_a_level_of_its_own(self):
        judging = gate()
        for price, symbol, venue in ((100.0, "A", "X"), (5.0, "B", "X"), (0.01, "A", "Y")) * 30:
            assert judging.judge(tick(price, symbol=symbol, venue=venue)) is None

    def test_negative_prices_are_judged_too_where_the_rule_against_them_is_off(self):
        """WTI crude settled at -37.63 on 20 April 2020."""
        judging = gate(rules_off=("non-positive",))
        assert verdicts(judging, [-37.0, -37.1, -36.9, -37.2] * 5) == [None] * 20
        assert verdicts(judging, [-3_700.0]) == ["price-jump"]

    def test_memory_is_bounded_by_dropping_symbols_not_seen_for_long(self):
        judging = gate(max_symbols=100)
        for number in range(10_000):
            judging.judge(tick(symbol=f"S{number}"))
            judging.judge(tick(symbol="SPY"))
            assert len(judging._recent) <= 100
        assert judging._recent.find("XNYS", "SPY") is not None


def test_twenty_years_of_the_real_index_are_plausible():
    """2008 and all: daily bars of the S&P 500, one by one and as columns."""
    ticks = list(open_dataset("sp500"))
    one_by_one, at_once = gate(), gate()
    assert [violation for each in ticks if (violation := one_by_one.judge(each))] == []
    assert at_once.judge_columns(TickColumns.of(ticks)) == []


def test_a_violation_can_be_named_without_loading_numpy():
    program = (
        "import sys\n"
        "from alchemiser_cli.market.quality import Violation\n"
        "Violation('r', 'd', {})\n"
        "print([name for name in ('numpy', 'polars') if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
    assert Violation("r", "d", {}).rule == "r"
