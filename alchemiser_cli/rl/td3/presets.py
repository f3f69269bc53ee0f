"""The sizes of the network, by name."""

from typing import Literal

import msgspec

from alchemiser_cli.errors import ModelIncompatibleError

__all__ = ["PRESETS", "Architecture", "Preset", "architecture_of"]

Preset = Literal["small", "base"]


class Architecture(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that decides on the shapes of a policy's weights.

    ``window`` rows of ``features`` numbers come in, ``actions`` numbers go out. A window of 1
    has no transformer: its one row goes straight into the networks.
    """

    preset: Preset
    window: int
    features: int
    actions: int
    d_model: int
    heads: int
    layers: int
    feedforward: int
    encoded: int
    hidden: tuple[int, ...]


class _Size(msgspec.Struct, frozen=True):
    d_model: int
    heads: int
    layers: int
    feedforward: int
    encoded: int
    hidden: tuple[int, ...]


PRESETS: dict[Preset, _Size] = {
    "small": _Size(64, 4, 2, 256, 128, (256, 256)),
    "base": _Size(256, 8, 4, 1024, 512, (256, 256)),
}


def architecture_of(preset: Preset, shape: tuple[int, ...], actions: int) -> Architecture:
    """Return the network of ``preset`` for observations of ``shape``: (window, features) or (n,).

    Raises:
        ModelIncompatibleError: ``model-incompatible`` for any other shape.
    """
    if len(shape) not in (1, 2):
        raise ModelIncompatibleError(
            f"observations of shape {shape} cannot be learned from",
            why="The network takes a row of numbers, or a window of rows.",
            next_step="Flatten the observation, for example with gymnasium's FlattenObservation.",
        )
    size = PRESETS[preset]
    window, features = shape if len(shape) == 2 else (1, *shape)
    return Architecture(preset, window, features, actions, **msgspec.structs.asdict(size))
