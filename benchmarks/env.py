"""How fast the options environments step, one and 256 at once.

Run it as ``python benchmarks/env.py [--rounds N] [--steps N] [--json]``.

The baseline is the same environment as one writes it first (``alchemiser_cli.rl.ordinary``): an
observation from a dict of parts, the window rolled by ``np.roll``. All play the same market with
random actions, by turns in one process. Exits 1 when a target is missed.
"""

import argparse
import sys
from collections.abc import Iterator

from figures import Figure, all_met, printed

from alchemiser_cli.clock import SystemClock
from alchemiser_cli.rl.measure import EnvironmentSpeed, measure_environments

__all__ = ["main"]


def environments(speed: EnvironmentSpeed) -> Iterator[Figure]:
    """Yield the ratios beside their targets."""
    ordinary = f"ordinary {speed.ordinary_per_s:,.0f}/s"
    detail = f"{speed.single_per_s:,.0f}/s; {ordinary}"
    yield Figure("single", speed.single_ratio, 4.0, "x", detail, at_least=True)
    detail = f"{speed.vectorised_per_s:,.0f}/s with {speed.environments}; {ordinary}"
    yield Figure("vectorised", speed.vectorised_ratio, 60.0, "x", detail, at_least=True)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the table or JSON, and fail when a target is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15, help="rounds (default: 15)")
    parser.add_argument("--steps", type=int, default=400, help="steps of a round (default: 400)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    speed = measure_environments(SystemClock(), rounds=options.rounds, steps=options.steps)
    found = list(environments(speed))
    print(printed(found, as_json=options.json))
    return 0 if all_met(found) else 1


if __name__ == "__main__":
    sys.exit(main())
