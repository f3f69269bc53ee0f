"""The networks of TD3 around one encoder, which the critic trains and the actor looks through."""

from typing import Any

from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, FlattenExtractor
from stable_baselines3.common.type_aliases import Schedule
from stable_baselines3.td3.policies import TD3Policy
from torch import nn
from torch.optim import Adam

from alchemiser_cli.rl.td3.encoder import WindowEncoder
from alchemiser_cli.rl.td3.presets import Architecture

__all__ = ["SharedEncoderPolicy", "policy_arguments"]


def policy_arguments(architecture: Architecture, *, in_bfloat16: bool) -> dict[str, Any]:
    """Return what Stable-Baselines3 takes as ``policy_kwargs`` for this network."""
    arguments: dict[str, Any] = {"net_arch": list(architecture.hidden)}
    if architecture.window == 1:
        return arguments | {"features_extractor_class": FlattenExtractor}
    sizes = ("d_model", "heads", "layers", "feedforward", "encoded")
    return arguments | {
        "features_extractor_class": WindowEncoder,
        "features_extractor_kwargs": {name: getattr(architecture, name) for name in sizes}
        | {"in_bfloat16": in_bfloat16},
    }


LAST_LAYER = 3e-3


class SharedEncoderPolicy(TD3Policy):
    """``TD3Policy`` with one encoder for actor and critic, and one for both targets.

    The critic's optimizer trains the encoder, the actor's only what stands behind it, so that the
    two losses do not pull at the same weights (as in DrQ, Kostrikov et al. 2020). Last layers begin
    near zero (DDPG, Lillicrap et al. 2016, 7): an untrained actor does nothing, and its costs are
    not the first thing that it has to unlearn. The actor's learning rate is ``actor_share`` of the
    others': one that is as fast as its critics follows what they do not know yet (two time scales,
    Heusel et al. 2017).
    """

    def __init__(self, *arguments: Any, actor_share: float = 1.0, **named: Any) -> None:
        """Take what ``TD3Policy`` takes."""
        self.actor_share = actor_share
        super().__init__(*arguments, **named)

    def _build(self, lr_schedule: Schedule) -> None:
        self.actor = self.make_actor()
        self.actor_target = self.make_actor()
        self.critic = self.make_critic(self.encoder)
        for network in (self.actor.mu, *self.critic.q_networks):
            _begin_small(network)
        self.actor_target.load_state_dict(self.actor.state_dict())
        self.critic_target = self.make_critic(self.target_encoder)
        self.critic_target.load_state_dict(self.critic.state_dict())
        rate = lr_schedule(1)
        self.actor.optimizer = Adam(
            self.actor.mu.parameters(), lr=rate * self.actor_share, fused=True
        )
        self.critic.optimizer = Adam(self.critic.parameters(), lr=rate, fused=True)
        self.actor_target.set_training_mode(mode=False)
        self.critic_target.set_training_mode(mode=False)

    @property
    def encoder(self) -> BaseFeaturesExtractor:
        """What turns observations into features, shape (n, encoded)."""
        encoder: BaseFeaturesExtractor = self.actor.features_extractor
        return encoder

    @property
    def target_encoder(self) -> BaseFeaturesExtractor:
        """The encoder's slowly following copy."""
        encoder: BaseFeaturesExtractor = self.actor_target.features_extractor
        return encoder


def _begin_small(network: nn.Module) -> None:
    last = [layer for layer in network.modules() if isinstance(layer, nn.Linear)][-1]
    nn.init.uniform_(last.weight, -LAST_LAYER, LAST_LAYER)
    nn.init.uniform_(last.bias, -LAST_LAYER, LAST_LAYER)
