"""Segments in a folder of the test's own, in real shared memory where there is one."""

import tempfile
from pathlib import Path

import msgspec
import numpy as np
import pytest

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.settings import ShmSettings
from alchemiser_cli.shm import Canary, Segment, WeightSegment


class Quote(msgspec.Struct, frozen=True):
    """A small record."""

    symbol: str
    bid: float
    ask: float
    sizes: tuple[int, ...] = ()


@pytest.fixture
def folder():
    root = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  a test's own folder
    with tempfile.TemporaryDirectory(prefix="test-alchemiser-", dir=root) as folder:
        yield Path(folder)


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def shm(folder):
    return ShmSettings(directory=folder)


@pytest.fixture
def segment(shm, clock):
    return WeightSegment(shm, "policy", clock)


@pytest.fixture
def quotes(shm, clock):
    return Segment(shm, "quotes", Quote, clock)


@pytest.fixture
def canary():
    return Canary(np.arange(6, dtype="f4").reshape(2, 3), np.array([[0.5], [0.25]]))


@pytest.fixture
def weights():
    """Return weights whose every number is the one that is given."""

    def make(number=1.0):
        return {
            "actor.weight": np.full((30, 7), number, np.float32),
            "actor.bias": np.full(7, number, np.float64),
            "steps": np.full((), number, np.int64),
        }

    return make
