"""Many options environments at once, as a VecEnv of Stable-Baselines3, in NumPy."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices

from alchemiser_cli.clock import Clock
from alchemiser_cli.faults import fault_point
from alchemiser_cli.market.chains import CONTRACTS, ChainProvider
from alchemiser_cli.rl import market_rows as market
from alchemiser_cli.rl.accounts import Accounts
from alchemiser_cli.rl.data_events import DataEvent, DataEvents
from alchemiser_cli.rl.dynamics import FIRST_ROW, LEVERAGE_SCALE, action_space, observation_space
from alchemiser_cli.rl.features import TINY
from alchemiser_cli.rl.observation import LIMIT, WINDOW
from alchemiser_cli.rl.struck import spoils
from alchemiser_cli.rl.tapes import Tapes
from alchemiser_cli.settings import OptionsSettings
from alchemiser_cli.telemetry import SILENT, Telemetry

__all__ = ["TradingVecEnv"]

QUOTES = 3 * CONTRACTS
BACK = np.arange(1 - WINDOW, 1)  # rows of a window, from its last
_STEP = fault_point("rl.env.step")

Floats = NDArray[np.float64]
Observations = NDArray[np.float32]
Rows = NDArray[np.int64]


class TradingVecEnv(VecEnv):
    """``count`` environments of the dynamics of ``TradingEnvironment``, bit for bit the same.

    Observations (n, 16, 100) are views of rows that are shared by successive windows. They are
    never written to again; keep one and it stays as it is. Rewards are float32. An environment
    whose episode ends begins the next one in the same step. Its info then has
    ``terminal_observation``, ``TimeLimit.truncated`` and the facts of its last step (``row``,
    ``equity``, ``cash``, ``cost``, ``traded``, ``positions``); other infos are empty.

    The data is what the provider knows when this is made, also of an endless one: its end
    truncates. ``rows`` int64 (n,) is where each environment is in ``table``.
    """

    def __init__(
        self,
        provider: ChainProvider,
        options: OptionsSettings,
        count: int,
        *,
        episode_steps: int | None = None,
        random_start: bool = True,
        seed: int = 0,
        clock: Clock | None = None,
        telemetry: Telemetry = SILENT,
    ) -> None:
        """Prepare the market of ``provider``, and draw starts from a generator of ``seed``.

        The other arguments are those of ``TradingEnvironment``.

        Raises:
            ChainDataError: Too few rows for a step (code ``chain-data-insufficient``).
        """
        super().__init__(count, observation_space(), action_space())
        self.market = market.MarketRows(provider.table())
        self.table = self.market.table
        self.episode_steps = episode_steps or options.episode_steps
        self._faults = DataEvents(clock, telemetry)
        self._accounts = Accounts(options, count, self._faults)
        self._random_start = random_start
        self._generator = np.random.default_rng(seed)
        self._initial = options.initial_balance
        self._most = float(options.max_contracts)
        self.rows: Rows = np.full(count, FIRST_ROW)
        self.lengths: Rows = np.full(count, self.episode_steps)  # steps of each running episode
        self.costs: Floats = np.zeros(count)
        self.traded: Floats = np.zeros(count)
        self._tapes = Tapes(count)
        self._actions = np.zeros((count, CONTRACTS), np.float32)
        # Written anew at each step.
        self._quotes = np.empty((count, QUOTES))
        self._by_contract = np.empty((QUOTES, count))
        self._own = np.empty((4 + CONTRACTS, count))

    @property
    def events(self) -> dict[DataEvent, int]:
        """Return how often each fault of the data was met, each environment counting."""
        return self._faults.counts

    @property
    def positions(self) -> Floats:
        """Return contracts held (n, 10)."""
        return self._accounts.positions.T.copy()

    @property
    def cash(self) -> Floats:
        """Return cash (n,)."""
        return self._accounts.cash.copy()

    @property
    def equity(self) -> Floats:
        """Return cash and the value of positions (n,)."""
        return self._accounts.equity.copy()

    @property
    def peak(self) -> Floats:
        """Return the episode's highest equity (n,)."""
        return self._accounts.peak.copy()

    def reset(self) -> Observations:
        """Begin an episode in each environment, after ``seed`` with a new generator.

        ``set_options`` with ``start`` gives a first row.
        """
        seed = self._seeds[0]
        if seed is not None:
            self._generator = np.random.default_rng(seed)
        rows = self._starts(self.num_envs)
        for index, chosen in enumerate(self._options):
            rows[index] = chosen.get("start", rows[index])
        self._reset_seeds()
        self._reset_options()
        self.reset_infos = [{} for _ in range(self.num_envs)]
        return self.start_at(rows, self.episode_steps)

    def start_at(self, rows: NDArray[np.integer[Any]], episode_steps: int) -> Observations:
        """Begin episodes of ``episode_steps`` at these ``rows`` (n,); return the observations.

        Episodes after these are as usual.

        Raises:
            ValueError: A start is before row 63 or leaves no step.
        """
        chosen = np.array(rows, np.int64)
        last = self.market.length - 2
        if chosen.shape != (self.num_envs,) or chosen.min() < FIRST_ROW or chosen.max() > last:
            raise ValueError(f"{self.num_envs} episodes begin at rows {FIRST_ROW} to {last} each")
        self._begin(np.arange(self.num_envs), chosen, episode_steps)
        self.costs, self.traded = np.zeros((2, self.num_envs))
        return self._tapes.windows()

    def step_async(self, actions: np.ndarray) -> None:
        """Take over the actions, float32 (n, 10) in -1 .. 1."""
        self._actions = actions

    def step_wait(self) -> tuple[Observations, NDArray[np.float32], NDArray[np.bool_], list[Any]]:
        """Step all environments; return observations, rewards, who ended, and infos."""
        rows, shown = self.rows + 1, self.market
        if _STEP.armed is not None and spoils(_STEP):
            shown = shown.spoiled(rows.tolist())
        with np.errstate(all="ignore"):  # what is not finite is met where it matters
            rewards = self._step(shown, rows).astype(np.float32)
            self._write(shown, rows)
        accounts = self._accounts
        terminated = accounts.ended
        ended = terminated | (accounts.steps >= self.lengths) | (rows + 1 >= self.market.length)
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        self.costs, self.traded = accounts.cost, accounts.traded
        if ended.any():
            self._begin_anew(np.flatnonzero(ended), terminated, infos)
        return self._tapes.windows(), rewards, ended, infos

    def state(self) -> dict[str, Any]:
        """Return what ``restore`` needs: arrays, and the generator's state as JSON."""
        return {
            **self._accounts.state(),
            "rows": self.rows.copy(),
            "lengths": self.lengths.copy(),
            "costs": self.costs.copy(),
            "last_traded": self.traded.copy(),
            "windows": self._tapes.windows().copy(),
            "generator": json.dumps(self._generator.bit_generator.state),
        }

    def restore(self, state: Mapping[str, Any]) -> Observations:
        """Go on exactly from ``state``, on the same data; return the present observations."""
        self._accounts.restore(state)
        self.rows = np.array(state["rows"], np.int64)
        self.lengths = np.array(state["lengths"], np.int64)
        self.costs = np.array(state["costs"], np.float64)
        self.traded = np.array(state["last_traded"], np.float64)
        self._tapes.begin(np.arange(self.num_envs), np.asarray(state["windows"], np.float32))
        self._generator.bit_generator.state = json.loads(state["generator"])
        return self._tapes.windows()

    def close(self) -> None:
        """Log how many warnings were held back."""
        self._faults.close()

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """Return the attribute, which all environments share, once for each of ``indices``."""
        value = None if attr_name == "render_mode" else getattr(self, attr_name)
        return [value for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Refuse: the environments share their attributes."""
        raise NotImplementedError(f"{attr_name} of a single environment of many is not its own")

    def env_method(
        self, method_name: str, *_args: Any, indices: VecEnvIndices = None, **_keywords: Any
    ) -> list[Any]:
        """Refuse: there are no single environments."""
        raise NotImplementedError(f"{method_name}: there are no single environments to call")

    def env_is_wrapped(
        self,
        wrapper_class: type,  # noqa: ARG002  the base class asks by this name
        indices: VecEnvIndices = None,
    ) -> list[bool]:
        """Return False for each of ``indices``: nothing is wrapped."""
        return [False for _ in self._get_indices(indices)]

    def get_images(self) -> Sequence[np.ndarray | None]:
        """Return no images."""
        return [None] * self.num_envs

    def _step(self, shown: market.MarketRows, rows: Rows) -> Floats:
        """Move all markets to ``rows``, settle or trade, and return the rewards (n,)."""
        accounts = self._accounts
        quotes = self._prices(shown, rows)
        targets = self._targets()
        rolled = shown.rolled[rows]
        if rolled.any():
            which = np.flatnonzero(rolled)
            accounts.settle(which, shown.settlement[rows[which]].T)
            targets[:, which] = 0.0
        self.rows = rows
        before = accounts.equity
        accounts.trade(targets, quotes[market.MID], quotes[market.HALF_SPREAD])
        gained = accounts.value(quotes[market.MID], quotes[market.NOTIONAL])
        if shown.faulty:
            self._note_priced(shown, rows)
            self._note_observed(shown, rows)
        return accounts.reward(before, gained)

    def _prices(self, shown: market.MarketRows, rows: Rows) -> Floats:
        """Return the quotes (30, n) of ``rows``."""
        np.take(shown.quotes, rows, axis=0, out=self._quotes, mode="clip")
        np.copyto(self._by_contract, self._quotes.T)
        return self._by_contract

    def _targets(self) -> Floats:
        """Return the contracts (10, n) that the actions ask for."""
        shares = np.array(self._actions.T, np.float64, order="C")
        np.minimum(shares, 1.0, out=shares)
        np.maximum(shares, -1.0, out=shares)
        shares *= self._most
        np.rint(shares, out=shares)
        if not np.isfinite(shares).all():
            shares[np.isnan(shares)] = 0.0
        shares += 0.0  # without negative zeros
        return shares

    def _write(self, shown: market.MarketRows, rows: Rows) -> None:
        """Write the rows of the present: the market's features and the accounts' columns."""
        accounts, own = self._accounts, self._own
        own[0] = accounts.cash / self._initial
        np.divide(accounts.positions, self._most, out=own[1 : 1 + CONTRACTS])
        context = own[1 + CONTRACTS :]
        context[0] = accounts.unrealised
        context[1] = accounts.drawdown
        context[2] = np.tanh(LEVERAGE_SCALE * accounts.gross / np.fmax(TINY, accounts.equity))
        finite = np.isfinite(own)
        if not finite.all():
            self._faults.note("trading_env_obs_nan_or_inf", int((~finite.all(axis=0)).sum()))
            own[~finite] = 0.0
        np.minimum(own, LIMIT, out=own)
        np.maximum(own, -LIMIT, out=own)
        progress = np.minimum(accounts.steps / self.lengths, LIMIT)
        held = own[: 1 + CONTRACTS]
        self._tapes.write(shown.features, rows, held, context, progress)

    def _begin_anew(
        self, which: Rows, terminated: NDArray[np.bool_], infos: list[dict[str, Any]]
    ) -> None:
        """Tell the last facts of the episodes that ended, and begin the next ones."""
        accounts = self._accounts
        last = self._tapes.windows()[which]
        for place, index in enumerate(which.tolist()):
            infos[index] = {
                "terminal_observation": last[place],
                "TimeLimit.truncated": not terminated[index],
                "row": int(self.rows[index]),
                "equity": float(accounts.equity[index]),
                "cash": float(accounts.cash[index]),
                "cost": float(accounts.cost[index]),
                "traded": int(accounts.traded[index]),
                "positions": tuple(int(held) for held in accounts.positions[:, index]),
            }
        self.costs, self.traded = accounts.cost.copy(), accounts.traded.copy()
        self._begin(which, self._starts(len(which)), self.episode_steps)

    def _starts(self, count: int) -> Rows:
        """Return first rows of episodes as the settings have them."""
        if not self._random_start:
            return np.full(count, FIRST_ROW)
        latest = max(FIRST_ROW, self.market.length - 1 - self.episode_steps)
        return self._generator.integers(FIRST_ROW, latest + 1, count)

    def _begin(self, which: Rows, rows: Rows, episode_steps: int) -> None:
        self.rows = self.rows.copy()
        self.rows[which] = rows
        self.lengths[which] = episode_steps
        self._accounts.begin(which)
        seen = rows[:, None] + BACK
        windows = self.market.features[seen]
        windows[:, :, 0] = 1.0  # before its first step an account is all cash
        self._tapes.begin(which, windows)
        if self.market.faulty:
            self._note_observed(self.market, seen)

    def _note_observed(self, shown: market.MarketRows, rows: Rows) -> None:
        flags = shown.faults[rows]
        if not flags.any():
            return
        prices, observed = (
            int(((flags & bit) > 0).sum()) for bit in (market.PRICES, market.OBSERVED)
        )
        self._faults.note("trading_env_non_positive_price_or_strike", prices)
        self._faults.note("trading_env_obs_nan_or_inf", observed)

    def _note_priced(self, shown: market.MarketRows, rows: Rows) -> None:
        which = np.flatnonzero(shown.faults[rows] & market.TRADED)
        if not len(which):
            return
        held = self._accounts.positions[:, which].T != 0
        unpriced = (held & shown.unpriced(rows[which])).any(axis=1)
        self._faults.note("trading_env_step_non_positive_prices", len(which))
        self._faults.note("trading_env_portfolio_non_positive_prices", int(unpriced.sum()))
