"""The section of chaos: what may be broken on purpose, and for how long."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from alchemiser_cli.settings.sections import Seconds, Section, split_names

__all__ = ["ChaosSettings", "Danger"]

Danger = Literal["production", "live-broker", "open-positions"]
"""What keeps chaos away unless the profile allows it by name."""


class ChaosSettings(Section):
    """Faults on purpose: what may be broken, and for how long."""

    allow: Annotated[tuple[Danger, ...], BeforeValidator(split_names)] = Field(
        (),
        description="Dangers in spite of which faults may be injected: production, live-broker, "
        "open-positions. Each must be confirmed on the command line as well.",
    )
    max_duration_s: Seconds = Field(
        3_600.0, description="Longest time that a fault may be in force."
    )
    poll_s: Seconds = Field(
        0.25, le=60, description="How often a running process looks for faults it should suffer."
    )
