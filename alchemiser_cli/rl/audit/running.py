"""Run every audit: each tells its own law, and one that fails or crashes hides no other."""

import dataclasses
from collections.abc import Callable

from alchemiser_cli.clock import Clock, SystemClock
from alchemiser_cli.market.chains import ChainProvider
from alchemiser_cli.rl.audit.costs import rising_costs
from alchemiser_cli.rl.audit.endings import (
    data_truncates,
    nothing_after_the_end,
    ruin_terminates,
)
from alchemiser_cli.rl.audit.future import chain_past, environment_past
from alchemiser_cli.rl.audit.fuzz import fuzz
from alchemiser_cli.rl.audit.interface import gymnasium_checker, stable_baselines_checker
from alchemiser_cli.rl.audit.ledger import cash_conservation
from alchemiser_cli.rl.audit.parity import put_call_parity
from alchemiser_cli.rl.audit.repetition import observations_kept, seeded_rollouts
from alchemiser_cli.rl.audit.report import AuditOutcome, AuditReport
from alchemiser_cli.rl.audit.rewards import reward_law
from alchemiser_cli.rl.audit.subject import (
    Finding,
    MakeEnvironment,
    MakeVectorised,
    Subject,
    subject_of,
)
from alchemiser_cli.rl.audit.vectorised import vectorised_endings, vectorised_equals_single
from alchemiser_cli.rl.quiet import quiet
from alchemiser_cli.settings import OptionsSettings

__all__ = ["AUDITS", "Audit", "audit_environment"]


@dataclasses.dataclass(frozen=True, slots=True)
class Audit:
    """One law, and the function that looks whether it holds."""

    name: str
    law: str
    run: Callable[[Subject], Finding]


AUDITS = (
    Audit("gymnasium", "the environment keeps Gymnasium's interface", gymnasium_checker),
    Audit("stable-baselines", "the environment suits Stable-Baselines3", stable_baselines_checker),
    Audit("seeded-rollouts", "the same seed and actions give the same bits", seeded_rollouts),
    Audit("observations-kept", "no step changes an observation given before", observations_kept),
    Audit("environment-past", "what is seen at a step rests on no later row", environment_past),
    Audit("chain-past", "a row of chains rests on no later price", chain_past),
    Audit("put-call-parity", "calls and puts on a strike are priced in parity", put_call_parity),
    Audit("cash-conservation", "money comes from prices and goes in costs only", cash_conservation),
    Audit("rising-costs", "dearer fees never end with more equity", rising_costs),
    Audit("reward-law", "a reward is what equity says, once", reward_law),
    Audit("data-truncates", "the end of data and of length truncates", data_truncates),
    Audit("ruin-terminates", "ruin terminates", ruin_terminates),
    Audit("nothing-after-the-end", "no reward comes twice or after the end", nothing_after_the_end),
    Audit("fuzz", "broken prices give sound observations and rewards", fuzz),
    Audit(
        "vectorised-equals-single",
        "side by side an episode is what it is alone",
        vectorised_equals_single,
    ),
    Audit("vectorised-endings", "side by side an end belongs to its episode", vectorised_endings),
)


def audit_environment(
    make_env: MakeEnvironment,
    make_vec_env: MakeVectorised,
    provider: ChainProvider,
    options: OptionsSettings,
    *,
    seed: int = 1,
    clock: Clock | None = None,
    on_outcome: Callable[[AuditOutcome], None] | None = None,
) -> AuditReport:
    """Hold the environments that are made of ``provider`` to every law of ``AUDITS``.

    ``seed`` decides the actions and rows that are tried. ``on_outcome`` is told each outcome at
    once. An audit that crashes has failed, with the exception's words.

    Raises:
        ChainDataError: chain-data-insufficient, when there are too few rows to play an episode in.

    """
    clock = clock or SystemClock()
    subject = subject_of(make_env, make_vec_env, provider, options, seed)
    outcomes = []
    for audit in AUDITS:
        begin = clock.monotonic_ns()
        with quiet():
            finding = _finding(audit, subject)
        seconds = (clock.monotonic_ns() - begin) / 1e9
        outcome = AuditOutcome(audit.name, audit.law, finding.passed, finding.detail, seconds)
        outcomes.append(outcome)
        if on_outcome is not None:
            on_outcome(outcome)
    return AuditReport(rows=len(subject.chains), seed=seed, outcomes=tuple(outcomes))


def _finding(audit: Audit, subject: Subject) -> Finding:
    try:
        return audit.run(subject)
    except Exception as error:  # noqa: BLE001  an environment may raise anything; the others go on
        words = " ".join(str(error).split())
        return Finding(passed=False, detail=f"{type(error).__name__}: {words}"[:400])
