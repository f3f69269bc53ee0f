"""The engine: one experiment from its hypothesis to its verdict; rollbacks always run."""

import contextvars
import platform
import socket
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field

import msgspec

from alchemiser_cli import __version__
from alchemiser_cli.chaos.actions import stop_faults
from alchemiser_cli.chaos.experiments.activities import look, run_activity
from alchemiser_cli.chaos.experiments.collecting import Collector
from alchemiser_cli.chaos.experiments.controls import Controls
from alchemiser_cli.chaos.experiments.document import (
    Activity,
    Experiment,
    Hypothesis,
    PythonProvider,
)
from alchemiser_cli.chaos.experiments.ground import Ground, standing_on
from alchemiser_cli.chaos.experiments.journal import (
    ActivityRun,
    ExperimentJournal,
    SteadyState,
    SteadyStates,
)
from alchemiser_cli.chaos.experiments.pace import HaltedError
from alchemiser_cli.chaos.experiments.watch import watching
from alchemiser_cli.chaos.verdicts.evidence import Evidence
from alchemiser_cli.chaos.verdicts.judging import judge
from alchemiser_cli.chaos.verdicts.verdict import Verdict
from alchemiser_cli.clock import NS_PER_SECOND, TrueClock, iso_from_ns

__all__ = ["Watchers", "new_run", "run_on"]

SETTLES_WITHIN_S = 30.0

_LOOK_EVERY_S = 0.1


@dataclass(frozen=True)
class Watchers:
    """Who is told how a run goes: ``say`` takes a line, the others are called without arguments.

    ``alive`` is called once a second, ``rolling_back`` before the first rollback.
    """

    say: Callable[[str], object] = lambda _line: None
    alive: Callable[[], object] = lambda: None
    rolling_back: Callable[[], object] = lambda: None


def new_run() -> str:
    """Return an id for a run: 32 hexadecimal digits."""
    return uuid.uuid4().hex


def run_on(ground: Ground, experiment: Experiment, watchers: Watchers) -> ExperimentJournal:
    """Run an experiment on ``ground`` and return its journal with the verdict.

    The ground's workload is started here, and stopped. What steps raise stands in the journal.
    """
    return _Run(ground, experiment, watchers).run()


