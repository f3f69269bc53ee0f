"""What a fault on purpose does to what is learnt from."""

from typing import TYPE_CHECKING

from alchemiser_cli.faults import FaultPoint

if TYPE_CHECKING:
    from stable_baselines3.common.type_aliases import ReplayBufferSamples

__all__ = ["spoiled_batch", "spoils"]

_MARK = b"\0"


def spoils(point: FaultPoint) -> bool:
    """Pass ``point``; tell whether what passes there with it is to be spoiled.

    Raises:
        Exception: what the fault raises or denies, marked as injected.
    """
    return point.alter(_MARK) not in {_MARK, None}


def spoiled_batch(batch: "ReplayBufferSamples") -> "ReplayBufferSamples":
    """Return ``batch`` with NaN for its first reward; the buffer that it came from stays whole."""
    rewards = batch.rewards.clone()
    rewards[0] = float("nan")
    return batch._replace(rewards=rewards)
