"""The guard against losses that are not finite: it keeps the batch and ends the run."""

from collections.abc import Callable
from pathlib import Path

from stable_baselines3.common.type_aliases import ReplayBufferSamples

from alchemiser_cli.errors import TrainingDivergedError
from alchemiser_cli.rl.td3.algorithm import SharedEncoderTD3

__all__ = ["guard_of"]


def guard_of(folder: Path, model: SharedEncoderTD3) -> Callable[[str, ReplayBufferSamples], None]:
    """Return what keeps the batch of a loss that is not finite in ``folder``, and raises.

    Raises:
        TrainingDivergedError: ``training-diverged``, by what is returned.
    """

    def diverged(network: str, batch: ReplayBufferSamples) -> None:
        from safetensors.torch import save_file

        file = folder / f"diverged-{model.num_timesteps}.safetensors"
        named = {name: tensor for name, tensor in batch._asdict().items() if tensor is not None}
        save_file({name: tensor.contiguous() for name, tensor in named.items()}, file)
        file.chmod(0o600)
        broken = [name for name, tensor in named.items() if not tensor.isfinite().all()]
        error = TrainingDivergedError(
            f"the loss of the {network} is not finite at step {model.num_timesteps:,}",
            why=f"Its batch holds numbers that are not finite in: {', '.join(broken)}."
            if broken
            else "Its batch is finite, so that the weights or the gradients grew out of bounds.",
            next_step=f"Look at the batch in {file}; lower training.learning_rate, or correct the "
            "data. The checkpoints before this are whole.",
            context={"network": network, "step": model.num_timesteps, "batch": str(file)},
        )
        error.injected = model.spoiled_on_purpose
        raise error

    return diverged
