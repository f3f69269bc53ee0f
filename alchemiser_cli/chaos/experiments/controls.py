"""Controls: functions of allowed modules that are called around the parts of an experiment.

Source: https://chaostoolkit.org/reference/api/experiment/#controls
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Literal

from alchemiser_cli.chaos.experiments.document import Control
from alchemiser_cli.chaos.experiments.pace import HaltedError

__all__ = ["CONTROLS", "Controls", "Part", "control_problem"]

CONTROLS = "alchemiser_cli.chaos.controls"

Part = Literal["experiment", "hypothesis", "method", "rollback", "activity"]

_PARTS: tuple[Part, ...] = ("experiment", "hypothesis", "method", "rollback", "activity")


def control_problem(control: Control, plugin_modules: Collection[str] = ()) -> str | None:
    """Return what is wrong with a control, or None.

    ``plugin_modules`` are the packages of the plugins that the settings allow.
    """
    module = control.provider.module
    ours = module.startswith(f"{CONTROLS}.")
    if not ours and module.partition(".")[0] not in plugin_modules:
        return (
            f"{module} may not be called: controls are modules of {CONTROLS} and of plugins that "
            "the setting plugins allows"
        )
    try:
        found = import_module(module)
    except ImportError as error:
        return f"{module} cannot be imported: {error}"
    if not any(hasattr(found, name) for name in _names()):
        return f"{module} has none of {', '.join(_names())}"
    return None


class Controls:
    """Calls the controls of one experiment; one that fails is told, and the experiment goes on."""

    def __init__(self, controls: Sequence[Control], tell: Callable[[str], object]) -> None:
        """Call ``controls`` in their order before a part, and in the reverse order after it."""
        self._controls = controls
        self._tell = tell

    @contextmanager
    def around(self, part: Part, context: Any) -> Iterator[Callable[[Any], None]]:
        """Call what comes before and after a part; what is yielded takes the part's state."""
        state: list[Any] = [None]
        for control in self._controls:
            self._call(control, f"before_{part}_control", context=context)
        try:
            yield lambda result: state.__setitem__(0, result)
        finally:
            for control in reversed(self._controls):
                self._call(control, f"after_{part}_control", context=context, state=state[0])

    def _call(self, control: Control, name: str, **about: Any) -> None:
        try:
            function = getattr(import_module(control.provider.module), name, None)
            if function is not None:
                function(**about, **control.provider.arguments)
        except HaltedError:
            raise
        except Exception as error:  # noqa: BLE001  a control must not keep rollbacks from running
            self._tell(f"the control {control.name!r}: {type(error).__name__}: {error}")


def _names() -> list[str]:
    return [f"{when}_{part}_control" for part in _PARTS for when in ("before", "after")]
