"""The process that publishes weights, many times a second, until it is told to end or killed.

It is run as a module, with the weights' rate and size and its parent's process id as arguments, and
works on the home that its environment names. Every number of a generation is the generation itself,
so that whoever reads can tell torn weights.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from alchemiser_cli.chaos.suffering import suffering, watchers_database
from alchemiser_cli.clock import SystemClock
from alchemiser_cli.settings.resolve import Request, resolve
from alchemiser_cli.shm import WeightSegment

__all__ = ["SEGMENT", "numbered", "publish_for_ever"]

SEGMENT = "chaos"

Weights = dict[str, npt.NDArray[np.float32]]


def numbered(size: int, number: int) -> Weights:
    """Return weights of about ``size`` bytes, each of whose numbers is ``number``."""
    return {
        "actor.weight": np.full(max(1, size // 4), number, np.float32),
        "actor.bias": np.full(7, number, np.float32),
    }


def publish_for_ever(environ: Mapping[str, str], rate: float, size: int, parent: int) -> None:
    """Publish ``rate`` generations a second while ``parent``, which started this process, lives."""
    settings = resolve(Request(environ=environ, dotenv=Path(os.devnull))).settings
    clock = SystemClock()
    database = watchers_database(settings, clock)
    segment = WeightSegment(settings.shm, SEGMENT, clock)
    try:
        with suffering(settings, database, clock), segment.writer(numbered(size, 0)) as writer:
            while os.getppid() == parent:
                writer.publish(numbered(size, writer.segment.generation + 1))
                clock.sleep(1 / rate)
    finally:
        database.close()


if __name__ == "__main__":
    publish_for_ever(dict(os.environ), float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
