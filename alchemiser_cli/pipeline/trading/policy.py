"""The strategy kind ``policy``: a trained actor that trades the ten contracts of an underlying.

At each tick of its underlying it sees what the options environment would show it (``rl``), and
wants the positions that its action names. Its weights come from a model artefact, or follow a
segment of the weight bus.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from alchemiser_cli.clock import Clock
from alchemiser_cli.errors import AlchemiserError, StrategyModelError
from alchemiser_cli.logs import get_logger
from alchemiser_cli.market import Tick
from alchemiser_cli.market.chains import CONTRACTS, ChainSnapshot, ChainTable
from alchemiser_cli.market.indicators import LOOKBACK
from alchemiser_cli.rl.artefacts import load_artefact
from alchemiser_cli.rl.dynamics import LEVERAGE_SCALE
from alchemiser_cli.rl.features import TINY, market_features
from alchemiser_cli.rl.observation import (
    FEATURES,
    LIMIT,
    WINDOW,
    observation_schema,
    observation_schema_hash,
)
from alchemiser_cli.rl.tapes import CONTEXT, HELD, PROGRESS
from alchemiser_cli.rl.td3.acting import ActorNetwork, load_actor, prove_with
from alchemiser_cli.rl.td3.presets import Architecture
from alchemiser_cli.settings import OptionsSettings, Settings, StrategySettings
from alchemiser_cli.shm import WeightReader, WeightSegment
from alchemiser_cli.trading.account import AccountView
from alchemiser_cli.trading.chain_quotes import ChainQuotes
from alchemiser_cli.trading.signals import Hold, Intent, ModelStamp

__all__ = ["SHOWN", "PolicyStrategy"]

SHOWN = (
    "return_1",
    "return_21",
    "rsi_14",
    "macd",
    "implied_premium",
    "realised_volatility",
    "implied_volatility",
    "spot_return",
    "time_to_expiry",
)
"""The market's features that go on record with a signal; all hundred follow from the ticks."""

_LOG = get_logger("trading", "strategies.policy")
_COLUMN = {feature.name: feature.index for feature in FEATURES}
_CANARY_TOLERANCE = 1e-5  # another machine's sums may differ in their last bits

Row = NDArray[np.float32]


