"""The options environment: what happens between an action and its reward, and in which order.

At row t the agent sees rows t-15 to t and acts. The market moves to row t+1. Where the contracts
expired on the way, positions are settled in cash and the order lapses, for its contracts are gone.
Otherwise the difference to the target trades at the mid of row t+1, plus or minus half the spread,
with a commission a contract. Then the account is valued at row t+1. So nothing of row t+1 is in
the observation that the action rests on, and no trade fills at a price that the agent had seen.
"""

from typing import Any

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray

from alchemiser_cli.clock import Clock
from alchemiser_cli.faults import fault_point
from alchemiser_cli.market.chains import ChainProvider
from alchemiser_cli.rl import market_rows as market
from alchemiser_cli.rl.account import Account
from alchemiser_cli.rl.data_events import DataEvent, DataEvents
from alchemiser_cli.rl.dynamics import FIRST_ROW, LEVERAGE_SCALE, action_space, observation_space
from alchemiser_cli.rl.features import TINY
from alchemiser_cli.rl.observation import FEATURES, LIMIT, WINDOW
from alchemiser_cli.rl.struck import spoils
from alchemiser_cli.rl.tapes import CONTEXT, HELD, PROGRESS
from alchemiser_cli.settings import OptionsSettings
from alchemiser_cli.telemetry import SILENT, Telemetry

__all__ = ["FIRST_ROW", "TradingEnvironment"]

TAPE_ROWS = 256
_STEP = fault_point("rl.env.step")
Observation = NDArray[np.float32]
Action = NDArray[np.float32]


