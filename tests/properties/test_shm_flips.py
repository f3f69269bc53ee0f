"""Flipped bits anywhere in a segment's file are detected or harmless, and never accepted.

``CRASH=full`` flips 10,000 times, otherwise 500 times.
"""

import os
import random
import tempfile
from pathlib import Path

import numpy as np
import pytest

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.errors import SharedMemoryError
from alchemiser_cli.settings import ShmSettings
from alchemiser_cli.shm import WeightSegment, gather_facts, judge, segment_plan

FLIPS = 10_000 if os.environ.get("CRASH") == "full" else 500
GENERATIONS = 5


def _filled(generation):
    return {
        "weight": np.full((40, 9), generation, np.float32),
        "bias": np.full(11, generation, np.float64),
        "step": np.full(1, generation, np.int32),
    }


@pytest.fixture
def segment():
    root = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  a test's own folder
    with tempfile.TemporaryDirectory(prefix="shm-flips-", dir=root) as folder:
        shm = ShmSettings(directory=Path(folder), read_attempts=2)
        segment = WeightSegment(shm, "policy", ManualClock())
        with segment.writer(_filled(0)) as writer:
            for generation in range(1, GENERATIONS + 1):
                writer.publish(_filled(generation))
        yield segment


def _places(header):
    """Spread flips evenly over the kinds of places, the large paddings being one of them."""
    slots = [header.slot_at(index) for index in range(header.slot_count)]
    return [
        range(256),
        range(256, 512),
        range(512, 900),
        range(header.readers_at, header.readers_at + 256),
        *(range(start, start + 16) for start in slots),
        *(range(start + 64, start + 192) for start in slots),
        *(range(start + 512, start + 512 + header.manifest.capacity) for start in slots),
        range(header.size),
        range(header.size - 900, header.size),
    ]


def _check(reader, generation):
    """Whatever was read is what was published under its number."""
    read = reader.poll() or reader.value
    if read is None:
        return
    assert read.generation == generation
    assert {name: array.tolist() for name, array in read.tensors.items()} == {
        name: array.tolist() for name, array in _filled(generation).items()
    }


def test_no_flipped_bit_is_ever_accepted(segment):
    chance = random.Random(2_026)  # noqa: S311  where the bits flip
    with segment.reader() as attached:
        places = _places(attached.header)
    whole = bytearray(segment.file.read_bytes())
    shm = ShmSettings(directory=segment.file.parent, read_attempts=2)
    detected = 0
    for _ in range(FLIPS):
        broken = bytearray(whole)
        for _ in range(chance.choice((1, 1, 2, 3))):
            place = chance.choice(chance.choice(places))
            broken[place] ^= 1 << chance.randrange(8)
        with segment.file.open("r+b") as opened:
            opened.write(broken)
        try:
            with segment.reader() as reader:
                _check(reader, GENERATIONS)
                detected += reader.refusal is not None
        except SharedMemoryError:
            detected += 1
        facts = gather_facts(shm, "policy", ManualClock())
        assert judge(facts, shm).findings is not None
        segment_plan(shm, "policy", ManualClock())
    assert FLIPS / 4 < detected < FLIPS


def test_an_attached_reader_keeps_the_last_good_generation_under_flips(segment):
    chance = random.Random(1_905)  # noqa: S311  where the bits flip
    with segment.reader() as reader:
        _check(reader, GENERATIONS)
        places = _places(reader.header)
        whole = segment.file.read_bytes()
        for _ in range(FLIPS // 4):
            place = chance.choice(chance.choice(places))
            with segment.file.open("r+b") as opened:
                opened.seek(place)
                opened.write(bytes([whole[place] ^ 1 << chance.randrange(8)]))
            _check(reader, GENERATIONS)
            with segment.file.open("r+b") as opened:
                opened.seek(place)
                opened.write(whole[place : place + 1])
