"""What a strategy is: it looks at ticks, computes features, and says what it wants to hold."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from alchemiser_cli.market.ticks import Tick
from alchemiser_cli.trading.account import AccountView
from alchemiser_cli.trading.signals import Hold, Intent, ModelStamp

__all__ = ["Strategy"]


class Strategy(Protocol):
    """One strategy, called for one tick at a time and in the order of the ticks.

    The same ticks, parameters and account give the same answers: nothing else, above all no clock
    and no chance that is not seeded, may decide.
    """

    @property
    def strategy_id(self) -> str:
        """Its name in the settings."""
        ...

    @property
    def param_hash(self) -> str:
        """Hash of everything that it was configured with, 16 hexadecimal digits."""
        ...

    @property
    def model(self) -> ModelStamp | None:
        """The model that it acts on now; None for a rule."""
        ...

    @property
    def policy_expired(self) -> bool:
        """Whether the weights that it acts on are too old to be acted on; False for a rule."""
        ...

    def wants(self, symbol: str) -> bool:
        """Tell whether it looks at ticks of ``symbol``."""
        ...

    def load(self) -> None:
        """Get ready, once, before the first tick.

        Raises:
            StrategyModelError: ``strategy-model-unusable``: its model is missing or not sound.
        """
        ...

    def features(self, tick: Tick) -> Mapping[str, float] | None:
        """Take in ``tick`` and return what the strategy sees; None while it has too little history.

        It is called for every tick that it wants, also where nobody asks for a signal.
        """
        ...

    def signal(
        self, tick: Tick, features: Mapping[str, float], account: AccountView
    ) -> Sequence[Intent] | Hold:
        """Return what it wants to hold after this tick, or that nothing is to change, and why."""
        ...
