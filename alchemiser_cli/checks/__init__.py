"""The check engine: one set of checks as data, run in order, observed as they finish."""

from alchemiser_cli.checks.engine import Check, CheckResult, Outcome, SkipCheck, run_checks

__all__ = ["Check", "CheckResult", "Outcome", "SkipCheck", "run_checks"]