class PolicyStrategy:
    """One actor on one underlying, which must be the first of its symbols."""

    policy_expired = False

    def __init__(
        self,
        strategy_id: str,
        symbols: Sequence[str],
        parameters: str,
        chosen: StrategySettings,
        settings: Settings,
        clock: Clock,
    ) -> None:
        """Describe it; ``parameters`` is the hash of its definition. Nothing is loaded yet."""
        self.strategy_id = strategy_id
        self.param_hash = parameters
        self.model: ModelStamp | None = None
        self._underlying = symbols[0]
        self._chosen = chosen
        self._settings = settings
        self._options = settings.options
        self._clock = clock
        self._chain = ChainQuotes(settings.options)
        self._recent: deque[ChainSnapshot] = deque(maxlen=LOOKBACK)
        self._window = np.zeros((WINDOW, len(FEATURES)), np.float32)
        self._window[:, 0] = 1.0  # before it trades, the account is all cash
        self._seen = 0
        self._steps = 0
        self._actor: ActorNetwork | None = None
        self._architecture: Architecture | None = None
        self._bus: WeightReader | None = None

    def wants(self, symbol: str) -> bool:
        """Tell whether ``symbol`` is its underlying."""
        return symbol == self._underlying

    def load(self) -> None:
        """Load the model artefact, and attach to the segment where one is configured.

        Raises:
            StrategyModelError: ``strategy-model-unusable``.
        """
        name = self._chosen.model
        if name is None:
            raise _unusable(self.strategy_id, "no model is named", "Set strategies.NAME.model.")
        name = name.removeprefix("strategies/")
        try:
            artefact = load_artefact(
                self._settings.models_folder,
                name,
                observation_schema_hash=observation_schema_hash(),
            )
            passport = artefact.passport
            self._architecture = msgspec.convert(passport.architecture, Architecture)
            self._actor = load_actor(self._architecture, artefact.weights)
            self.model = ModelStamp(
                name=passport.name,
                version=passport.created_at,
                hash=passport.weights_hash,
                feature_schema_hash=passport.observation_schema_hash,
            )
            _same_options(self.strategy_id, passport.settings, self._options)
            if self._chosen.segment is not None:
                self._attach(self._chosen.segment, self._architecture)
        except StrategyModelError:
            raise
        except AlchemiserError as error:
            raise _unusable(self.strategy_id, f"{error.code}: {error}", error.next_step) from error

    def features(self, tick: Tick) -> Mapping[str, float] | None:
        """Take in the tick, and return the features that go on record; see ``SHOWN``."""
        if not self._chain.quotes(tick) or self._chain.snapshot is None:
            return None
        self._recent.append(self._chain.snapshot)
        if len(self._recent) < LOOKBACK:
            return None
        row = market_features(ChainTable.of(list(self._recent)), self._options)[-1]
        self._window[:-1] = self._window[1:]
        self._window[-1] = row
        self._window[-1, HELD] = self._window[-2, HELD]  # until the account says otherwise
        self._seen += 1
        if self._seen < WINDOW:
            return None
        return {name: float(row[_COLUMN[name]]) for name in SHOWN}

    def signal(
        self,
        tick: Tick,  # noqa: ARG002  the contract's; what it says is in the window
        features: Mapping[str, float],  # noqa: ARG002  as above
        account: AccountView,
    ) -> Sequence[Intent] | Hold:
        """Return the positions that the actor wants, as far as they are not held."""
        names = self._chain.symbols
        held = [account.position(self.strategy_id, name) for name in names]
        self._write_account(account, names, held)
        self._steps += 1
        flat = self._refresh()
        if self._actor is None:
            return Hold("no weights were ever published")
        if flat:
            wanted, reason = [0] * CONTRACTS, "the weights are expired: flat"
        else:
            action = self._actor.act(self._window[None])[0].tolist()
            most = self._options.max_contracts
            wanted = [round(max(-1.0, min(1.0, share)) * most) for share in action]
            reason = "the policy's action"
        changed = [
            Intent(symbol=name, target=target, reason=reason)
            for name, target, has in zip(names, wanted, held, strict=True)
            if target != has
        ]
        return changed or Hold("the policy wants what is held")

    def _write_account(self, account: AccountView, names: Sequence[str], held: list[int]) -> None:
        """Write the account's columns of the newest row, as the environment does."""
        chain = self._chain.snapshot
        if chain is None:
            return
        multiplier, most = float(self._options.multiplier), self._options.max_contracts
        initial, equity = account.initial_cash, account.equity
        value = sum(count * mid for count, mid in zip(held, chain.mid.tolist(), strict=True))
        paid = sum(account.cost(self.strategy_id, name) for name in names)
        exposure = np.abs(chain.greeks[:, 0]) * chain.spot
        gross = multiplier * float(np.abs(held) @ exposure)
        line = self._window[-1]
        line[HELD] = [account.cash / initial, *[count / most for count in held]]
        line[CONTEXT] = [
            multiplier * (value - paid) / initial,
            1.0 - equity / account.peak_equity,
            np.tanh(LEVERAGE_SCALE * gross / max(TINY, equity)),
        ]
        line[PROGRESS] = (self._steps % self._options.episode_steps) / self._options.episode_steps
        np.clip(np.nan_to_num(line, copy=False), -LIMIT, LIMIT, out=line)

    def _attach(self, segment: str, architecture: Architecture) -> None:
        bus = WeightSegment(
            self._settings.shm, segment, self._clock, observation_schema=observation_schema()
        )
        self._bus = bus.reader(prove=prove_with(architecture), tolerance=_CANARY_TOLERANCE)
        self._actor = None  # until the segment gives weights

    def _refresh(self) -> bool:
        """Take over newer weights of the segment; tell whether to go flat for their age."""
        if self._bus is None or self._architecture is None:
            return False
        newer = self._bus.poll()
        if newer is not None:
            self._actor = load_actor(self._architecture, newer.tensors)
            if self.model is not None:
                self.model = msgspec.structs.replace(self.model, generation=newer.generation)
        freshness = self._bus.freshness()
        expired = freshness.state == "expired"
        if expired != self.policy_expired:
            _LOG.warning(
                "policy weights",
                strategy=self.strategy_id,
                state=freshness.state,
                age_s=freshness.age_s,
                action=freshness.action,
            )
        flat = freshness.action == "flat"
        # Going flat reduces risk, and rests on no weights: it must not be refused for their age.
        self.policy_expired = expired and not flat
        return flat


def _same_options(strategy: str, held: Mapping[str, Any], options: OptionsSettings) -> None:
    """Refuse a model whose options differ in what decides on the meaning of its actions."""
    trained = held.get("options", {})
    differing = [
        name
        for name in ("max_contracts", "multiplier", "strike_step")
        if name in trained and trained[name] != getattr(options, name)
    ]
    if differing:
        raise _unusable(
            strategy,
            "it was trained with other options: "
            + ", ".join(
                f"options.{name} was {trained[name]}, now {getattr(options, name)}"
                for name in differing
            ),
            "Set these options as they were, or train another model.",
        )


def _unusable(strategy: str, why: str, next_step: str) -> StrategyModelError:
    return StrategyModelError(
        f"the strategy {strategy!r} cannot act on its model",
        why=f"{why.rstrip('.')}.",
        next_step=next_step or "Run `alchemiser model verify NAME`.",
        context={"strategy": strategy},
    )