class TradingEnvironment(gymnasium.Env[Observation, Action]):
    """An account that trades ten listed options, step by step over the rows of a chain provider.

    Observations are float32 (16, 100) as ``alchemiser_cli.rl.observation`` names them; each is an
    array of its own. An action is float32 (10,): the target position of each option as a share of
    ``max_contracts``, rounded to contracts. Values outside -1 .. 1 count as their nearest bound,
    NaN as 0.

    An episode terminates by ruin (equity at half of the initial balance or less). It is truncated
    after its steps and at the end of the data, which an endless provider does not have.

    ``account`` holds the account and ``row`` the market's row; ``events`` counts the faults of the
    data that were met, by the name of their log line.
    """

    metadata = {"render_modes": []}  # noqa: RUF012  Gymnasium declares it so

    def __init__(
        self,
        provider: ChainProvider,
        options: OptionsSettings,
        *,
        episode_steps: int | None = None,
        random_start: bool = False,
        clock: Clock | None = None,
        telemetry: Telemetry = SILENT,
    ) -> None:
        """Prepare the market of ``provider``.

        Args:
            provider: Where chains come from.
            options: The account, its costs and its limits.
            episode_steps: Steps of an episode; None for those of ``options``.
            random_start: Whether episodes begin anywhere. Otherwise they begin at row 63, or at
                the newest row of an endless provider.
            clock: Spaces out repeated warnings; None for the system's.
            telemetry: Where faults of the data are counted.

        Raises:
            ChainDataError: Too few rows for a step (code ``chain-data-insufficient``).
        """
        self.observation_space = observation_space()
        self.action_space = action_space()
        self.render_mode = None
        self.provider = provider
        self.market = market.market_rows(provider)
        self.episode_steps = episode_steps or options.episode_steps
        self.row = -1
        self._faults = DataEvents(clock, telemetry)
        self.account = Account(options, self._faults)
        self._random_start = random_start
        self._initial = options.initial_balance
        self._most = options.max_contracts
        self._tape = np.zeros((TAPE_ROWS, len(FEATURES)), np.float32)
        self._at = 0  # the tape's row of the present
        self._running = False

    @property
    def events(self) -> dict[DataEvent, int]:
        """Return how often each fault of the data was met."""
        return self._faults.counts

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode, at the row ``options["start"]`` if it is given.

        Raises:
            ValueError: The start is before row 63 or leaves no step.
        """
        super().reset(seed=seed)
        row = self._start((options or {}).get("start"))
        self.row = row
        self.account.begin()
        self._begin_tape(row)
        self._running = True
        if self.market.faulty:
            self._note_observed(self.market, row - WINDOW + 1, row)
        return self._observation(), self._info()

    def step(self, action: Action) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Move to the next row, trade to the targets of ``action``, and value the account.

        Returns:
            The observation of the new row, the reward, whether the account is ruined, whether the
            episode or the data is over, and facts: ``row``, ``equity``, ``cash``, ``cost`` (spread
            and commission of this step), ``traded`` and ``positions`` (contracts).

        Raises:
            ResetNeeded: The episode is over.
            AlchemiserError: What an endless provider raises while the next row is waited for.
        """
        if not self._running:
            raise ResetNeeded("the episode is over; call reset")
        rows, account, most = self.market, self.account, self._most
        row = self.row + 1
        if row >= rows.length:
            rows.wait_for(row)
        if _STEP.armed is not None and spoils(_STEP):
            rows = rows.spoiled([row])
        quotes = rows.quotes[row].tolist()
        mid = quotes[market.MID]
        if rows.rolled[row]:
            account.settle(rows.settlement[row].tolist())
        else:
            targets = [
                round(share * most) if -1.0 <= share <= 1.0 else _bounded(share, most)
                for share in action.tolist()
            ]
            account.trade(targets, mid, quotes[market.HALF_SPREAD])
        self.row = row
        before = account.equity
        gained = account.value(mid, quotes[market.NOTIONAL])
        if rows.faulty and rows.faults[row]:
            self._note_priced(rows, row)
            self._note_observed(rows, row, row)
        reward = account.reward(before, gained)
        self._write(rows, row)
        terminated = account.ended
        truncated = not terminated and (
            account.steps >= self.episode_steps or (row + 1 >= rows.length and not rows.endless)
        )
        self._running = not (terminated or truncated)
        return self._observation(), reward, terminated, truncated, self._info()

    def close(self) -> None:
        """Log how many warnings were held back."""
        self._faults.close()

    def _start(self, wanted: int | None) -> int:
        rows = self.market
        last = rows.length - (1 if rows.endless else 2)
        if wanted is None:
            if self._random_start:
                latest = max(FIRST_ROW, rows.length - 1 - self.episode_steps)
                return int(self.np_random.integers(FIRST_ROW, min(latest, last) + 1))
            return last if rows.endless else FIRST_ROW
        if not FIRST_ROW <= wanted <= last:
            raise ValueError(f"an episode begins at rows {FIRST_ROW} to {last}, not at {wanted}")
        return int(wanted)

    def _begin_tape(self, row: int) -> None:
        window = self._tape[:WINDOW]
        window[:] = self.market.features[row - WINDOW + 1 : row + 1]
        window[:, 0] = 1.0  # before its first step the account is all cash
        self._at = WINDOW - 1

    def _observation(self) -> Observation:
        end = self._at + 1
        return self._tape[end - WINDOW : end].copy()

    def _write(self, rows: market.MarketRows, row: int) -> None:
        """Write the row of the present: the market's features and the account's columns."""
        at = self._at + 1
        if at == TAPE_ROWS:
            self._tape[: WINDOW - 1] = self._tape[TAPE_ROWS - WINDOW + 1 :]
            at = WINDOW - 1
        self._at = at
        account, most = self.account, self._most
        cash = account.cash / self._initial
        leverage = float(np.tanh(LEVERAGE_SCALE * account.gross / max(TINY, account.equity)))
        context = [account.unrealised, account.drawdown, leverage]
        if not (-LIMIT <= cash <= LIMIT and all(-LIMIT <= part <= LIMIT for part in context)):
            cash, *context = self._seen(cash, *context)
        line = self._tape[at]
        line[:] = rows.features[row]
        line[HELD] = [cash, *[held / most for held in account.positions]]
        line[CONTEXT] = context
        line[PROGRESS] = min(account.steps / self.episode_steps, LIMIT)

    def _seen(self, *values: float) -> list[float]:
        bad = [not np.isfinite(value) for value in values]
        if any(bad):
            self._faults.note("trading_env_obs_nan_or_inf", row=self.row)
        return [
            0.0 if wrong else min(max(value, -LIMIT), LIMIT)
            for value, wrong in zip(values, bad, strict=True)
        ]

    def _note_observed(self, rows: market.MarketRows, first: int, last: int) -> None:
        for row in range(first, last + 1):
            flag = int(rows.faults[row])
            if flag & market.PRICES:
                self._faults.note("trading_env_non_positive_price_or_strike", row=row)
            if flag & market.OBSERVED:
                self._faults.note("trading_env_obs_nan_or_inf", row=row)

    def _note_priced(self, rows: market.MarketRows, row: int) -> None:
        if not rows.faults[row] & market.TRADED:
            return
        self._faults.note("trading_env_step_non_positive_prices", row=row)
        if (rows.unpriced(row) & (np.array(self.account.positions) != 0)).any():
            self._faults.note("trading_env_portfolio_non_positive_prices", row=row)

    def _info(self) -> dict[str, Any]:
        account = self.account
        return {
            "row": self.row,
            "equity": account.equity,
            "cash": account.cash,
            "cost": account.cost,
            "traded": account.traded,
            "positions": tuple(account.positions),
        }


def _bounded(share: float, most: int) -> int:
    if share != share:  # noqa: PLR0124  NaN asks for nothing
        return 0
    return most if share > 0 else -most
