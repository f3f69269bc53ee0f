"""The checkers of Gymnasium and Stable-Baselines3; what they only warn of is a failure too."""

import re
import warnings
from collections.abc import Callable
from typing import Any

import gymnasium
from gymnasium.utils.env_checker import check_env as check_by_gymnasium
from stable_baselines3.common.env_checker import check_env as check_by_stable_baselines

from alchemiser_cli.rl.audit.subject import Finding, Subject

__all__ = ["gymnasium_checker", "stable_baselines_checker"]

# The extractor reads windows of rows; the advice to flatten them is for networks without one.
EXPECTED = "unconventional shape"
GLOSS = re.compile(r"\x1b\[\d*m|WARN: ")  # what Gymnasium wraps its warnings in


def gymnasium_checker(subject: Subject) -> Finding:
    """Run ``gymnasium.utils.env_checker.check_env``."""

    def check(environment: gymnasium.Env[Any, Any]) -> None:
        check_by_gymnasium(environment, skip_render_check=True)

    return _checked(subject, check)


def stable_baselines_checker(subject: Subject) -> Finding:
    """Run ``stable_baselines3.common.env_checker.check_env``."""
    return _checked(subject, check_by_stable_baselines)


def _checked(subject: Subject, check: Callable[[gymnasium.Env[Any, Any]], None]) -> Finding:
    environment = subject.environment(random_start=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check(environment)
    said = [str(one.message) for one in caught if issubclass(one.category, UserWarning)]
    unexpected = [words for words in said if EXPECTED not in words]
    if unexpected:
        return Finding(passed=False, detail=GLOSS.sub("", unexpected[0]))
    return Finding(passed=True, detail="the checker found nothing")
