"""The audit of the environment that is shipped: every law is kept, told at once, and required."""

import io
import json
import logging

import msgspec
import pytest

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.errors import ChainDataError, EnvironmentAuditError
from alchemiser_cli.market.chains import GeneratedChains, TableChains
from alchemiser_cli.render.environment_audit import environment_audit_view
from alchemiser_cli.render.output import Format, show
from alchemiser_cli.rl.audit import AUDITS, AuditOutcome, AuditReport, audit_environment, require
from alchemiser_cli.rl.environment import TradingEnvironment
from alchemiser_cli.rl.vec_env import TradingVecEnv
from alchemiser_cli.settings import OptionsSettings


@pytest.fixture(scope="module")
def told():
    """Return what was told on the way."""
    return []


@pytest.fixture(scope="module")
def report(told):
    options = OptionsSettings()
    chains = GeneratedChains(options, steps=500, seed=3)
    return audit_environment(
        TradingEnvironment, TradingVecEnv, chains, options, on_outcome=told.append
    )


def _report(*passed):
    outcomes = [
        AuditOutcome(f"law-{at}", f"law {at} holds", kept, f"seen {at}", 0.25)
        for at, kept in enumerate(passed)
    ]
    return AuditReport(rows=1_000, seed=1, outcomes=tuple(outcomes))


def _shown(report, output):
    stream = io.StringIO()
    show(environment_audit_view(report), output, stream)
    return stream.getvalue()


def test_the_shipped_environments_keep_every_law(report):
    assert {one.name: one.detail for one in report.failures} == {}
    require(report)


def test_every_audit_is_told_once_in_order(report, told):
    assert [one.name for one in told] == [audit.name for audit in AUDITS]
    assert tuple(told) == report.outcomes
    assert len({audit.name for audit in AUDITS}) == len(AUDITS)


def test_a_report_survives_json(report):
    again = msgspec.json.decode(msgspec.json.encode(report), type=AuditReport)
    assert again == report


def test_chains_made_by_hand_keep_all_but_parity_and_planted_faults_are_not_logged(table, caplog):
    caplog.set_level(logging.WARNING, logger="alchemiser")
    options = OptionsSettings()
    report = audit_environment(TradingEnvironment, TradingVecEnv, TableChains(table), options)
    assert [one.name for one in report.failures] == ["put-call-parity"]
    assert caplog.records == []


def test_an_environment_that_crashes_fails_its_audits_in_its_own_words(table):
    class Broken(TradingEnvironment):
        def step(self, action):
            raise RuntimeError("no market\n  today")

    told = []
    report = audit_environment(
        Broken,
        TradingVecEnv,
        TableChains(table),
        OptionsSettings(),
        clock=ManualClock(),
        on_outcome=told.append,
    )
    found = {one.name: one for one in report.outcomes}
    assert found["cash-conservation"].detail == "RuntimeError: no market today"
    assert found["chain-past"].passed
    assert len(told) == len(AUDITS)
    assert report.seconds == 0


@pytest.mark.provokes("environment-audit-failed")
def test_a_broken_law_forbids_training():
    with pytest.raises(EnvironmentAuditError, match="failed 2 of 3 audits: law-1, law-2") as caught:
        require(_report(True, False, False))
    assert "Broken is: law 1 holds. seen 1, and 1 more." in caught.value.why
    assert caught.value.context["failed"] == ["law-1", "law-2"]


def test_a_report_of_nothing_proves_nothing():
    with pytest.raises(EnvironmentAuditError, match="nothing was audited"):
        require(_report())


@pytest.mark.provokes("chain-data-insufficient")
def test_too_few_rows_cannot_be_audited(table):
    chains = TableChains(table.take(slice(0, 100)))
    with pytest.raises(ChainDataError, match="100 rows"):
        audit_environment(TradingEnvironment, TradingVecEnv, chains, OptionsSettings())


def test_a_view_shows_every_law_and_what_broke_one():
    text = _shown(_report(True, False), Format.TABLE)
    assert "law 0 holds" in text
    assert "BROKEN" in text
    assert "seen 1" in text
    assert "seen 0" not in text
    assert "NOT fit for training: 1 of 2 laws kept on 1,000 rows (seed 1, 0.5 s)" in text


def test_a_view_as_json_is_the_report_with_its_verdict():
    document = json.loads(_shown(_report(True), Format.JSON))
    assert document["passed"] is True
    assert document["seconds"] == 0.25
    assert document["outcomes"][0] == {
        "name": "law-0",
        "law": "law 0 holds",
        "passed": True,
        "detail": "seen 0",
        "seconds": 0.25,
    }
