"""How fast training is and how far it gets, beside the TD3 of Stable-Baselines3 as it comes.

Run it as ``python benchmarks/train.py [--seconds S] [--seeds N] [--steps N] [--json]``.

On the S&P 500 both get the network ``base`` and the same time, by turns for each seed; stock steps
one environment and updates once a step. On Pendulum-v1 both make the same steps; stock with its
published hyperparameters (mean return there: -152 with a deviation of 90 over one run). With the
defaults it takes about half an hour. Exits 1 when a target is missed.
"""

import argparse
import statistics
import sys
from collections.abc import Iterator, Sequence

from figures import Figure, all_met, printed

from alchemiser_cli.clock import SystemClock
from alchemiser_cli.rl.training.measure import (
    GymRace,
    OptionsRace,
    Side,
    buffer_megabytes,
    race_on_gym,
    race_on_options,
)

__all__ = ["main"]

DATASET = "sp500"
PRESET = "base"
ENVIRONMENT = "Pendulum-v1"
PUBLISHED = -152.0
BY_CHANCE = 20.0  # of the mean of ten episodes over a few seeds


def options(race: OptionsRace) -> Iterator[Figure]:
    """Yield the step rates and the scores after the same time."""
    ours, stock = _rate(race.ours), _rate(race.stock)
    updates = [statistics.mean(side.updates for side in part) for part in (race.ours, race.stock)]
    detail = f"{ours:.1f}/s, {updates[0]:.0f} updates; stock {stock:.2f}/s, {updates[1]:.0f}"
    yield Figure("steps, to stock", ours / stock, 10.0, "x", detail, at_least=True)
    lead = _score(race.ours) - _score(race.stock)
    detail = (
        f"{_scores(race.ours)}; stock {_scores(race.stock)}; never trading {race.idle_score:.2f}"
    )
    yield Figure("held-out score, lead", lead, 0.0, "", detail, at_least=True)


def pendulum(race: GymRace) -> Iterator[Figure]:
    """Yield the returns, and the time to stock's."""
    ours, stock = _seconds(race.ours), _seconds(race.stock)
    detail = f"{ours:.0f} s, stock {stock:.0f} s"
    yield Figure("Pendulum time, to stock", ours / stock, 1.0, "x", detail)
    detail = f"{_scores(race.ours)}; stock {_scores(race.stock)}"
    least = PUBLISHED - BY_CHANCE
    yield Figure("Pendulum return", _score(race.ours), least, "", detail, at_least=True)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the table or JSON, and fail when a target is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60, help="of a side (default: 60)")
    parser.add_argument("--seeds", type=int, default=5, help="seeds (default: 5)")
    parser.add_argument("--steps", type=int, default=20_000, help="on Pendulum (default: 20000)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args(arguments)
    clock, seeds = SystemClock(), range(1, 1 + given.seeds)
    found = [
        *options(
            race_on_options(
                clock, dataset=DATASET, preset=PRESET, seconds=given.seconds, seeds=seeds
            )
        ),
        *pendulum(race_on_gym(clock, env_id=ENVIRONMENT, steps=given.steps, seeds=seeds[:3])),
        Figure("replay buffer", buffer_megabytes(200_000, 16), 250.0, "MB", "200,000 transitions"),
    ]
    print(printed(found, as_json=given.json))
    return 0 if all_met(found) else 1


def _rate(sides: Sequence[Side]) -> float:
    return statistics.median(side.steps_per_s for side in sides)


def _score(sides: Sequence[Side]) -> float:
    return statistics.mean(side.score for side in sides)


def _seconds(sides: Sequence[Side]) -> float:
    return statistics.median(side.seconds for side in sides)


def _scores(sides: Sequence[Side]) -> str:
    return " ".join(f"{side.score:.2f}" for side in sides)


if __name__ == "__main__":
    sys.exit(main())
