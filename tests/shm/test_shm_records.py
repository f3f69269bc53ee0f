"""Small records: the newest one is visible, whole, and of the right type."""

import json

import msgspec
import pytest

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.errors import (
    SegmentNotFoundError,
    SegmentRecordTooLargeError,
    SegmentSchemaError,
)
from alchemiser_cli.logs import channel_file, log_session
from alchemiser_cli.settings import LogSettings
from alchemiser_cli.shm import Segment


class Quote(msgspec.Struct, frozen=True):
    symbol: str
    bid: float
    ask: float = 0.0
    sizes: tuple[int, ...] = ()


class Renamed(msgspec.Struct, frozen=True):
    symbol: str
    bid: int


@pytest.fixture
def quotes(shm, clock):
    return Segment(shm, "quotes", Quote, clock)


def test_the_newest_record_is_read_once(quotes):
    with quotes.writer() as writer, quotes.reader() as reader:
        assert reader.poll() is None
        for bid in (1.0, 2.0):
            writer.publish(Quote("SPY", bid))
        assert reader.poll() == Quote("SPY", 2.0)
        assert reader.poll() is None
        assert reader.value == Quote("SPY", 2.0)


@pytest.mark.provokes("segment-record-too-large")
def test_a_record_that_does_not_fit_is_a_value_error_with_both_sizes(shm, clock):
    segment = Segment(shm, "small", Quote, clock, capacity=64)
    with segment.writer() as writer, segment.reader() as reader:
        writer.publish(Quote("SPY", 1.0))
        size = len(msgspec.msgpack.encode(Quote("SPY" * 40, 1.0)))
        with pytest.raises(ValueError, match=f"a record of {size} bytes") as caught:
            writer.publish(Quote("SPY" * 40, 1.0))
        assert isinstance(caught.value, SegmentRecordTooLargeError)
        assert caught.value.context == {"bytes": size, "capacity": 64}
        assert reader.poll() == Quote("SPY", 1.0)
        assert writer.publish(Quote("QQQ", 2.0)) == 2
        assert reader.poll() == Quote("QQQ", 2.0)


def test_a_record_of_exactly_the_capacity_fits(shm, clock):
    record = Quote("S" * 100, 1.0)
    capacity = len(msgspec.msgpack.encode(record))
    segment = Segment(shm, "exact", Quote, clock, capacity=capacity)
    with segment.writer() as writer, segment.reader() as reader:
        writer.publish(record)
        assert reader.poll() == record


def test_a_record_of_another_type_is_a_type_error(quotes):
    with quotes.writer() as writer, pytest.raises(TypeError, match="Renamed is not Quote"):
        writer.publish(Renamed("SPY", 1))


class Odd(msgspec.Struct):
    clock: ManualClock | int


@pytest.mark.provokes("segment-schema-mismatch")
@pytest.mark.parametrize("kind", [int, dict, Odd])
def test_a_type_that_cannot_be_shared_fails_at_construction(shm, clock, tmp_path, kind):
    logs = tmp_path / "logs"
    with (
        log_session(LogSettings(), logs, clock, run_id="r", command="c", stderr=None),
        pytest.raises(SegmentSchemaError, match="cannot be shared"),
    ):
        Segment(shm, "odd", kind, clock)
    lines = channel_file(logs, "application").read_text(encoding="utf-8").splitlines()
    assert "shm_msgspec_init_failed" in {json.loads(line)["event"] for line in lines}
    assert list(shm.directory.iterdir()) == []


@pytest.mark.provokes("segment-schema-mismatch")
def test_readers_and_writers_of_another_schema_are_refused(quotes, shm, clock):
    other = Segment(shm, "quotes", Renamed, clock)
    with quotes.writer() as writer:
        writer.publish(Quote("SPY", 1.0))
        with pytest.raises(SegmentSchemaError, match="something else"):
            other.reader()
    with pytest.raises(SegmentSchemaError, match="something else"):
        other.writer()
    with quotes.reader() as reader:
        assert reader.poll() == Quote("SPY", 1.0)


@pytest.mark.provokes("segment-not-found")
@pytest.mark.parametrize("name", ["", "../etc", "a/b", ".hidden", "a" * 101, "a b"])
def test_a_name_that_leaves_the_folder_is_refused(shm, clock, name):
    with pytest.raises(SegmentNotFoundError, match="is no name"):
        Segment(shm, name, Quote, clock)
