"""Escalation policies: which one an alert gets, and which channels its steps reach."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alchemiser_cli.errors import TradingClientError, error_classes
from alchemiser_cli.notifications.alert import Alert
from alchemiser_cli.notifications.matching import Matcher
from alchemiser_cli.notifications.policies import FILE, Policies, Policy, Step
from alchemiser_cli.settings import NotificationChannel
from alchemiser_cli.settings.layers import profile_names

LEVELS = ("low", "medium", "high", "critical")
KINDS = ("error", "threshold", "trading", "drill", "test")
SHIPPED = Path(__file__).parents[2] / "configs" / FILE


def alert(**fields):
    given = {
        "fingerprint": "ab" * 8,
        "kind": "error",
        "severity": "high",
        "code": "broker-unreachable",
        "component": "feed:prices",
        "what": "the broker does not answer",
        "at_ns": 1,
    }
    return Alert(**(given | fields))


def channel(*severities, enabled=True):
    return NotificationChannel(enabled=enabled, severities=severities or ("high", "critical"))


@pytest.fixture
def shipped(tmp_path):
    return Policies.load(tmp_path)


@pytest.mark.parametrize(
    ("fields", "name", "after_s", "channels"),
    [
        ({"severity": "critical"}, "critical", 0, ("email", "slack", "sms")),
        ({"severity": "critical", "code": "position-mismatch"}, "critical", 0, None),
        ({"code": "order-rejected"}, "trading-client", 60, ("email", "slack")),
        ({"severity": "high"}, "high", 300, ("email", "slack")),
        ({"severity": "medium"}, "others", 900, ("email",)),
        ({"severity": "low", "kind": "trading"}, "others", 900, ("email",)),
    ],
)
def test_the_shipped_policies_are_those_of_the_handbook(shipped, fields, name, after_s, channels):
    policy = shipped.choose(alert(**fields))
    assert (policy.name, policy.steps[0].after_s) == (name, after_s)
    assert channels in (None, policy.steps[0].channels)


def test_criticals_are_repeated_and_the_repeats_have_a_limit(shipped):
    policy = shipped.choose(alert(severity="critical"))
    assert (policy.repeat_s, policy.max_repeats) == (900, 12)


def test_the_shipped_policy_for_trading_clients_names_the_whole_family(shipped):
    family = {kind.code for kind in error_classes() if issubclass(kind, TradingClientError)}
    policy = next(one for one in shipped.policies if one.name == "trading-client")
    assert set(policy.match.code) == family


def test_the_escalation_file_is_no_profile(tmp_path):
    assert SHIPPED.is_file()
    assert Path(FILE).stem not in profile_names(tmp_path)


def test_the_nearest_file_counts(tmp_path, monkeypatch):
    """./configs, then configs of the home, then the package's."""

    def write(folder, name):
        (folder / "configs").mkdir(parents=True)
        text = f'[[policy]]\nname = "{name}"\nsteps = [{{ after_s = 1, channels = ["desk"] }}]\n'
        (folder / "configs" / FILE).write_text(text)

    home, work = tmp_path / "home", tmp_path / "work"
    write(home, "of-home")
    work.mkdir()
    monkeypatch.chdir(work)
    assert Policies.load(home).choose(alert()).name == "of-home"
    write(work, "of-folder")
    assert Policies.load(home).choose(alert()).name == "of-folder"
    assert Policies.load(None).choose(alert()).name == "of-folder"


def test_a_beginning_with_a_star_stands_for_all_with_it():
    feeds = Matcher(component=("feed:*",))
    assert feeds.matches(alert(component="feed:prices"))
    assert feeds.matches(alert(component="feed:"))
    assert not feeds.matches(alert(component="feeds"))
    assert not Matcher(component=("feed",)).matches(alert(component="feed:prices"))


@pytest.mark.parametrize(
    ("channels", "reached"),
    [
        ({"email": channel(), "slack": channel()}, ("email", "slack")),
        # sms is not configured: everybody who takes the severity is told.
        ({"email": channel(), "pager": channel()}, ("email", "pager")),
        ({"pager": channel("critical"), "desk": channel("low")}, ("pager",)),
        ({"email": channel(enabled=False), "slack": channel(), "desk": channel()}, None),
        # All are there, and one does not want it.
        ({"email": channel("low"), "slack": channel(), "desk": channel()}, ("slack",)),
        # All are there, and none wants it: somebody must be told.
        ({"email": channel("low"), "slack": channel("low"), "desk": channel()}, ("desk",)),
        ({}, ()),
    ],
)
def test_a_step_reaches_its_channels_or_else_all_that_take_the_severity(channels, reached):
    step = Step(0, ("email", "slack"))
    policies = Policies([Policy(name="all", steps=(step,))], channels)
    expected = ("slack", "desk") if reached is None else reached
    assert policies.recipients(step, "critical") == expected


def test_a_channel_that_is_missing_is_told_once(logs):
    step = Step(0, ("email", "sms"))
    policies = Policies([Policy(name="all", steps=(step,))], {"email": channel()})
    for _ in range(3):
        policies.recipients(step, "critical")
    assert [event["recipient"] for event in logs] == ["sms"]
    assert logs[0]["told_instead"] == ["email"]


names = st.sampled_from(["a", "b", "feed:a", "feed:b", "feed:*", "a*"])
alerts = st.builds(
    alert,
    severity=st.sampled_from(LEVELS),
    kind=st.sampled_from(KINDS),
    code=st.sampled_from(["a", "b", "ab"]),
    component=st.sampled_from(["a", "feed:a", "feed:b"]),
    fingerprint=st.sampled_from(["a", "b"]),
)
matchers = st.builds(
    Matcher,
    severity=st.lists(st.sampled_from(LEVELS), max_size=2).map(tuple),
    kind=st.lists(st.sampled_from(KINDS), max_size=2).map(tuple),
    code=st.lists(names, max_size=2).map(tuple),
    component=st.lists(names, max_size=2).map(tuple),
    fingerprint=st.lists(names, max_size=2).map(tuple),
)


@given(matchers, alerts)
def test_each_field_of_a_matcher_only_narrows_it(matcher, given_alert):
    fields = msgspec.structs.asdict(matcher)
    alone = [Matcher(**{name: value}) for name, value in fields.items()]
    assert matcher.matches(given_alert) == all(one.matches(given_alert) for one in alone)


@given(st.lists(matchers, max_size=4), alerts)
def test_the_first_policy_that_matches_is_taken(some, given_alert):
    step = (Step(0, ("a",)),)
    made = [
        Policy(name=f"p{at}", match=one, steps=step) for at, one in enumerate([*some, Matcher()])
    ]
    chosen = Policies(made).choose(given_alert)
    assert chosen == next(one for one in made if one.match.matches(given_alert))


@given(
    matchers,
    st.floats(0, 1e6),
    st.floats(1, 1e6),
    st.integers(0, 1_000),
)
def test_a_policy_survives_the_row_of_its_incident(matcher, after_s, repeat_s, repeats):
    policy = Policy(
        name="one",
        match=matcher,
        steps=(Step(after_s, ("a", "b")),),
        repeat_s=repeat_s,
        max_repeats=repeats,
    )
    assert msgspec.json.decode(msgspec.json.encode(policy), type=Policy) == policy
