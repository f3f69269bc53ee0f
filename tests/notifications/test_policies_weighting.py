"""Troubles of trading weigh more while much is at stake."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alchemiser_cli.notifications.alert import RANKS, Alert
from alchemiser_cli.notifications.weighting import weighted
from alchemiser_cli.settings import AlertSettings

HALF = AlertSettings(exposure_raises=0.5)


def alert(code="order-rejected", *, severity="high", kind="error", component="desk"):
    return Alert(
        fingerprint="ab",
        kind=kind,
        severity=severity,
        code=code,
        component=component,
        what="something",
        at_ns=1,
    )


@pytest.mark.parametrize(
    "given_alert",
    [
        alert(),
        alert("audit-lost"),
        alert("kill-switch-active", kind="trading"),
        alert("broker-unreachable", component="trade run"),
    ],
)
def test_trouble_of_trading_counts_one_higher_from_the_share_on(given_alert):
    assert weighted(given_alert, 0.5, HALF).severity == "critical"
    assert weighted(given_alert, -0.5, HALF).severity == "critical"
    assert weighted(given_alert, math.nan, HALF).severity == "critical"
    assert weighted(given_alert, 0.49, HALF) is given_alert
    assert weighted(given_alert, 9.0, AlertSettings()) is given_alert


def test_other_trouble_keeps_its_severity():
    for other in (alert("broker-unreachable"), alert("unheard-of", component="trader")):
        assert weighted(other, 1.0, HALF) is other


@given(st.sampled_from(list(RANKS)), st.floats(0, 10), st.floats(0, 10))
def test_more_exposure_never_counts_less_and_changes_nothing_but_the_severity(level, one, other):
    given_alert = alert(severity=level)
    less, more = (weighted(given_alert, share, HALF) for share in sorted((one, other)))
    assert RANKS[level] <= RANKS[less.severity] <= RANKS[more.severity] <= RANKS[level] + 1
    assert more in (given_alert, alert(severity=more.severity))
