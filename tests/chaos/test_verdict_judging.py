"""Judging: evidence against expectations, question by question."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace as changed

from alchemiser_cli.chaos.experiments.ground import InjectedFault
from alchemiser_cli.chaos.leases import Lease
from alchemiser_cli.chaos.verdicts.evidence import Evidence, Message, Occurrence, _true_ns
from alchemiser_cli.chaos.verdicts.expectation import Detection, Expectation
from alchemiser_cli.chaos.verdicts.judging import judge
from alchemiser_cli.chaos.workloads.workload import Defence, Work
from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.faults import Fault, FaultKind

S = NS_PER_SECOND
BEGAN = 1_000 * S
LEASE = Lease(
    id="lease",
    target="registry.get",
    environment="development",
    owner="me",
    fault=Fault(kind=FaultKind.RAISE, word="registry-unreachable"),
    reason="",
    drill=False,
    run="run",
    at_ns=BEGAN,
    begins_ns=BEGAN,
    ends_ns=BEGAN + 10 * S,
)
FAULT = InjectedFault(
    LEASE, LEASE.ends_ns, Work(offered=100, done=100), Work(offered=200, done=180)
)
EVIDENCE = Evidence(
    occurrences=[Occurrence("registry-unreachable", BEGAN + 2 * S, injected=True, count=3)],
    messages=[Message("registry-unreachable", BEGAN + 3 * S, BEGAN + 4 * S)],
    strikes={"lease": 3},
    work=Work(offered=300, done=280, twice=1, lost=2),
    defences={"circuit breaker": Defence(True, "opened once")},
    steady_ns=BEGAN + 13 * S,
)
EXPECTED = Expectation(
    target="registry.get",
    detected=Detection(codes=("registry-unreachable",), within_s=5),
    defences=("circuit breaker",),
    told=True,
    steady_within_s=5,
    lost=2,
    twice=1,
    availability=0.8,
    guards={"detected": "probe", "told": "outbox", "lost": "dead-letter topic"},
)


def judged(expected=EXPECTED, evidence=EVIDENCE, fault=FAULT, before=True, after=True):
    return judge([expected], [fault], evidence, met_before=before, met_after=after)


def failed(verdict):
    asked = [*verdict.findings, *(one for fault in verdict.faults for one in fault.findings)]
    return [one.question for one in asked if not one.passed]


def test_all_as_expected_passes():
    verdict = judged()
    assert verdict.passed
    findings = {one.question: one for one in verdict.faults[0].findings}
    assert findings["detected"].after_s == 2
    assert findings["told"].after_s == 4
    assert findings["steady"].after_s == 3
    assert findings["availability"].observed == "80.0% of 100"


@pytest.mark.parametrize(
    ("evidence", "question", "accused"),
    [
        (changed(EVIDENCE, strikes={}), "struck", "struck"),
        (changed(EVIDENCE, messages=[]), "told", "outbox"),
        (changed(EVIDENCE, defences={}), "reacted", "circuit breaker"),
        (
            changed(EVIDENCE, defences={"circuit breaker": Defence(False, "closed")}),
            "reacted",
            "circuit breaker",
        ),
        (changed(EVIDENCE, steady_ns=None), "steady", "steady"),
        (changed(EVIDENCE, steady_ns=BEGAN + 16 * S), "steady", "steady"),
        (changed(EVIDENCE, work=Work(lost=3, twice=1)), "lost", "dead-letter topic"),
        (changed(EVIDENCE, work=Work(lost=2, twice=2)), "twice", "twice"),
    ],
)
def test_one_answer_that_is_wrong_fails_the_verdict_and_accuses(evidence, question, accused):
    verdict = judged(evidence=evidence)
    assert failed(verdict) == [question]
    assert verdict.accused == [accused]


def test_a_failure_of_before_the_fault_or_of_another_code_detects_nothing():
    for one in (
        Occurrence("registry-unreachable", BEGAN - 1, injected=False, count=1),
        Occurrence("schema-not-found", BEGAN + 1, injected=True, count=1),
    ):
        verdict = judged(evidence=changed(EVIDENCE, occurrences=[one]))
        assert failed(verdict) == ["detected", "journalled"]
        assert "probe" in verdict.accused


def test_late_is_journalled_and_not_detected():
    late = Occurrence("registry-unreachable", BEGAN + 6 * S, injected=True, count=1)
    verdict = judged(evidence=changed(EVIDENCE, occurrences=[late]))
    assert failed(verdict) == ["detected"]


def test_nobody_is_to_be_told_and_somebody_is():
    quiet = changed(EXPECTED, told=False)
    assert failed(judged(quiet)) == ["told"]
    assert judged(quiet, changed(EVIDENCE, messages=[])).passed
    before = [Message("registry-unreachable", BEGAN - 1, BEGAN)]
    assert judged(quiet, changed(EVIDENCE, messages=before)).passed


def test_a_message_that_did_not_arrive_told_nobody():
    unsent = [Message("registry-unreachable", BEGAN + 1, None)]
    assert failed(judged(evidence=changed(EVIDENCE, messages=unsent))) == ["told"]


def test_an_expected_fault_that_nobody_injected_fails():
    other = changed(EXPECTED, target="shm.read")
    verdict = judge([EXPECTED, other], [FAULT], EVIDENCE, met_before=True, met_after=True)
    assert failed(verdict) == ["struck"]


def test_the_hypothesis_must_hold_before_and_after():
    assert failed(judged(after=False)) == ["hypothesis"]
    assert failed(judged(after=None)) == ["hypothesis"]  # it was not reached
    assert judged(before=None, after=None).passed  # there is none


def test_work_that_was_not_counted_is_not_available():
    assert failed(judged(fault=replace(FAULT, after=None))) == ["availability"]
    idle = replace(FAULT, after=FAULT.before)
    assert failed(judged(fault=idle)) == ["availability"]


@given(st.floats(0, 100), st.floats(0.1, 100))
def test_detection_is_in_time_exactly_up_to_its_limit(after_s, within_s):
    at_ns = BEGAN + round(after_s * S)
    seen = [Occurrence("registry-unreachable", at_ns, injected=True, count=1)]
    wanted = changed(
        EXPECTED, detected=Detection(codes=("registry-unreachable",), within_s=within_s)
    )
    verdict = judged(wanted, changed(EVIDENCE, occurrences=seen))
    assert ("detected" in failed(verdict)) is ((at_ns - BEGAN) / S > within_s)


@pytest.mark.parametrize("amount", [3_600.0, -3_600.0, 2.0])
def test_times_of_a_skewed_clock_are_put_right(amount):
    skew = changed(LEASE, fault=Fault(kind=FaultKind.SKEW, amount=amount))
    fault = InjectedFault(skew, skew.ends_ns)
    wrong_ns = BEGAN + 5 * S + round(amount * S)
    assert _true_ns(wrong_ns, [fault]) == BEGAN + 5 * S
    assert _true_ns(BEGAN - 60 * S, [fault]) == BEGAN - 60 * S
    assert _true_ns(wrong_ns, [FAULT]) == wrong_ns
