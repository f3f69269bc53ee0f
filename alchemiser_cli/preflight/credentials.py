"""Checks that each enabled broker and channel has its credentials."""

from alchemiser_cli.checks import Check, SkipCheck
from alchemiser_cli.errors import CredentialsMissingError
from alchemiser_cli.preflight.setup import LIVE, Setup
from alchemiser_cli.settings.policy import policy_problems

__all__ = ["checks"]


def checks(setup: Setup) -> list[Check]:
    """Return the checks of the category ``credentials``."""
    return [
        setup.check(
            "credentials",
            "enabled services have credentials",
            "credentials-missing",
            lambda: _credentials(setup),
            blocks_in=LIVE,
        )
    ]


def _credentials(setup: Setup) -> str:
    settings = setup.settings
    enabled = [f"broker {name}" for name, account in settings.brokers.items() if account.enabled]
    enabled += [f"channel {name}" for name, one in settings.notifications.items() if one.enabled]
    if settings.kafka.mode == "external" and settings.kafka.security_protocol.startswith("SASL"):
        enabled.append("kafka")
    if not enabled:
        raise SkipCheck("no broker or channel that needs credentials is enabled")
    problems = [p for p in policy_problems(settings) if p.code == CredentialsMissingError.code]
    if problems:
        raise CredentialsMissingError(
            f"{len(problems)} credential(s) missing",
            why="; ".join(problem.message for problem in problems),
            next_step=problems[0].next_step,
            context={"keys": [problem.key for problem in problems]},
        )
    return ", ".join(enabled)
