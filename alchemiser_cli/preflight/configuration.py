"""Checks of the profile, the environment's policy, and the plugins that are allowed."""

from functools import partial

from alchemiser_cli.checks import Check
from alchemiser_cli.errors import (
    AlchemiserError,
    PermissionsTooOpenError,
    ProductionPolicyError,
)
from alchemiser_cli.hooks import plugin_checks
from alchemiser_cli.preflight.setup import Setup
from alchemiser_cli.settings.policy import policy_problems

__all__ = ["checks"]


def checks(setup: Setup) -> list[Check]:
    """Return the checks of the category ``configuration``."""
    check = partial(setup.check, "configuration")
    return [
        check("profile is valid", "setting-invalid", lambda: _profile(setup)),
        check("environment's policy is met", "production-policy", lambda: _policy(setup)),
        check("allowed plugins load", "plugin-rejected", lambda: _plugins(setup)),
    ]


def _profile(setup: Setup) -> str:
    # Settings that are not valid never get this far: resolving them stopped the command.
    resolved = setup.resolved
    given = sum(len(layer.origins) for layer in resolved.layers)
    return f"{resolved.profile} ({resolved.settings.environment}), {given} values set"


def _policy(setup: Setup) -> str:
    resolved = setup.resolved
    problems = [
        problem
        for problem in policy_problems(resolved.settings, resolved.secret_files)
        if problem.code != "credentials-missing"  # a category of its own
    ]
    if problems:
        first = problems[0]
        kind: type[AlchemiserError] = (
            PermissionsTooOpenError
            if first.code == PermissionsTooOpenError.code
            else ProductionPolicyError
        )
        raise kind(
            f"{len(problems)} setting(s) refused in {resolved.settings.environment}",
            why="; ".join(f"{problem.key}: {problem.message}" for problem in problems),
            next_step=first.next_step,
            context={"keys": [problem.key for problem in problems]},
        )
    return f"signing key {resolved.origin(('signing', 'key'))}"


def _plugins(setup: Setup) -> str:
    names = setup.settings.plugins
    given = len(plugin_checks(setup.settings))
    return f"{', '.join(names)}, with {given} check(s)" if names else "none allowed"
