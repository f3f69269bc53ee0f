"""A trained actor without its critics: what is saved, published and acts."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import create_mlp
from torch import Tensor, nn

from alchemiser_cli.errors import ModelIncompatibleError
from alchemiser_cli.rl.td3.encoder import WindowEncoder
from alchemiser_cli.rl.td3.policy import SharedEncoderPolicy
from alchemiser_cli.rl.td3.presets import Architecture

__all__ = ["ActorNetwork", "actor_weights", "load_actor", "prove_with"]

Array = npt.NDArray[Any]


class ActorNetwork(nn.Module):
    """The encoder and the actor's own layers, in float32."""

    def __init__(self, architecture: Architecture) -> None:
        """Make the layers, with random weights."""
        super().__init__()
        self.architecture = architecture
        window, features = architecture.window, architecture.features
        if window == 1:
            self.encoder: nn.Module = nn.Identity()
            width = features
        else:
            self.encoder = WindowEncoder(
                spaces.Box(-np.inf, np.inf, (window, features), np.float32),
                d_model=architecture.d_model,
                heads=architecture.heads,
                layers=architecture.layers,
                feedforward=architecture.feedforward,
                encoded=architecture.encoded,
            )
            width = architecture.encoded
        hidden = list(architecture.hidden)
        self.mu = nn.Sequential(
            *create_mlp(width, architecture.actions, hidden, squash_output=True)
        )

    def forward(self, observations: Tensor) -> Tensor:
        """Return the actions of shape (n, actions), in -1 to 1."""
        actions: Tensor = self.mu(self.encoder(observations))
        return actions

    @torch.no_grad()
    def act(self, observations: Array) -> npt.NDArray[np.float32]:
        """Return the actions for observations of shape (n, window, features) or (n, features)."""
        # What shared memory lends may not be written to, and torch warns of such arrays.
        seen = torch.from_numpy(np.require(observations, np.float32, ["C", "W"]))
        actions: npt.NDArray[np.float32] = self(seen).numpy()
        return actions


def actor_weights(policy: SharedEncoderPolicy) -> dict[str, npt.NDArray[np.float32]]:
    """Return a copy of the actor's weights, by the names of ``ActorNetwork``."""
    parts = {"encoder": policy.encoder, "mu": policy.actor.mu}
    return {
        f"{part}.{name}": tensor.detach().cpu().numpy().copy()
        for part, module in parts.items()
        for name, tensor in module.state_dict().items()
    }


def load_actor(architecture: Architecture, weights: Mapping[str, Array]) -> ActorNetwork:
    """Return the actor of these weights.

    Raises:
        ModelIncompatibleError: ``model-incompatible`` where they do not fit the architecture.
    """
    network = ActorNetwork(architecture)
    tensors = {name: torch.from_numpy(np.array(array)) for name, array in weights.items()}
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise ModelIncompatibleError(
            "the weights do not fit the network that their passport describes",
            why=str(error).splitlines()[-1].strip(),
            next_step="Use the version of alchemiser that trained the model, or train it again.",
            context={"preset": architecture.preset},
        ) from error
    return network.eval()


def prove_with(architecture: Architecture) -> Callable[[Mapping[str, Array], Array], Array]:
    """Return what acts on observations with given weights, for canaries."""

    def prove(weights: Mapping[str, Array], observations: Array) -> Array:
        return load_actor(architecture, weights).act(observations)

    return prove
