"""What is audited: chains, settings, and the two ways to make an environment of them."""

import dataclasses
import zlib
from collections.abc import Sequence
from typing import Any, Protocol

import gymnasium
import numpy as np
from numpy.typing import NDArray

from alchemiser_cli.errors import ChainDataError
from alchemiser_cli.market.chains import CONTRACTS, ChainProvider, ChainTable, TableChains
from alchemiser_cli.rl.dynamics import FIRST_ROW
from alchemiser_cli.settings import OptionsSettings

__all__ = [
    "Finding",
    "MakeEnvironment",
    "MakeVectorised",
    "Subject",
    "Vectorised",
    "subject_of",
]

WINDOW_ROWS = 384  # enough for every audit, and few enough to be built anew for each of them
LEAST_ROWS = FIRST_ROW + 64

Actions = NDArray[np.float32]


class MakeEnvironment(Protocol):
    """How an environment is made, as ``TradingEnvironment`` is."""

    def __call__(
        self,
        provider: ChainProvider,
        options: OptionsSettings,
        *,
        episode_steps: int | None = None,
        random_start: bool = False,
    ) -> gymnasium.Env[Any, Any]:
        """Return an environment that starts at the first row, or at random ones."""
        ...


class Vectorised(Protocol):
    """What the audits ask of environments that step side by side."""

    rows: Any

    def start_at(self, rows: Any, episode_steps: int) -> Any:
        """Begin episodes at these rows; return the observations."""
        ...

    def step(self, actions: Any) -> tuple[Any, Any, Any, Sequence[dict[str, Any]]]:
        """Return observations, rewards, ends and facts."""
        ...


class MakeVectorised(Protocol):
    """How environments side by side are made, as ``TradingVecEnv`` is."""

    def __call__(
        self,
        provider: ChainProvider,
        options: OptionsSettings,
        count: int,
        *,
        episode_steps: int | None = None,
        random_start: bool = True,
        seed: int = 0,
    ) -> Vectorised:
        """Return ``count`` environments."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """What one audit says: whether its law held, and in words what was seen."""

    passed: bool
    detail: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Chains and environments under audit.

    ``chains`` is everything the provider has; ``window`` the rows of it that episodes are played
    in, with the row ``roll`` at which contracts expire, if any does.
    """

    chains: ChainTable
    window: ChainTable
    roll: int | None
    options: OptionsSettings
    make_env: MakeEnvironment
    make_vec_env: MakeVectorised
    seed: int

    def environment(
        self,
        chains: ChainTable | None = None,
        *,
        options: OptionsSettings | None = None,
        episode_steps: int = WINDOW_ROWS,
        random_start: bool = False,
    ) -> gymnasium.Env[Any, Any]:
        """Make an environment of ``chains``, by default of the window."""
        return self.make_env(
            TableChains(chains or self.window),
            options or self.options,
            episode_steps=episode_steps,
            random_start=random_start,
        )

    def vectorised(
        self,
        count: int,
        chains: ChainTable | None = None,
        *,
        options: OptionsSettings | None = None,
        episode_steps: int = WINDOW_ROWS,
    ) -> Vectorised:
        """Make ``count`` environments side by side."""
        return self.make_vec_env(
            TableChains(chains or self.window),
            options or self.options,
            count,
            episode_steps=episode_steps,
            random_start=True,
            seed=self.seed,
        )

    def generator(self, audit: str) -> np.random.Generator:
        """Return the random numbers of one audit, which no other audit shifts."""
        return np.random.default_rng([self.seed, zlib.crc32(audit.encode())])

    def orders(self, generator: np.random.Generator, steps: int) -> Actions:
        """Draw actions that ask for whole contracts; float32 of shape (steps, 10)."""
        most = self.options.max_contracts
        contracts = generator.integers(-most, most + 1, (steps, CONTRACTS))
        return (contracts / most).astype(np.float32)

    def starts(self, generator: np.random.Generator, steps: int, count: int) -> list[int]:
        """Draw rows from which ``steps`` can be taken; the first one meets the roll, if any."""
        last = len(self.window) - 1 - steps
        drawn: list[int] = generator.integers(FIRST_ROW, last + 1, count).tolist()
        if self.roll is not None:
            drawn[0] = min(max(FIRST_ROW, self.roll - steps // 2), last)
        return drawn


def subject_of(
    make_env: MakeEnvironment,
    make_vec_env: MakeVectorised,
    provider: ChainProvider,
    options: OptionsSettings,
    seed: int,
) -> Subject:
    """Choose the window around an expiry in the middle of what the provider has.

    Raises:
        ChainDataError: chain-data-insufficient, when there are too few rows to play an episode in.

    """
    chains = provider.table()
    if len(chains) < LEAST_ROWS:
        raise ChainDataError(
            f"{len(chains)} rows of chains are too few for an audit",
            why=f"Indicators need {FIRST_ROW} rows, and the audits play 60 steps after them.",
            next_step=f"Give a dataset with at least {LEAST_ROWS} rows.",
        )
    middle = len(chains) // 2
    rolls = np.flatnonzero(chains.rolled)
    around = int(rolls[np.argmin(np.abs(rolls - middle))]) if len(rolls) else middle
    first = max(0, min(around - WINDOW_ROWS // 2, len(chains) - WINDOW_ROWS))
    window = chains.take(slice(first, first + WINDOW_ROWS))
    within = around - first
    rolls_within = bool(len(rolls)) and FIRST_ROW < within < len(window)
    return Subject(
        chains=chains,
        window=window,
        roll=within if rolls_within else None,
        options=options,
        make_env=make_env,
        make_vec_env=make_vec_env,
        seed=seed,
    )
