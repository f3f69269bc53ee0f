"""Which stage is at fault, and which ones are rightly silent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alchemiser_cli.clock import NS_PER_SECOND, ManualClock
from alchemiser_cli.errors import SettingInvalidError
from alchemiser_cli.settings import TelemetrySettings
from alchemiser_cli.settings.trading import TradingSettings
from alchemiser_cli.telemetry import SILENT, exposition, open_telemetry
from alchemiser_cli.trading.activity import STAGES, StageActivity, StageSeen
from alchemiser_cli.trading.validator import Validator, WatchedBroker

SILENCE_S = 120.0


class Notes:
    """A source that says what a test lets the stages do."""

    name = "notes"

    def __init__(self):
        self.seen = []

    def read(self):
        return list(self.seen)


class Desk:
    """One broker's stages on a clock of the test, and the validator that watches them."""

    def __init__(self, telemetry=SILENT):
        self.clock = ManualClock()
        self.activity = StageActivity(SILENT, "paper", self.clock)
        self.notes = Notes()
        self.strategies, self.open = 1, lambda _: True
        broker = WatchedBroker("paper", lambda: self.strategies, self.is_open)
        settings = TradingSettings(max_stage_silence_s=SILENCE_S)
        self.validator = Validator([broker], [self.notes], settings, self.clock, telemetry)

    def is_open(self, at_ns):
        return self.open(at_ns)

    def trade(self, *stages, seconds=0.0, every_s=10.0):
        """Let ``stages`` work and give work on, every ten seconds."""
        while True:
            for stage in stages:
                self.activity.seen(stage, self.clock.now_ns())
                self.activity.gave(stage, self.clock.now_ns())
            if seconds <= 0:
                return
            self.clock.advance(every_s)
            seconds -= every_s
            self.look()

    def tick(self, *, seconds):
        """Let ticks come to which strategies want nothing."""
        while seconds > 0:
            self.clock.advance(10.0)
            seconds -= 10.0
            self.activity.seen("market_data", self.clock.now_ns())
            self.activity.seen("signals", self.clock.now_ns())
            self.look()

    def look(self):
        self.notes.seen = self.activity.now()
        return self.validator.look()


@pytest.fixture
def desk():
    return Desk()


def states(report):
    return {look.stage: look.state for look in report.stages}


def test_a_desk_that_trades_is_sound(desk):
    desk.trade(*STAGES, seconds=600)
    report = desk.look()
    assert report.sound
    assert set(states(report).values()) == {"active"}


def test_strategies_that_want_nothing_leave_the_later_stages_idle(desk):
    desk.tick(seconds=1_000)
    report = desk.look()
    assert report.sound
    assert states(report) == {
        "market_data": "active",
        "signals": "active",
        "risk": "idle",
        "orders": "idle",
        "portfolio": "idle",
    }


def test_a_mute_feed_is_one_finding_and_not_five(desk):
    desk.trade(*STAGES)
    desk.clock.advance(SILENCE_S + 1)
    report = desk.look()
    (finding,) = report.findings
    assert (finding.stage, finding.issue, finding.age_s) == ("market_data", "no_recent_data", 121)
    assert finding.detail == "silent for 2 min, though its process runs"
    assert {look.detail for look in report.stages[1:]} == {"waits for market_data"}


def test_strategies_that_hang_are_found_while_ticks_go_on(desk):
    desk.trade(*STAGES)
    desk.trade("market_data", seconds=SILENCE_S + 20)
    report = desk.look()
    (finding,) = report.findings
    assert finding.stage == "signals"
    assert finding.detail.endswith("; market_data gave it work 2 min ago")
    assert states(report)["risk"] == "waiting"


def test_signals_that_nobody_decides_on_are_the_gate_s_fault(desk):
    desk.tick(seconds=600)
    desk.activity.gave("signals", desk.clock.now_ns())
    assert desk.look().sound
    desk.tick(seconds=SILENCE_S)
    assert desk.look().sound
    desk.tick(seconds=10)
    (finding,) = desk.look().findings
    assert (finding.stage, finding.age_s) == ("risk", 730)


def test_work_after_a_long_rest_is_not_late_at_once(desk):
    desk.tick(seconds=3_600)
    desk.activity.gave("signals", desk.clock.now_ns())
    assert desk.look().sound
    desk.clock.advance(1)
    desk.activity.seen("risk", desk.clock.now_ns())
    desk.tick(seconds=600)
    assert desk.look().sound


def test_work_that_keeps_coming_does_not_hide_that_none_is_done(desk):
    desk.trade("market_data", "signals", seconds=SILENCE_S + 30)
    assert [one.stage for one in desk.look().findings] == ["risk"]


