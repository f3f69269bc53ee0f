"""Which functions an experiment may call: ours, and those of allowed plugins; and nothing else."""

import inspect
from collections.abc import Callable, Collection
from importlib import import_module
from typing import Any

from alchemiser_cli.chaos.experiments.document import PythonProvider
from alchemiser_cli.hooks import load_plugins, plugin_fault_points
from alchemiser_cli.settings import Settings

__all__ = ["ACTIONS", "PROBES", "called", "plugin_modules", "provider_problem"]

ACTIONS = "alchemiser_cli.chaos.actions"
PROBES = "alchemiser_cli.chaos.probes"


def plugin_modules(settings: Settings) -> frozenset[str]:
    """Return the packages of the plugins that the settings allow; their fault points are known.

    Raises:
        PluginRejectedError: ``plugin-rejected``.
    """
    plugin_fault_points(settings)
    plugins = load_plugins(settings.plugins)
    names = (getattr(one, "__name__", type(one).__module__) for one in plugins.get_plugins())
    return frozenset(name.partition(".")[0] for name in names)


def provider_problem(
    provider: PythonProvider, plugin_modules: Collection[str] = ()
) -> tuple[str, str] | None:
    """Return where in a provider something is wrong, and what, or None.

    ``plugin_modules`` are the packages of the plugins that the settings allow.
    """
    package = provider.module.partition(".")[0]
    if provider.module not in (ACTIONS, PROBES) and package not in plugin_modules:
        return "module", (
            f"{provider.module} may not be called: an experiment calls functions of {ACTIONS}, "
            f"{PROBES}, and of plugins that the setting plugins allows"
        )
    try:
        function = _function(provider)
    except ImportError as error:
        return "module", f"{provider.module} cannot be imported: {error}"
    except AttributeError:
        known = ", ".join(getattr(import_module(provider.module), "__all__", ()))
        return "func", f"{provider.module} has no function {provider.func}; it has {known}"
    try:
        inspect.signature(function).bind(**provider.arguments)
    except TypeError as error:
        shape = inspect.signature(function)
        return "arguments", f"{provider.func}{shape} does not take them: {error}"
    return None


def called(provider: PythonProvider) -> Any:
    """Call the function and return what it returns; it may raise whatever it likes."""
    return _function(provider)(**provider.arguments)


def _function(provider: PythonProvider) -> Callable[..., Any]:
    module = import_module(provider.module)
    function: Callable[..., Any] | None = getattr(module, provider.func, None)
    public = getattr(module, "__all__", (provider.func,))
    if provider.func.startswith("_") or provider.func not in public or not callable(function):
        raise AttributeError(provider.func)
    return function
