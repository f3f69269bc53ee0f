"""What a plugin may add, and the loading of the plugins that the settings allow."""

from collections.abc import Iterable, Iterator, Sequence
from importlib import metadata
from typing import TYPE_CHECKING, Any

import pluggy

from alchemiser_cli.checks import Check
from alchemiser_cli.errors import PluginRejectedError
from alchemiser_cli.faults import FaultTarget, declare
from alchemiser_cli.settings import Settings

if TYPE_CHECKING:
    from alchemiser_cli.market.feeds import Venue
    from alchemiser_cli.trading.brokers import BrokerAdapter
    from alchemiser_cli.trading.strategies.kinds import StrategyKind

__all__ = [
    "PROJECT",
    "PluginAnswers",
    "hookimpl",
    "hookspec",
    "load_plugins",
    "plugin_checks",
    "plugin_fault_points",
]

PROJECT = "alchemiser"
ENTRY_POINT_GROUP = "alchemiser.plugins"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class _Specification:
    @hookspec
    def alchemiser_checks(self, settings: Settings) -> Sequence[Check]:
        """Return checks that preflight runs after its own, each in a category of its choice."""
        raise NotImplementedError

    @hookspec
    def alchemiser_feeds(self, settings: Settings) -> "Sequence[Venue]":
        """Return the venues whose live data the plugin understands."""
        raise NotImplementedError

    @hookspec
    def alchemiser_brokers(self, settings: Settings) -> "Sequence[BrokerAdapter]":
        """Return the adapters of the brokers that the plugin can trade with."""
        raise NotImplementedError

    @hookspec
    def alchemiser_strategies(self, settings: Settings) -> "Sequence[tuple[str, StrategyKind]]":
        """Return the kinds of strategies that the plugin adds, each with its name."""
        raise NotImplementedError

    @hookspec
    def alchemiser_fault_points(self, settings: Settings) -> Sequence[FaultTarget]:
        """Return the places of the plugin's own code that can be made to fail on purpose.

        The code itself gets its point with ``alchemiser_cli.faults.declare(target)``.
        """
        raise NotImplementedError


def load_plugins(allowed: Iterable[str]) -> pluggy.PluginManager:
    """Load the allowed plugins by their entry-point names; nothing else is imported.

    Raises:
        PluginRejectedError: ``plugin-rejected``, when an allowed one is missing or fails.
    """
    plugins = pluggy.PluginManager(PROJECT)
    plugins.add_hookspecs(_Specification)
    installed = {point.name: point for point in metadata.entry_points(group=ENTRY_POINT_GROUP)}
    for name in allowed:
        if name not in installed:
            raise PluginRejectedError(
                f"the plugin {name!r} is not installed",
                why=f"Installed plugins: {', '.join(sorted(installed)) or 'none'}.",
                next_step=f"Install the distribution that carries it, or take {name!r} out of "
                "`plugins` in the settings.",
                context={"plugin": name},
            )
        try:
            plugins.register(installed[name].load(), name)
            plugins.check_pending()
        except (Exception, SystemExit) as error:
            raise _rejected(name, "cannot be loaded", error) from error
    return plugins


class PluginAnswers:
    """What loaded plugins answer to a hook, in the order of the list and each under its name."""

    def __init__(self, plugins: pluggy.PluginManager) -> None:
        """Ask ``plugins``."""
        self._plugins = plugins

    def of(self, hook: str, deed: str, **arguments: Any) -> Iterator[tuple[str, object]]:
        """Yield the name of a plugin with each item that it returns to ``hook``.

        Raises:
            PluginRejectedError: ``plugin-rejected``, saying that the plugin cannot do ``deed``.
        """
        named = self._plugins.list_name_plugin()
        for name, _ in named:
            others = [plugin for other, plugin in named if other != name]
            try:
                ask = self._plugins.subset_hook_caller(hook, others)
                items = [item for answer in ask(**arguments) for item in answer]
            except (Exception, SystemExit) as error:
                raise _rejected(name, f"cannot {deed}", error) from error
            yield from ((name, item) for item in items)


def plugin_checks(settings: Settings) -> list[Check]:
    """Return the checks of all allowed plugins.

    Raises:
        PluginRejectedError: ``plugin-rejected``.
    """
    checks = []
    answers = PluginAnswers(load_plugins(settings.plugins))
    for name, item in answers.of("alchemiser_checks", "name its checks", settings=settings):
        if not isinstance(item, Check):
            raise _rejected(name, "cannot name its checks", TypeError(f"{item!r} is not a Check"))
        checks.append(item)
    return checks


def plugin_fault_points(settings: Settings) -> list[FaultTarget]:
    """Declare the fault points of all allowed plugins, and return them.

    Raises:
        PluginRejectedError: ``plugin-rejected``.
    """
    targets = []
    answers = PluginAnswers(load_plugins(settings.plugins))
    hook = "alchemiser_fault_points"
    for name, item in answers.of(hook, "name its fault points", settings=settings):
        try:
            if not isinstance(item, FaultTarget):
                raise TypeError(f"{item!r} is not a FaultTarget")  # noqa: TRY301  told as any other
            declare(item)
        except (TypeError, ValueError) as error:
            raise _rejected(name, "cannot name its fault points", error) from error
        targets.append(item)
    return targets


def _rejected(name: str, what: str, error: BaseException) -> PluginRejectedError:
    return PluginRejectedError(
        f"the plugin {name!r} {what}",
        why=f"{type(error).__name__}: {error}",
        next_step=f"Correct the plugin, or take {name!r} out of `plugins` in the settings.",
        context={"plugin": name},
    )
