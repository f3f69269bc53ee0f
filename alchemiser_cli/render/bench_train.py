"""Training beside Stable-Baselines3's TD3 as it comes: rates, scores and times."""

import statistics
from collections.abc import Sequence

import msgspec

from alchemiser_cli.render.blocks import TableBlock, View
from alchemiser_cli.rl.training.measure import GymRace, OptionsRace, Side

__all__ = ["races_view"]

COLUMNS = ("side", "steps/s", "updates", "time", "score", "scores by seed")
RIGHT = frozenset({"steps/s", "updates", "time", "score"})


def races_view(options: OptionsRace, gym: GymRace, buffer_mb: float) -> View:
    """Return both races, each side with its medians and its scores."""
    document = {
        "options": msgspec.to_builtins(options),
        "gym": msgspec.to_builtins(gym),
        "buffer_mb": buffer_mb,
    }
    title = (
        f"{options.dataset}, {options.preset}, the same time; never trading scores "
        f"{options.idle_score:.2f}"
    )
    memory = [("replay buffer of 200,000 transitions", f"{buffer_mb:.0f} MB")]
    return View(
        document,
        [
            _table(title, options.ours, options.stock),
            _table(f"{gym.env_id}, the same steps", gym.ours, gym.stock),
            TableBlock(("figure", "value"), memory, right=frozenset({"value"})),
        ],
    )


def _table(title: str, ours: Sequence[Side], stock: Sequence[Side]) -> TableBlock:
    rows = [
        (
            name,
            f"{statistics.median(side.steps_per_s for side in sides):,.1f}",
            f"{statistics.median(side.updates for side in sides):,.0f}",
            f"{statistics.median(side.seconds for side in sides):,.0f} s",
            f"{statistics.mean(side.score for side in sides):,.2f}",
            " ".join(f"{side.score:.2f}" for side in sides),
        )
        for name, sides in (("ours", ours), ("stock", stock))
    ]
    return TableBlock(COLUMNS, rows, title=title, right=RIGHT)