def test_a_stage_that_never_reported_is_missed_only_after_a_while(desk):
    assert desk.validator.look().sound
    desk.clock.advance(SILENCE_S + 1)
    (finding,) = desk.validator.look().findings
    assert finding.stage == "market_data"
    assert finding.detail == "no process has ever reported it"
    assert finding.age_s is None


def test_a_process_that_ended_is_named_as_the_reason(desk):
    desk.notes.seen = desk.activity.now(running=False)
    desk.clock.advance(600)
    (finding,) = desk.validator.look().findings
    assert finding.detail == "silent for 10 min; its process ended 10 min ago"


def test_a_process_that_reports_no_more_is_named_as_the_reason(desk):
    desk.notes.seen = desk.activity.now()
    desk.clock.advance(600)
    (finding,) = desk.validator.look().findings
    assert finding.detail == "silent for 10 min; its process last reported 10 min ago"


def test_a_broker_that_no_strategy_targets_is_not_reported_and_it_says_why(desk):
    desk.strategies = 0
    desk.clock.advance(3_600)
    report = desk.look()
    assert report.sound
    assert report.stages == ()
    assert [one.reason for one in report.silences] == ["no strategy trades through it"]


def test_outside_market_hours_it_is_silent_and_says_why(desk):
    desk.open = lambda _: False
    desk.clock.advance(3_600)
    report = desk.look()
    assert report.sound
    assert [one.reason for one in report.silences] == ["its market is closed"]


def test_the_night_is_not_held_against_anybody_at_the_open(desk):
    desk.clock.advance(16 * 3_600)
    opened_ns = desk.clock.now_ns()
    desk.open = lambda at_ns: at_ns >= opened_ns
    assert [one.reason for one in desk.look().silences] == ["its market opened less than 2 min ago"]
    desk.clock.advance(SILENCE_S)
    assert [one.stage for one in desk.look().findings] == ["market_data"]


@pytest.mark.provokes("setting-invalid")
def test_without_a_calendar_nothing_excuses_a_silence(desk):
    def no_calendar(_):
        raise SettingInvalidError("no calendar", why="w", next_step="n")

    desk.open = no_calendar
    desk.clock.advance(600)
    assert [one.stage for one in desk.look().findings] == ["market_data"]


def test_a_finding_is_logged_when_it_comes_and_goes_and_counted_at_each_look(logs):
    telemetry = open_telemetry(TelemetrySettings())
    desk = Desk(telemetry)
    desk.clock.advance(600)
    for _ in range(3):
        desk.look()
    desk.trade("market_data", "signals", "risk")
    desk.look()
    told = [(one["event"], one["stage"]) for one in logs]
    assert told == [
        ("trading_stage_wanting", "market_data"),
        ("trading_stage_recovered", "market_data"),
    ]
    line = 'validator_warnings_total{broker="paper",issue="no_recent_data",stage="market_data"} 3.0'
    assert line in exposition(telemetry.registry).decode()


def test_a_silence_is_logged_once_for_each_reason(desk, logs):
    desk.strategies = 0
    desk.look()
    desk.look()
    desk.strategies, desk.open = 1, lambda _: False
    desk.look()
    assert [one["reason"] for one in logs] == [
        "no strategy trades through it",
        "its market is closed",
    ]


times = st.one_of(
    st.none(),
    st.floats(allow_nan=True, allow_infinity=True),
    st.floats(min_value=1.0, max_value=2e18),
)


@given(
    active=st.dictionaries(
        st.sampled_from(STAGES), times.map(lambda at: 0.0 if at is None else at)
    ),
    gave=st.dictionaries(st.sampled_from(STAGES), times),
    ahead_s=st.lists(st.floats(0, 10_000), max_size=4),
)
def test_whatever_stages_say_at_most_one_is_silent_and_none_before_it_waits(active, gave, ahead_s):
    desk = Desk()
    desk.notes.seen = [
        StageSeen(broker="paper", stage=stage, active_ns=at, gave_ns=gave.get(stage))
        for stage, at in active.items()
    ]
    for step in [*ahead_s, 0.0]:
        desk.clock.advance(step)
        looks = desk.validator.look().stages
        found = [look.state for look in looks]
        assert found.count("silent") <= 1
        if "waiting" in found:
            assert "silent" in found[: found.index("waiting")]
        assert all(look.age_s is None or look.age_s >= 0 for look in looks)


@given(lag_s=st.floats(0, SILENCE_S - 30), looks=st.integers(1, 20))
def test_a_stage_that_answers_in_time_is_never_called_silent(lag_s, looks):
    desk = Desk()
    for _ in range(looks):
        for stage in STAGES:
            desk.activity.seen(stage, desk.clock.now_ns())
            desk.activity.gave(stage, desk.clock.now_ns())
            desk.clock.advance(lag_s / len(STAGES))
            assert desk.look().sound
    assert desk.clock.now_ns() < 2_000_000_000 * NS_PER_SECOND