@dataclass
class _Run:
    ground: Ground
    experiment: Experiment
    watchers: Watchers
    clock: TrueClock = field(default_factory=TrueClock)
    states: SteadyStates = field(default_factory=SteadyStates)
    steps: list[ActivityRun] = field(default_factory=list)
    rollbacks: list[ActivityRun] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    halted: bool = False
    working: bool = False

    def __post_init__(self) -> None:
        self.collector = Collector(self.ground, self.experiment.ours.expect)
        self.controls = Controls(self.experiment.controls, self.troubles.append)

    def run(self) -> ExperimentJournal:
        began_ns, from_ns = self.clock.now_ns(), self.clock.monotonic_ns()
        self.ground.began_ns = began_ns
        ours = self.experiment.ours
        evidence = None
        document = self.experiment.document
        with standing_on(self.ground), self.controls.around("experiment", document) as is_over:
            try:
                with ExitStack() as stack:
                    self._start()
                    stack.enter_context(watching(self.ground, ours.safeguards, self.watchers.alive))
                    self._try()
                    evidence = self._gathered()
            except HaltedError:
                self.halted = True
            except Exception as error:  # noqa: BLE001  the rollbacks must run
                self.troubles.append(_words(error))
            finally:
                self._undo()
            is_over({"run": self.steps, "rollbacks": self.rollbacks})
        evidence = evidence or self._evidence_at_the_end()
        before, after = self.states.before, self.states.after
        verdict = Verdict(faults=[], findings=[])
        if evidence is not None:
            verdict = judge(
                ours.expect,
                self.ground.noted(),
                evidence,
                met_before=None if before is None else before.steady_state_met,
                met_after=None if after is None else after.steady_state_met,
            )
        return self._journal(began_ns, from_ns, verdict)

    def _start(self) -> None:
        if self.ground.workload is not None:
            self.watchers.say("the work begins")
            self.working = True
            self.ground.workload.start()

    def _try(self) -> None:
        """Hypothesis, method, and the hypothesis again once every fault is over."""
        hypothesis, pace = self.experiment.hypothesis, self.ground.pace
        if hypothesis is not None:
            self.states.before = self._settled(hypothesis, SETTLES_WITHIN_S)
            if not self.states.before.steady_state_met:
                self.watchers.say("the steady state is not there to begin with")
                return
        with self.controls.around("method", self.experiment.document) as is_over:
            self._method()
            is_over(self.steps)
        self._wait_for_the_end()
        if hypothesis is not None:
            longest_s = max(
                (one.steady_within_s or 0.0 for one in self.experiment.ours.expect), default=0.0
            )
            self.states.after = self._settled(hypothesis, max(SETTLES_WITHIN_S, longest_s))
            if self.states.after.steady_state_met:
                self.collector.steady_ns = self._steady_since(hypothesis)
        pace.check()

    def _settled(self, hypothesis: Hypothesis, within_s: float) -> SteadyState:
        """Look at the hypothesis until it holds, for at most ``within_s``; return the last look."""
        pace, clock = self.ground.pace, self.clock
        end_ns = clock.monotonic_ns() + round(within_s * NS_PER_SECOND)
        about = self.experiment.document["steady-state-hypothesis"]
        with self.controls.around("hypothesis", about) as is_over:
            state = look(hypothesis, self._controlled)
            while not state.steady_state_met and clock.monotonic_ns() < end_ns:
                pace.wait(_LOOK_EVERY_S)
                state = look(hypothesis, self._controlled)
            is_over(state)
        held = "holds" if state.steady_state_met else f"does not hold: {_missed(state.probes[-1])}"
        self.watchers.say(f"hypothesis: {hypothesis.title}: {held}")
        return state

    def _steady_since(self, hypothesis: Hypothesis) -> int:
        """Return since when the hypothesis holds, which the watch knows where the work is all."""
        now_ns, since_ns = self.clock.now_ns(), self.ground.steady_since_ns
        asked = {
            one.provider.func
            for one in hypothesis.probes
            if isinstance(one.provider, PythonProvider)
        }
        only_work = asked == {"work_is_steady"} and len(hypothesis.probes) == 1
        return min(now_ns, since_ns) if only_work and since_ns is not None else now_ns

    def _method(self) -> None:
        """Run every step, those in the background beside the others; wait for all of them."""
        beside: list[tuple[int, Future[ActivityRun]]] = []
        with ThreadPoolExecutor(thread_name_prefix="chaos-step") as pool:
            try:
                for number, activity in enumerate(self.experiment.method):
                    self.ground.pace.check()
                    self.watchers.say(f"{activity.type}: {activity.name}")
                    if activity.background:
                        context = contextvars.copy_context()  # in which the ground stands
                        beside.append((number, pool.submit(context.run, self._step, activity)))
                    else:
                        self.steps.append(self._step(activity))
            finally:
                for number, future in beside:
                    self.steps.insert(number, future.result())
        self.ground.pace.check()

    def _controlled(self, activity: Activity) -> ActivityRun:
        with self.controls.around("activity", msgspec.to_builtins(activity)) as is_over:
            done = run_activity(activity, self.ground.pace, self.clock)
            is_over(done)
        return done

    def _step(self, activity: Activity) -> ActivityRun:
        done = self._controlled(activity)
        if done.status == "failed" and done.exception:
            self.watchers.say(f"failed: {activity.name}: {done.exception[-1].strip()}")
        return done

    def _wait_for_the_end(self) -> None:
        faults, now_ns = self.ground.noted(), self.clock.now_ns()
        last_ns = max((fault.over_ns for fault in faults), default=now_ns)
        left_s = max(0, last_ns - now_ns) / NS_PER_SECOND
        if left_s:
            self.watchers.say(f"the last fault is over in {left_s:.0f} s")
        self.ground.pace.wait_for(self.ground.all_over, left_s + 1)

    def _gathered(self) -> Evidence:
        """End the work, wait for what is on its way, and return the evidence."""
        self.collector.note_defences()
        self._stop()
        self.collector.note_defences()
        self.collector.wait_for_news()
        return self.collector.evidence()

    def _evidence_at_the_end(self) -> Evidence | None:
        """Return what is known of a run that did not come to its end."""
        try:
            return self.collector.evidence()
        except Exception as error:  # noqa: BLE001  the journal is written all the same
            self.troubles.append(_words(error))
            return None

    def _stop(self) -> None:
        """Stop the work, once."""
        if self.working and self.ground.workload is not None:
            self.working = False
            self.watchers.say("the work ends")
            self.ground.workload.stop()

    def _undo(self) -> None:
        """Run the rollbacks, then end what is left of the faults and of the work."""
        self.ground.pace.finish()
        last: list[Callable[[], object]] = [
            self.watchers.rolling_back,
            self._roll_all_back,
            stop_faults,
            self._stop,
        ]
        for part in last:
            try:
                part()
            except Exception as error:  # noqa: BLE001  the next one must run
                self.troubles.append(_words(error))

    def _roll_all_back(self) -> None:
        with self.controls.around("rollback", self.experiment.document) as is_over:
            for activity in self.experiment.rollbacks:
                self.watchers.say(f"rollback: {activity.name}")
                self.rollbacks.append(self._step(activity))
            is_over(self.rollbacks)

    def _journal(self, began_ns: int, from_ns: int, verdict: Verdict) -> ExperimentJournal:
        pace, before, after = self.ground.pace, self.states.before, self.states.after
        journal = ExperimentJournal(
            alchemiser_version=__version__,
            platform=platform.platform(),
            node=socket.gethostname(),
            experiment=self.experiment.document,
            start=iso_from_ns(began_ns),
            steady_states=self.states,
            run=self.steps,
            rollbacks=self.rollbacks,
            troubles=self.troubles,
            verdict=verdict,
        )
        journal.duration = round((self.clock.monotonic_ns() - from_ns) / NS_PER_SECOND, 3)
        journal.end = iso_from_ns(began_ns + round(journal.duration * NS_PER_SECOND))
        journal.deviated = after is not None and not after.steady_state_met
        if self.halted and pace.is_aborted:
            journal.status, journal.aborted_by = "aborted", pace.reason
        elif self.halted:
            journal.status = "interrupted"
        elif self.troubles or (before is not None and not before.steady_state_met):
            journal.status = "failed"
        return journal


def _missed(probe: ActivityRun) -> str:
    """Say what the probe gave that its tolerance does not allow."""
    gave = f"gave {probe.output!r}"
    if probe.status != "succeeded":
        gave = probe.exception[-1].strip() if probe.exception else probe.status
    return f"{probe.activity['name']} {gave}"


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
