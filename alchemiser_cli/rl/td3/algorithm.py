"""TD3 (Fujimoto et al. 2018) whose encoder is computed once a batch."""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from stable_baselines3 import TD3
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from torch import Tensor
from torch.nn import functional
from torch.optim.swa_utils import get_ema_multi_avg_fn

from alchemiser_cli.faults import fault_point
from alchemiser_cli.rl.struck import spoiled_batch, spoils
from alchemiser_cli.rl.td3.policy import SharedEncoderPolicy
from alchemiser_cli.rl.td3.replay import WindowReplayBuffer

__all__ = ["SharedEncoderTD3"]

Diverged = Callable[[str, ReplayBufferSamples], None]
_LEARN = fault_point("rl.learn")


class SharedEncoderTD3(TD3):
    """Stable-Baselines3's TD3 with ``SharedEncoderPolicy`` and ``WindowReplayBuffer``.

    All that is random comes from generators of its own, so that a checkpoint can hold them:
    ``exploration`` for the actions, ``smoothing`` for the targets' noise, and the buffer's.
    """

    policy: SharedEncoderPolicy
    replay_buffer: WindowReplayBuffer  # type: ignore[assignment]  # has append() in place of add()

    def __init__(self, *arguments: Any, exploration_noise: float, seed: int, **named: Any) -> None:
        """Take what ``TD3`` takes; ``exploration_noise`` is the deviation of Gaussian noise."""
        self.exploration_noise = exploration_noise
        self.exploration = np.random.Generator(np.random.PCG64(seed))
        self.smoothing = torch.Generator().manual_seed(seed)
        self.on_diverged: Diverged | None = None
        self.spoiled_on_purpose = False  # whether a fault spoiled what the weights come from
        self.losses: dict[str, float] = {}
        super().__init__(*arguments, **{**named, "seed": seed})
        self._follow = get_ema_multi_avg_fn(1 - self.tau)  # type: ignore[no-untyped-call]
        self._followed = (
            [*self.critic.parameters(), *self.actor.mu.parameters()],
            [*self.critic_target.parameters(), *self.actor_target.mu.parameters()],
        )

    @property
    def updates(self) -> int:
        """How many updates of the critics were made."""
        return self._n_updates

    @property
    def last_observations(self) -> npt.NDArray[np.float32]:
        """What the environments showed last, shape (n_envs, window, features)."""
        return cast("npt.NDArray[np.float32]", self._last_obs)

    def go_on_from(
        self, steps: int, updates: int, last_observations: npt.NDArray[np.float32]
    ) -> None:
        """Take the place in its training that a snapshot was taken at."""
        self.num_timesteps = steps
        self._n_updates = updates
        self._last_obs = last_observations

    def train(self, gradient_steps: int, batch_size: int = 256) -> None:
        """Update the critics, every ``policy_delay`` times the actor, and let the targets follow.

        Raises:
            TrainingDivergedError: what ``on_diverged`` raises at a loss that is not finite.
        """
        self.policy.set_training_mode(mode=True)
        for _ in range(gradient_steps):
            self._n_updates += 1
            batch = self.replay_buffer.sample(batch_size)
            if _LEARN.armed is not None and spoils(_LEARN):
                self.spoiled_on_purpose = True
                batch = spoiled_batch(batch)
            targets = self._targets(batch)
            features = self.policy.encoder(batch.observations)
            critic_loss = self._update_critic(batch, features, targets)
            self._require_finite("critic", critic_loss, batch)
            if self._n_updates % self.policy_delay == 0:
                actor_loss = self._update_actor(features.detach())
                self._require_finite("actor", actor_loss, batch)
                source, target = self._followed
                self._follow(cast("list[Any]", target), cast("list[Any]", source), 0)

    @torch.no_grad()
    def _targets(self, batch: ReplayBufferSamples) -> Tensor:
        """Return r + gamma min Q'(s', a'), where a' is the target's action, smoothed."""
        features = self.policy.target_encoder(batch.next_observations)
        noise = torch.randn(batch.actions.shape, generator=self.smoothing)
        noise = (noise * self.target_policy_noise).clamp(
            -self.target_noise_clip, self.target_noise_clip
        )
        actions = (self.actor_target.mu(features) + noise.to(self.device)).clamp(-1, 1)
        seen = torch.cat([features, actions], dim=1)
        first, second = (network(seen) for network in self.critic_target.q_networks)
        values = torch.minimum(first, second)
        targets: Tensor = batch.rewards + (1 - batch.dones) * self.gamma * values
        return targets

    def _update_critic(
        self, batch: ReplayBufferSamples, features: Tensor, targets: Tensor
    ) -> Tensor:
        seen = torch.cat([features, batch.actions], dim=1)
        values = [network(seen) for network in self.critic.q_networks]
        loss = torch.stack([functional.mse_loss(value, targets) for value in values]).sum()
        self.critic.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # PyTorch's
        self.critic.optimizer.step()
        return loss.detach()

    def _update_actor(self, features: Tensor) -> Tensor:
        """Climb the first critic through features that the critics' update has computed."""
        actions = self.actor.mu(features)
        loss = -self.critic.q_networks[0](torch.cat([features, actions], dim=1)).mean()
        self.actor.optimizer.zero_grad()
        loss.backward()
        self.actor.optimizer.step()
        detached: Tensor = loss.detach()
        return detached

    def _require_finite(self, network: str, loss: Tensor, batch: ReplayBufferSamples) -> None:
        value = self.losses[network] = float(loss)
        if not np.isfinite(value) and self.on_diverged is not None:
            self.on_diverged(network, batch)

    def _sample_action(
        self,
        learning_starts: int,
        action_noise: ActionNoise | None = None,
        n_envs: int = 1,
    ) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        del action_noise
        size = (n_envs, self.replay_buffer.action_dim)
        if self.num_timesteps < learning_starts:
            scaled = self.exploration.uniform(-1, 1, size).astype(np.float32)
        else:
            noise = self.exploration.normal(0, self.exploration_noise, size).astype(np.float32)
            scaled = np.clip(self.act(self.last_observations) + noise, -1, 1)
        return self.policy.unscale_action(scaled), scaled

    @torch.no_grad()
    def act(self, observations: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Return the actor's actions in -1 to 1, without noise, shape (n, actions)."""
        seen = torch.as_tensor(observations, dtype=torch.float32, device=self.device)
        actions: npt.NDArray[np.float32] = self.actor.mu(self.policy.encoder(seen)).cpu().numpy()
        return actions

    def _store_transition(
        self,
        replay_buffer: ReplayBuffer,
        buffer_action: npt.NDArray[Any],
        new_obs: npt.NDArray[Any] | dict[str, npt.NDArray[Any]],
        reward: npt.NDArray[Any],
        dones: npt.NDArray[Any],
        infos: list[dict[str, Any]],
    ) -> None:
        del replay_buffer
        observations = cast("npt.NDArray[np.float32]", new_obs)
        buffer = self.replay_buffer
        if not buffer.rows_written.any():
            buffer.begin(self.last_observations)
        buffer.append(observations, buffer_action, reward, dones, infos)
        self._last_obs = observations
