"""Weights used where they lie: proven before, and known to be whole after."""

import numpy as np
import pytest

from alchemiser_cli.errors import (
    CanaryMismatchError,
    SegmentCorruptError,
    StaleWeightsError,
    WeightsOverwrittenError,
)


def test_what_is_published_is_seen_without_a_copy(segment, weights):
    with segment.writer(weights()) as writer, segment.reader() as reader:
        writer.publish(weights(2), step=9)
        with reader.in_place() as view:
            assert (view.generation, view.head.step) == (1, 9)
            assert (view.tensors["actor.weight"] == 2).all()
            assert not view.tensors["actor.weight"].flags.writeable
            assert not view.tensors["actor.weight"].flags.owndata
            assert view.intact
        assert reader.value is None


def test_two_publications_leave_it_alone(segment, weights):
    with segment.writer(weights()) as writer, segment.reader() as reader:
        writer.publish(weights(1))
        with reader.in_place() as view:
            writer.publish(weights(2))
            writer.publish(weights(3))
            assert view.intact
            assert (view.tensors["actor.bias"] == 1).all()


@pytest.mark.provokes("weights-overwritten")
def test_the_third_one_is_found_out(segment, weights):
    with segment.writer(weights()) as writer, segment.reader() as reader:
        writer.publish(weights(1))
        using = reader.in_place()
        view = using.__enter__()
        for number in (2, 3, 4):
            writer.publish(weights(number))
        assert not view.intact
        with pytest.raises(WeightsOverwrittenError) as caught:
            using.__exit__(None, None, None)
        assert caught.value.context == {"generation": 1}
        with reader.in_place() as view:
            assert view.generation == 4


@pytest.mark.provokes("weights-overwritten")
def test_a_writer_in_the_middle_of_it_is_found_out(segment, weights):
    with segment.writer(weights()) as writer, segment.reader() as reader:
        for number in (1, 2, 3):
            writer.publish(weights(number))
        using = reader.in_place()
        using.__enter__()
        for number in (4, 5):
            writer.publish(weights(number))
        writer.segment.begin()
        with pytest.raises(WeightsOverwrittenError):
            using.__exit__(None, None, None)


@pytest.mark.provokes("weights-stale")
def test_nothing_published_or_expired_is_stale(segment, weights, clock, shm):
    with segment.writer(weights()) as writer, segment.reader() as reader:
        with pytest.raises(StaleWeightsError), reader.in_place():
            pass
        writer.publish(weights())
        clock.advance(shm.max_age_s + 1)
        with pytest.raises(StaleWeightsError), reader.in_place():
            pass


@pytest.mark.provokes("segment-corrupt")
def test_a_flipped_bit_is_found_before_it_is_used(segment, weights):
    with segment.writer(weights()) as writer, segment.reader() as reader:
        writer.publish(weights())
        writer.segment.mapping.payload(1)[40] ^= 1
        with pytest.raises(SegmentCorruptError), reader.in_place():
            pass
        assert reader.counts.checksum_failures == 8


@pytest.mark.provokes("canary-mismatch")
def test_the_canary_is_proven_in_place(segment, weights, canary):
    with segment.writer(weights(), canary=canary) as writer:
        writer.publish(weights(), canary=canary)
        with segment.reader(prove=lambda w, seen: canary.actions).in_place() as view:
            assert "observations" not in view.tensors
        reader = segment.reader(prove=lambda w, seen: np.zeros((2, 1)))
        with pytest.raises(CanaryMismatchError), reader.in_place():
            pass
