"""Making the algorithm from settings."""

from typing import TYPE_CHECKING

from alchemiser_cli.rl.td3.algorithm import SharedEncoderTD3
from alchemiser_cli.rl.td3.policy import SharedEncoderPolicy, policy_arguments
from alchemiser_cli.rl.td3.presets import Architecture
from alchemiser_cli.rl.td3.replay import WindowReplayBuffer
from alchemiser_cli.settings import TrainingSettings

if TYPE_CHECKING:
    from stable_baselines3.common.vec_env import VecEnv

__all__ = ["build_algorithm"]


def build_algorithm(
    env: "VecEnv",
    architecture: Architecture,
    training: TrainingSettings,
    *,
    device: str,
    in_bfloat16: bool,
) -> SharedEncoderTD3:
    """Return an untrained algorithm, whose every random number follows from the seed.

    It is updated once for each step that all environments make together.
    """
    return SharedEncoderTD3(
        SharedEncoderPolicy,
        env,
        learning_rate=training.learning_rate,
        buffer_size=training.buffer_size,
        learning_starts=training.learning_starts,
        batch_size=training.batch_size,
        tau=training.tau,
        gamma=training.gamma,
        train_freq=1,
        gradient_steps=1,
        replay_buffer_class=WindowReplayBuffer,
        replay_buffer_kwargs={"seed": training.seed},
        policy_kwargs={
            **policy_arguments(architecture, in_bfloat16=in_bfloat16),
            "actor_share": training.actor_share,
        },
        exploration_noise=training.action_noise,
        seed=training.seed,
        device=device,
    )
