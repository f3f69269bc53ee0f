"""Opening a trading broker by its name in the settings: the simulated one, or a plugin's."""

from collections.abc import Callable
from difflib import get_close_matches
from typing import Protocol, runtime_checkable

from alchemiser_cli.clock import Clock
from alchemiser_cli.errors import BrokerInactiveError, PluginRejectedError
from alchemiser_cli.hooks import PluginAnswers, load_plugins
from alchemiser_cli.settings import BrokerAccount, Settings
from alchemiser_cli.trading.broker import Broker

__all__ = ["PAPER", "BrokerAdapter", "broker_adapters", "is_active", "open_broker"]

PAPER = "paper"
"""The broker that is simulated here; it needs no entry in the settings."""


@runtime_checkable
class BrokerAdapter(Protocol):
    """What a plugin gives for each kind of broker that it can trade with."""

    @property
    def name(self) -> str:
        """What ``brokers.NAME.plugin`` of the settings calls it."""
        ...

    def open(self, name: str, account: BrokerAccount, clock: Clock) -> Broker:
        """Return the broker ``name`` of the settings; nothing is contacted yet.

        Raises:
            ConfigurationError: The account cannot be used so.
        """
        ...


def open_broker(settings: Settings, name: str, clock: Clock, paper: Callable[[], Broker]) -> Broker:
    """Return the broker ``name``, not connected yet.

    ``paper`` makes the simulated one, which trades unless ``brokers.paper.enabled`` is set to
    false. Any other must be enabled, and its plugin be allowed.

    Raises:
        BrokerInactiveError: ``broker-inactive``: it is unknown, disabled, or has no plugin.
        PluginRejectedError: ``plugin-rejected``: an allowed plugin cannot be loaded.
        ConfigurationError: The plugin cannot use the account as it is set.
    """
    account = settings.brokers.get(name)
    if account is None:
        if name == PAPER:
            return paper()
        raise _unknown(settings, name)
    if not is_active(settings, name):
        raise _disabled(name)
    if name == PAPER and account.plugin is None:
        return paper()
    adapters = broker_adapters(settings)
    adapter = adapters.get(account.plugin or "")
    if adapter is None:
        raise _without_plugin(name, account, list(adapters))
    return adapter.open(name, account, clock)


def is_active(settings: Settings, name: str) -> bool:
    """Tell whether the settings let orders go to the broker ``name``; nothing is loaded for it."""
    account = settings.brokers.get(name)
    if name == PAPER and (account is None or "enabled" not in account.model_fields_set):
        return True
    return account is not None and account.enabled


def broker_adapters(settings: Settings) -> dict[str, BrokerAdapter]:
    """Return the adapters of all allowed plugins, by name.

    Raises:
        PluginRejectedError: ``plugin-rejected``, also when two give an adapter of one name.
    """
    found: dict[str, BrokerAdapter] = {}
    for plugin, item in PluginAnswers(load_plugins(settings.plugins)).of(
        "alchemiser_brokers", "name its brokers", settings=settings
    ):
        if not isinstance(item, BrokerAdapter) or item.name in found:
            problem = "gives a second" if isinstance(item, BrokerAdapter) else "gives no adapter:"
            what = item.name if isinstance(item, BrokerAdapter) else repr(item)
            raise PluginRejectedError(
                f"the plugin {plugin!r} {problem} {what}",
                why="A broker's plugin returns adapters, each with a name of its own.",
                next_step=f"Correct the plugin, or take {plugin!r} out of `plugins` in the "
                "settings.",
                context={"plugin": plugin},
            )
        found[item.name] = item
    return found


def _unknown(settings: Settings, name: str) -> BrokerInactiveError:
    known = [PAPER, *(one for one in settings.brokers if one != PAPER)]
    close = get_close_matches(name, known, 1)
    return BrokerInactiveError(
        f"there is no broker {name!r}",
        why=f"Brokers: {', '.join(known)}." + (f" Did you mean {close[0]!r}?" if close else ""),
        next_step=f"Correct the name, or add `brokers.{name}` to the settings.",
        context={"broker": name},
    )


def _disabled(name: str) -> BrokerInactiveError:
    return BrokerInactiveError(
        f"the broker {name!r} is disabled",
        why=f"`brokers.{name}.enabled` is false, so no order may go there.",
        next_step=f"Set `brokers.{name}.enabled` = true once its account is to be traded.",
        context={"broker": name},
    )


def _without_plugin(name: str, account: BrokerAccount, loaded: list[str]) -> BrokerInactiveError:
    why = (
        f"`brokers.{name}.plugin` is not set."
        if account.plugin is None
        else f"Loaded plugins trade with: {', '.join(loaded) or 'nobody'}."
    )
    return BrokerInactiveError(
        f"no plugin trades with the broker {name!r}",
        why=why,
        next_step="Install the plugin that speaks its protocol, add it to `plugins` in the "
        f"settings, and name it in `brokers.{name}.plugin`.",
        context={"broker": name, "plugin": account.plugin},
    )
