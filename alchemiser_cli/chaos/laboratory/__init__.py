"""A scratch home in which an experiment may break whatever it likes."""

from alchemiser_cli.chaos.laboratory.contract import Laboratory
from alchemiser_cli.chaos.laboratory.receiver import Receiver
from alchemiser_cli.chaos.laboratory.scratch import (
    ScratchLaboratory,
    scratch_environment,
    scratch_folder,
)

__all__ = ["Laboratory", "Receiver", "ScratchLaboratory", "scratch_environment", "scratch_folder"]
