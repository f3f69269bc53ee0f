"""The verdict: may these weights act on live data, and if not, for which reasons."""

from collections.abc import Iterable, Sequence

import msgspec

__all__ = ["DEFAULT_THRESHOLDS", "Finding", "Thresholds", "Verdict", "pass_verdict"]


class Thresholds(msgspec.Struct, frozen=True):
    """What a policy must keep to be promotable."""

    # One NaN is enough: live, it is an order of unknown size.
    max_non_finite_share: float = 0.0
    # At its limits more than half of the time, a policy no longer chooses sizes, and tanh passes
    # no gradient there.
    max_saturated_share: float = 0.5
    # At the same risk as the baseline; 0 asks only for the right sign, the interval for certainty.
    min_sharpe_difference: float = 0.0
    # Of both tails; the judged lower end is passed by chance in 5 of 100 worlds without an edge.
    confidence: float = 0.90
    # The level at which Bailey & López de Prado (2014) speak of a discovery.
    min_deflated_sharpe: float = 0.95
    # A year of daily data: with less, luck alone makes a Sharpe ratio of 2.
    min_steps: int = 250


DEFAULT_THRESHOLDS = Thresholds()


class Finding(msgspec.Struct, frozen=True):
    """One question of the verdict: the ``reason`` if it is not passed, and value against limit."""

    reason: str
    passed: bool
    value: float
    limit: float
    meaning: str


class Verdict(msgspec.Struct, frozen=True):
    """Promotable only without a reason against it; ``findings`` hold every question asked."""

    promotable: bool
    reasons: tuple[str, ...]
    findings: tuple[Finding, ...]


def pass_verdict(
    thresholds: Thresholds,
    *,
    non_finite_actions: float,
    non_finite_weights: int,
    saturated_actions: float,
    edges: Sequence[tuple[str, float]],
    deflated_sharpe: float,
    ruined: int,
    rows_between: int | None,
    purge_steps: int,
    steps: int,
) -> Verdict:
    """Judge the figures of an evaluation.

    ``edges`` are the names of the baselines, each with the lower end of the interval of the
    policy's annualised Sharpe ratio less the baseline's. ``rows_between`` is None for rules, which
    saw no data at all.
    """
    limits = thresholds
    sample = purge_steps if rows_between is None else rows_between
    findings = (
        _at_most(
            "non_finite_actions",
            non_finite_actions,
            limits.max_non_finite_share,
            "share of the actions that are NaN or infinite",
        ),
        _at_most(
            "non_finite_weights",
            non_finite_weights,
            0,
            "numbers among the weights that are NaN or infinite",
        ),
        _at_most(
            "saturated_actions",
            saturated_actions,
            limits.max_saturated_share,
            "share of the actions beyond 0.99 of their limit",
        ),
        *_edges(edges, limits),
        _at_least(
            "sharpe_not_significant",
            deflated_sharpe,
            limits.min_deflated_sharpe,
            "probability of skill, given all trials (deflated Sharpe ratio)",
        ),
        _at_most("ruined", ruined, 0, "runs that lost half of their balance"),
        _at_least(
            "not_out_of_sample", sample, purge_steps, "rows between training and what is judged"
        ),
        _at_least("too_few_steps", steps, limits.min_steps, "steps that were judged"),
    )
    reasons = tuple(finding.reason for finding in findings if not finding.passed)
    return Verdict(promotable=not reasons, reasons=reasons, findings=findings)


def _edges(edges: Sequence[tuple[str, float]], limits: Thresholds) -> Iterable[Finding]:
    for name, low in edges:
        yield Finding(
            f"no_edge_over_{name.replace('-', '_')}",
            passed=low > limits.min_sharpe_difference,
            value=low,
            limit=limits.min_sharpe_difference,
            meaning=f"lower end of the Sharpe ratio's lead over {name}",
        )


def _at_most(reason: str, value: float, limit: float, meaning: str) -> Finding:
    return Finding(reason, passed=value <= limit, value=value, limit=limit, meaning=meaning)


def _at_least(reason: str, value: float, limit: float, meaning: str) -> Finding:
    return Finding(reason, passed=value >= limit, value=value, limit=limit, meaning=meaning)
