"""What a plugin may add, and the loading of the plugins that the settings allow."""

from collections.abc import Iterable, Sequence
from importlib import metadata

import pluggy

from alchemiser_cli.checks import Check
from alchemiser_cli.errors import PluginRejectedError
from alchemiser_cli.settings import Settings

__all__ = ["PROJECT", "hookimpl", "hookspec", "load_plugins", "plugin_checks"]

PROJECT = "alchemiser"
ENTRY_POINT_GROUP = "alchemiser.plugins"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class _Specification:
    @hookspec
    def alchemiser_checks(self, settings: Settings) -> Sequence[Check]:
        """Return checks that preflight runs after its own, each in a category of its choice."""
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


def plugin_checks(settings: Settings) -> list[Check]:
    """Return the checks of all allowed plugins.

    Raises:
        PluginRejectedError: ``plugin-rejected``.
    """
    plugins = load_plugins(settings.plugins)
    found: list[Check] = []
    for name, _ in plugins.list_name_plugin():
        others = [plugin for other, plugin in plugins.list_name_plugin() if other != name]
        ask = plugins.subset_hook_caller("alchemiser_checks", others)
        try:
            found += _as_checks(item for answer in ask(settings=settings) for item in answer)
        except (Exception, SystemExit) as error:
            raise _rejected(name, "cannot name its checks", error) from error
    return found


def _as_checks(items: Iterable[object]) -> list[Check]:
    checks = []
    for item in items:
        if not isinstance(item, Check):
            raise TypeError(f"{item!r} is not a Check")
        checks.append(item)
    return checks


def _rejected(name: str, what: str, error: BaseException) -> PluginRejectedError:
    return PluginRejectedError(
        f"the plugin {name!r} {what}",
        why=f"{type(error).__name__}: {error}",
        next_step=f"Correct the plugin, or take {name!r} out of `plugins` in the settings.",
        context={"plugin": name},
    )
