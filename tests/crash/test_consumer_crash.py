"""A consumer that is killed at any moment loses nothing, and repeats only what was not committed.

``CRASH=full`` kills 100 times, otherwise 6 times.
"""

import os
import random
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import pytest
from confluent_kafka import Consumer as Client
from confluent_kafka import TopicPartition

from alchemiser_cli.clock import SystemClock
from alchemiser_cli.market.ticks import Tick
from alchemiser_cli.settings.sections import RegistrySettings
from alchemiser_cli.streaming import TickEncoder, TickProducer, open_registry, value_subject
from alchemiser_cli.testing.kafka import embedded_kafka, settings_for

KILLS = 100 if os.environ.get("CRASH") == "full" else 6
PER_LIFE = 800  # so that the last message is not reached before the last kill
LIFE_S = 2.0
SYMBOLS = ("DIA", "JPM", "QQQ", "SPY", "AAPL", "META", "TLT", "IWM")  # two a partition
TOPIC, GROUP, PARTITIONS = "market.ticks", "killed", 4
COMMIT_INTERVAL_S = 0.1
# What is worked off is committed within an interval, one wait of the fetching thread (half a
# second for room in a full buffer), and the answer of a broker that shares two busy cores.
WINDOW_S = COMMIT_INTERVAL_S + 0.5 + 0.4
CHILD = Path(__file__).with_name("numbered_consumer.py")


class Line(NamedTuple):
    """One message worked off."""

    partition: int
    offset: int
    sequence: int
    at_ns: int


class Victims:
    """Consumers of one group, one after the other, and what they wrote."""

    def __init__(self, kafka, folder):
        self.path = folder / "worked-off"
        arguments = (kafka.bootstrap, folder / "schemas", TOPIC, GROUP, COMMIT_INTERVAL_S)
        self._command = [sys.executable, CHILD, *arguments, self.path]
        self._client = Client(
            {"bootstrap.servers": kafka.bootstrap, "group.id": GROUP, "log_level": 0}
        )

    def killed(self, after_s):
        """Run one, kill it ``after_s`` after its first message; return when that was."""
        had = self._size()
        with subprocess.Popen([str(part) for part in self._command]) as victim:
            deadline = time.monotonic() + 60
            while self._size() == had and time.monotonic() < deadline:
                assert victim.poll() is None, "it ended before it had worked off anything"
                time.sleep(0.005)  # allow no-bare-sleep: polls with the deadline above
            time.sleep(after_s)  # allow no-bare-sleep: the moment of death
            killed_ns = time.monotonic_ns()
            victim.kill()
            assert victim.wait(10) == -9
        return killed_ns

    def survivor(self):
        """Run one until nothing more comes."""
        subprocess.run([str(part) for part in self._command], check=True, timeout=600)

    def lines(self):
        return [Line(*map(int, line.split())) for line in self.path.read_text().splitlines()]

    def committed(self):
        places = [TopicPartition(TOPIC, number) for number in range(PARTITIONS)]
        answers = self._client.committed(places, timeout=10)
        return {answer.partition: max(answer.offset, 0) for answer in answers}

    def close(self):
        self._client.close()

    def _size(self):
        return self.path.stat().st_size if self.path.exists() else 0


def unbroken(lines, begun_at):
    """Return, for each partition, the offset below which nothing is missing."""
    offsets = {(line.partition, line.offset) for line in lines}
    ends = {}
    for number, begun in begun_at.items():
        ends[number] = begun
        while (number, ends[number]) in offsets:
            ends[number] += 1
    return ends


def sent(kafka, folder, count):
    registry = open_registry(RegistrySettings(), f"file:{folder / 'schemas'}")
    encoder = TickEncoder(registry, value_subject(TOPIC))
    with TickProducer(settings_for(kafka), kafka.bootstrap, TOPIC, encoder, SystemClock()) as to:
        for number in range(count):
            to.send(
                Tick(
                    symbol=SYMBOLS[number % len(SYMBOLS)],
                    venue="XNYS",
                    kind="trade",
                    sequence=number + 1,
                    event_time_ns=1_600_000_000_000_000_000 + number,
                    price=100.0,
                )
            )
        to.flush(60)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_killed_at_random_moments_it_loses_nothing_and_repeats_little(tmp_path):
    chance = random.Random(429)  # noqa: S311  the moments of death
    count = PER_LIFE * KILLS
    with embedded_kafka(TOPIC, partitions=PARTITIONS) as kafka:
        sent(kafka, tmp_path, count)
        victims = Victims(kafka, tmp_path)
        had, repeated, committed = 0, 0, dict.fromkeys(range(PARTITIONS), 0)
        judged = 0
        for _ in range(KILLS):
            killed_ns = victims.killed(chance.uniform(0.0, LIFE_S))
            lines = victims.lines()
            life = lines[had:]
            repeated += _check_life(lines[:had], life, committed)
            old = [line for line in life if line.at_ns < killed_ns - WINDOW_S * 1e9]
            judged += len(old)
            finished, in_time = unbroken(life, committed), unbroken(old, committed)
            committed, had = victims.committed(), len(lines)
            for number, offset in committed.items():
                assert offset <= finished[number], "committed beyond the lowest unfinished"
                assert offset >= in_time[number], "the uncommitted window is too wide"
        assert judged, "no life was long enough to judge the window by"
        victims.survivor()
        lines = victims.lines()
        repeated += _check_life(lines[:had], lines[had:], committed)
        ended = victims.committed()
        victims.close()
    places = {(line.partition, line.offset) for line in lines}
    assert len(places) == count == sum(ended.values())
    assert len(lines) - len(places) == repeated


def _check_life(earlier, life, committed):
    """Check one life's order and its start, and return how many messages it repeated."""
    assert all(line.offset >= committed[line.partition] for line in life)
    by_symbol = defaultdict(list)
    for line in life:
        by_symbol[(line.sequence - 1) % len(SYMBOLS)].append(line.sequence)
    assert all(sequences == sorted(set(sequences)) for sequences in by_symbol.values())
    done = {line.sequence for line in earlier}
    return sum(line.sequence in done for line in life)
