"""All that a run of the algorithm has become, as arrays and JSON, and back."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.optim import Optimizer

from alchemiser_cli.errors import RunNotResumableError
from alchemiser_cli.rl.td3.algorithm import SharedEncoderTD3

__all__ = ["restore_algorithm", "take_snapshot"]

LAYOUT = 1

Arrays = dict[str, npt.NDArray[Any]]


def take_snapshot(model: SharedEncoderTD3) -> tuple[Arrays, dict[str, Any]]:
    """Return networks, optimizers, replay buffer and generators; the environment is not in it.

    The arrays are views where that is possible: write them before the model goes on.
    """
    arrays = {f"policy.{name}": _array(tensor) for name, tensor in _unique(model).items()}
    for network, optimizer in _optimizers(model).items():
        for index, state in optimizer.state_dict()["state"].items():
            for name, tensor in state.items():
                arrays[f"{network}.{index}.{name}"] = _array(tensor)
    for name, array in model.replay_buffer.arrays().items():
        arrays[f"replay.{name}"] = array
    arrays["smoothing"] = model.smoothing.get_state().numpy()
    arrays["last_observations"] = np.asarray(model.last_observations)
    return arrays, {
        "layout": LAYOUT,
        "steps": model.num_timesteps,
        "updates": model.updates,
        "losses": dict(model.losses),
        "exploration": _generator_state(model.exploration),
        "sampling": _generator_state(model.replay_buffer.generator),
    }


def restore_algorithm(
    model: SharedEncoderTD3, arrays: Mapping[str, npt.NDArray[Any]], state: Mapping[str, Any]
) -> None:
    """Make a fresh model of the same settings what the snapshot's was.

    Raises:
        RunNotResumableError: ``run-not-resumable`` for a snapshot of another version.
    """
    if state.get("layout") != LAYOUT:
        raise RunNotResumableError(
            "the checkpoint was written by another version of alchemiser",
            why=f"Its layout is {state.get('layout', 'not named')}; this version reads {LAYOUT}.",
            next_step="Go on with the version that began the run, or start a new one.",
        )
    tensors = _of(arrays, "policy.")
    with torch.no_grad():
        for name, tensor in _unique(model).items():
            tensor.copy_(torch.from_numpy(tensors[name].copy()))
    for network, optimizer in _optimizers(model).items():
        held: dict[int, dict[str, Tensor]] = {}
        for name, array in _of(arrays, f"{network}.").items():
            index, _, field = name.partition(".")
            held.setdefault(int(index), {})[field] = torch.from_numpy(array.copy())
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": held, "param_groups": groups})
    model.replay_buffer.restore(_of(arrays, "replay."))
    model.smoothing.set_state(torch.from_numpy(arrays["smoothing"].copy()))
    model.losses = dict(state["losses"])
    model.go_on_from(state["steps"], state["updates"], arrays["last_observations"].copy())
    model.exploration.bit_generator.state = _from_text(state["exploration"])
    model.replay_buffer.generator.bit_generator.state = _from_text(state["sampling"])


def _unique(model: SharedEncoderTD3) -> dict[str, Tensor]:
    """Return the policy's tensors, the encoders once: actor and critic share them."""
    shared = ("critic.features_extractor.", "critic_target.features_extractor.")
    named = model.policy.state_dict()
    return {name: tensor for name, tensor in named.items() if not name.startswith(shared)}


def _optimizers(model: SharedEncoderTD3) -> dict[str, Optimizer]:
    return {"actor_adam": model.actor.optimizer, "critic_adam": model.critic.optimizer}


def _of(arrays: Mapping[str, npt.NDArray[Any]], prefix: str) -> Arrays:
    start = len(prefix)
    return {name[start:]: array for name, array in arrays.items() if name.startswith(prefix)}


def _array(tensor: Tensor) -> npt.NDArray[Any]:
    return tensor.detach().cpu().numpy()


def _generator_state(generator: np.random.Generator) -> dict[str, Any]:
    """Return the state with its 128-bit numbers as text: JSON readers round large numbers."""
    state = generator.bit_generator.state
    return {**state, "state": {name: str(value) for name, value in state["state"].items()}}


def _from_text(state: Mapping[str, Any]) -> dict[str, Any]:
    return {**state, "state": {name: int(value) for name, value in state["state"].items()}}
