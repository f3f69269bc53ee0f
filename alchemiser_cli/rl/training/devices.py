"""What a run computes on: device, threads and precision."""

import os
from dataclasses import dataclass

from alchemiser_cli.rl.td3.presets import PRESETS
from alchemiser_cli.settings import TrainingSettings

__all__ = ["Compute", "choose_compute"]

# Narrower matrices gain a quarter from bfloat16, wide ones more than half.
LEAST_WIDTH = 128


@dataclass(frozen=True)
class Compute:
    """The choice; all of it changes the last digits of a result."""

    device: str
    threads: int
    in_bfloat16: bool


def choose_compute(training: TrainingSettings, dimensions: int) -> Compute:
    """Choose for this machine where the settings leave it open.

    Observations of one of their ``dimensions`` need no transformer; without it, the network is so
    small that a second thread only costs.
    """
    import torch

    device = training.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    threads = training.threads or (1 if dimensions == 1 else os.cpu_count() or 1)
    wide = dimensions > 1 and PRESETS[training.preset].d_model >= LEAST_WIDTH
    in_bfloat16 = training.precision == "bfloat16" or (
        training.precision == "auto" and wide and _multiplies_bfloat16(device)
    )
    return Compute(device, threads, in_bfloat16)


def _multiplies_bfloat16(device: str) -> bool:
    """Tell whether the device has units for it, without which it is slower than float32."""
    import torch

    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu.get_capabilities().get("amx_bf16", False))
