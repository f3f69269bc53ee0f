"""Judging: what an experiment expects of each fault is held against what was seen."""

from collections.abc import Iterator, Sequence

from alchemiser_cli.chaos.experiments.ground import InjectedFault
from alchemiser_cli.chaos.verdicts.evidence import Evidence
from alchemiser_cli.chaos.verdicts.expectation import Detection, Expectation
from alchemiser_cli.chaos.verdicts.verdict import FaultVerdict, Finding, Question, Verdict
from alchemiser_cli.chaos.wording import counted, times
from alchemiser_cli.clock import NS_PER_SECOND

__all__ = ["judge"]


def judge(
    expectations: Sequence[Expectation],
    faults: Sequence[InjectedFault],
    evidence: Evidence,
    *,
    met_before: bool | None,
    met_after: bool | None,
) -> Verdict:
    """Return the verdict: every question of every expectation, for every fault at its target.

    ``met_before`` and ``met_after`` say whether the hypothesis held; None: it was not asked.
    """
    expected = {one.target: one for one in expectations}
    verdicts = [
        FaultVerdict(
            target=fault.lease.target,
            fault=fault.lease.word,
            lease=fault.lease.id,
            strikes=evidence.strikes.get(fault.lease.id, 0),
            began_ns=fault.lease.begins_ns,
            ended_ns=fault.over_ns,
            findings=list(_fault_findings(fault, expected.get(fault.lease.target), evidence)),
        )
        for fault in faults
    ]
    struck = {fault.lease.target for fault in faults}
    findings = [
        Finding(
            question="struck",
            expected=f"a fault at {one.target}",
            observed="none was injected there",
            passed=False,
        )
        for one in expectations
        if one.target not in struck
    ]
    findings += _hypothesis(met_before, met_after)
    return Verdict(faults=verdicts, findings=findings)


def _hypothesis(before: bool | None, after: bool | None) -> Iterator[Finding]:
    if before is None and after is None:
        return
    words = {True: "held", False: "did not hold", None: "was not asked"}
    yield Finding(
        question="hypothesis",
        expected="held before and after",
        observed=f"{words[before]} before, {words[after]} after",
        passed=before is True and after is True,
        defence="steady state",
    )


def _fault_findings(
    fault: InjectedFault, expected: Expectation | None, evidence: Evidence
) -> Iterator[Finding]:
    strikes = evidence.strikes.get(fault.lease.id, 0)
    yield Finding(
        question="struck",
        expected="at least once",
        observed=times(strikes) if strikes else "never: this proves nothing",
        passed=strikes > 0,
    )
    if expected is None:
        return
    answers = _Answers(fault, expected, evidence)
    if expected.detected is not None:
        yield from answers.detected(expected.detected)
    yield from answers.reacted()
    if expected.told is not None:
        yield answers.told(wanted=expected.told)
    if expected.steady_within_s is not None:
        yield answers.steady(expected.steady_within_s)
    if expected.lost is not None:
        yield answers.counted("lost", expected.lost)
    if expected.twice is not None:
        yield answers.counted("twice", expected.twice)
    if expected.availability is not None:
        yield answers.availability(expected.availability)


class _Answers:
    """The answers on one fault."""

    def __init__(self, fault: InjectedFault, expected: Expectation, evidence: Evidence) -> None:
        self._fault, self._expected, self._evidence = fault, expected, evidence
        self._since_ns = fault.lease.begins_ns

    def detected(self, wanted: Detection) -> Iterator[Finding]:
        first = self._evidence.first(wanted.codes, self._since_ns)
        after_s = None if first is None else (first.at_ns - self._since_ns) / NS_PER_SECOND
        codes = " or ".join(wanted.codes)
        yield self._finding(
            "detected",
            f"{codes} within {wanted.within_s:g} s",
            "not at all" if first is None else f"{first.code} after {after_s:.2f} s",
            passed=after_s is not None and after_s <= wanted.within_s,
            after_s=after_s,
        )
        found = [
            one
            for one in self._evidence.occurrences
            if one.code in wanted.codes and one.at_ns >= self._since_ns
        ]
        count = sum(one.count for one in found)
        marked = sum(one.count for one in found if one.injected)
        yield self._finding(
            "journalled",
            f"{codes} in the journal",
            f"{times(count)}, {marked:,} of them marked as injected",
            passed=count > 0,
        )

    def reacted(self) -> Iterator[Finding]:
        for name in self._expected.defences:
            seen = self._evidence.defences.get(name)
            yield Finding(
                question="reacted",
                expected=f"{name} acts",
                observed="the workload has no such defence" if seen is None else seen.detail,
                passed=seen is not None and seen.acted,
                defence=name,
            )

    def told(self, *, wanted: bool) -> Finding:
        detection = self._expected.detected
        messages = [
            one
            for one in self._evidence.messages
            if one.queued_ns >= self._since_ns
            and (detection is None or one.code in detection.codes)
        ]
        sent = [one.sent_ns for one in messages if one.sent_ns is not None]
        after_s = (min(sent) - self._since_ns) / NS_PER_SECOND if sent else None
        observed = (
            "nobody" if not messages else f"{counted(len(messages), 'message')}, none arrived"
        )
        if after_s is not None:
            observed = f"{counted(len(sent), 'message')}, the first after {after_s:.2f} s"
        return self._finding(
            "told",
            "somebody is told" if wanted else "nobody is told",
            observed,
            passed=bool(sent) if wanted else not messages,
            after_s=after_s,
        )

    def steady(self, within_s: float) -> Finding:
        steady_ns = self._evidence.steady_ns
        after_s = None
        if steady_ns is not None:
            after_s = max(0, steady_ns - self._fault.over_ns) / NS_PER_SECOND
        return self._finding(
            "steady",
            f"within {within_s:g} s of the fault's end",
            "not at all" if after_s is None else f"after {after_s:.2f} s",
            passed=after_s is not None and after_s <= within_s,
            after_s=after_s,
        )

    def counted(self, question: Question, most: int) -> Finding:
        work = self._evidence.work
        number = None if work is None else (work.lost if question == "lost" else work.twice)
        return self._finding(
            question,
            f"at most {most:,}" if most else "nothing",
            "there is no account of the work" if number is None else f"{number:,}",
            passed=number is not None and number <= most,
        )

    def availability(self, least: float) -> Finding:
        before, after = self._fault.before, self._fault.after
        offered = after.offered - before.offered if before and after else 0
        share = None
        if before and after and offered:
            # What was offered before and is done now would make it more than all.
            share = min(1.0, (after.done - before.done) / offered)
        return self._finding(
            "availability",
            f"at least {least:.0%}",
            "nothing was offered meanwhile" if share is None else f"{share:.1%} of {offered:,}",
            passed=share is not None and share >= least,
        )

    def _finding(
        self,
        question: Question,
        expected: str,
        observed: str,
        *,
        passed: bool,
        after_s: float | None = None,
    ) -> Finding:
        return Finding(
            question=question,
            expected=expected,
            observed=observed,
            passed=passed,
            defence=self._expected.guards.get(question, ""),
            after_s=after_s,
        )
