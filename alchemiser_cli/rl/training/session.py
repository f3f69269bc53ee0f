"""One model in its place of training, and its checkpoints."""

from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from alchemiser_cli.rl.checkpoints import Checkpoint
from alchemiser_cli.rl.td3.acting import ActorNetwork, actor_weights, load_actor
from alchemiser_cli.rl.td3.building import build_algorithm
from alchemiser_cli.rl.td3.presets import architecture_of
from alchemiser_cli.rl.td3.snapshot import restore_algorithm, take_snapshot
from alchemiser_cli.rl.training.devices import Compute
from alchemiser_cli.rl.training.learning import EpisodeReturns
from alchemiser_cli.rl.training.places import Place
from alchemiser_cli.settings import TrainingSettings

__all__ = ["Session"]

Arrays = dict[str, npt.NDArray[Any]]
ENVIRONMENT = "environment."


class Session:
    """An algorithm, its environments and the returns of its episodes."""

    def __init__(self, place: Place, training: TrainingSettings, compute: Compute) -> None:
        """Make everything anew from the seed."""
        torch.set_num_threads(compute.threads)
        self.training = training
        self.architecture = architecture_of(training.preset, place.shape, place.actions)
        self.env: Any = place.training_env(training.environments, training.seed)
        self.model = build_algorithm(
            self.env,
            self.architecture,
            training,
            device=compute.device,
            in_bfloat16=compute.in_bfloat16,
        )
        self.returns = EpisodeReturns(np.zeros(training.environments))

    def actor(self) -> ActorNetwork:
        """Return a copy of the actor as it is now, in float32 on the CPU."""
        return load_actor(self.architecture, self.weights())

    def weights(self) -> Arrays:
        """Return a copy of the actor's weights."""
        return dict(actor_weights(self.model.policy))

    def snapshot(self) -> tuple[Arrays, dict[str, Any]]:
        """Return all that ``restore`` needs, as arrays and JSON.

        Before the first step there is nothing to go on from: the seed gives the same again.
        """
        arrays, state = take_snapshot(self.model)
        parts: Mapping[str, Any] = self.env.state()
        for name, value in parts.items():
            if isinstance(value, np.ndarray):
                arrays[f"{ENVIRONMENT}{name}"] = value
            else:
                state[f"{ENVIRONMENT}{name}"] = value
        arrays["returns.running"] = self.returns.running
        state["returns.ended"] = list(self.returns.ended)
        return arrays, state

    def restore(self, checkpoint: Checkpoint) -> None:
        """Become what the checkpoint was taken of.

        Raises:
            RunNotResumableError: ``run-not-resumable`` where an environment does not repeat
                itself.
        """
        arrays, state = checkpoint.arrays, checkpoint.state
        restore_algorithm(self.model, arrays, state)
        start = len(ENVIRONMENT)
        parts = {**arrays, **state}
        self.env.restore(
            {name[start:]: part for name, part in parts.items() if name.startswith(ENVIRONMENT)}
        )
        ended = deque(state["returns.ended"], maxlen=self.returns.ended.maxlen)
        self.returns = EpisodeReturns(arrays["returns.running"].copy(), ended)
