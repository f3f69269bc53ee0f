"""Check of this machine's clock against the broker's."""

from alchemiser_cli.checks import Check, SkipCheck
from alchemiser_cli.errors import ClockSkewError
from alchemiser_cli.preflight.kafka import ANSWERS
from alchemiser_cli.preflight.setup import LIVE, Setup

__all__ = ["checks"]


def checks(setup: Setup) -> list[Check]:
    """Return the checks of the category ``clock``."""
    return [
        setup.check(
            "clock",
            "clock agrees with the broker's",
            "clock-skew",
            lambda: _skew(setup),
            blocks_in=LIVE,
            needs=(ANSWERS,),
        )
    ]


def _skew(setup: Setup) -> str:
    from alchemiser_cli.streaming import broker_clock_skew

    settings = setup.settings
    found = broker_clock_skew(
        settings.kafka, setup.cluster.bootstrap, setup.cluster_info.topics, setup.clock
    )
    if found.skew_s is None:
        raise SkipCheck(found.reason)
    allowed = settings.preflight.max_clock_skew_s
    if abs(found.skew_s) > allowed:
        raise ClockSkewError(
            f"the broker's clock is {found.skew_s:+.3f} s from ours",
            why=f"preflight.max_clock_skew_s allows {allowed:g} s; ages and latencies would lie.",
            next_step="Synchronise both machines (chronyc tracking shows this one).",
            context={"skew_s": found.skew_s},
        )
    return f"{found.skew_s:+.3f} s, {found.reason}"
