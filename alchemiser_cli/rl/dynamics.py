"""What both environments agree on: constants of the account, the reward and an episode's end."""

from typing import cast

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from alchemiser_cli.market.chains import CONTRACTS
from alchemiser_cli.market.indicators import LOOKBACK
from alchemiser_cli.rl.observation import LIMIT, OBSERVATION_SHAPE

__all__ = ["CATASTROPHE", "DRAWDOWN_WEIGHT", "FIRST_ROW", "FREE_DRAWDOWN", "LEVERAGE_SCALE"]
__all__ += ["RECENT", "REWARD_LIMIT", "RUIN_SHARE", "VOLATILITY_WEIGHT", "WORST_REWARD"]
__all__ += ["action_space", "observation_space"]

Space = spaces.Space[NDArray[np.float32]]

FIRST_ROW = LOOKBACK - 1  # the earliest start: its indicators have all their history
RECENT = 20  # returns whose deviation is the reward's volatility term
VOLATILITY_WEIGHT = 0.5
DRAWDOWN_WEIGHT = 0.1
FREE_DRAWDOWN = 0.10  # drawdown that costs nothing
RUIN_SHARE = 0.5  # of the initial balance
CATASTROPHE = -1e9  # equity below it ends the episode at once
WORST_REWARD = -100.0
REWARD_LIMIT = 100.0  # a return of 10,000 % in a step is an error of the data
LEVERAGE_SCALE = 0.1


def observation_space() -> Space:
    """Return the space of observations: float32 (16, 100) in -10 .. 10."""
    box = spaces.Box(-LIMIT, LIMIT, OBSERVATION_SHAPE, np.float32)
    return cast("Space", box)  # Gymnasium types a box by all dtypes that it may have


def action_space() -> Space:
    """Return the space of actions: float32 (10,) in -1 .. 1, the target position of each option."""
    return cast("Space", spaces.Box(-1.0, 1.0, (CONTRACTS,), np.float32))
