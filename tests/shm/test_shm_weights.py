"""Named weights: what is published is what is read, or nothing new is read at all."""

import os
import re

import numpy as np
import pytest

from alchemiser_cli.errors import (
    CanaryMismatchError,
    SegmentSchemaError,
    SegmentWriterAliveError,
    StaleWeightsError,
    TrainingDivergedError,
)
from alchemiser_cli.settings import ShmSettings
from alchemiser_cli.shm import Provenance, WeightSegment


def test_what_is_published_is_read_with_its_provenance(segment, weights):
    run = Provenance(training_run="r17", data_hash="ab12", git_revision="f00")
    with segment.writer(weights(), provenance=run) as writer, segment.reader() as reader:
        assert reader.poll() is None
        assert writer.publish(weights(3.5), step=9_000) == 1
        read = reader.poll()
        assert {name: array.tolist() for name, array in read.tensors.items()} == {
            name: array.tolist() for name, array in weights(3.5).items()
        }
        assert (read.generation, read.head.step, read.head.provenance) == (1, 9_000, run)
        assert reader.poll() is None


def test_arrays_that_a_caller_keeps_are_never_written_again(segment, weights):
    with segment.writer(weights()) as writer, segment.reader() as reader:
        kept = []
        for number in range(1, 9):
            writer.publish(weights(number))
            kept.append(reader.poll().tensors["actor.weight"][:2])
        assert [array.max() for array in kept] == list(range(1, 9))
        assert [array.min() for array in kept] == list(range(1, 9))
        assert not kept[0].flags.writeable


def test_a_slow_reader_gets_the_newest_and_not_each(segment, weights):
    with segment.writer(weights()) as writer, segment.reader() as reader:
        for number in range(1, 8):
            writer.publish(weights(number))
        assert reader.poll().generation == 7


def test_arrays_that_are_not_contiguous_are_published_as_they_look(segment):
    wide = np.arange(24, dtype=np.float32).reshape(4, 6)
    with segment.writer({"w": wide.T}) as writer, segment.reader() as reader:
        writer.publish({"w": wide.T})
        assert np.array_equal(reader.poll().tensors["w"], wide.T)


def test_a_writer_that_comes_back_continues_the_numbers(segment, weights):
    with segment.writer(weights()) as writer:
        writer.publish(weights(1))
    with segment.reader() as reader, segment.writer(weights()) as writer:
        assert reader.poll().generation == 1
        assert writer.publish(weights(2)) == 2
        assert reader.poll().tensors["steps"] == 2


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["actor.weight", "actor.bias"])
@pytest.mark.provokes("training-diverged")
def test_weights_that_are_not_finite_are_not_published(segment, weights, bad, name):
    with segment.writer(weights()) as writer, segment.reader() as reader:
        writer.publish(weights(1))
        reader.poll()
        broken = weights(2)
        broken[name].flat[-1] = bad
        with pytest.raises(TrainingDivergedError) as caught:
            writer.publish(broken)
        assert caught.value.context["tensors"] == [name]
        assert reader.poll() is None
        assert reader.freshness().state == "fresh"
        assert writer.publish(weights(3)) == 2


@pytest.mark.provokes("segment-schema-mismatch")
@pytest.mark.parametrize(
    "change",
    [
        lambda w: w.pop("steps"),
        lambda w: w.update(extra=np.zeros(1, np.float32)),
        lambda w: w.update(steps=np.zeros((), np.int32)),
        lambda w: w.update({"actor.bias": np.zeros(8)}),
    ],
    ids=["missing", "extra", "dtype", "shape"],
)
def test_other_arrays_than_the_segments_are_refused(segment, weights, change):
    with segment.writer(weights()) as writer:
        other = weights()
        change(other)
        with pytest.raises(SegmentSchemaError):
            writer.publish(other)
        assert writer.publish(weights()) == 1


def test_a_dtype_without_a_name_in_safetensors_is_refused(segment):
    with pytest.raises(SegmentSchemaError, match="complex128"):
        segment.writer({"w": np.zeros(3, np.complex128)})


@pytest.mark.provokes("segment-schema-mismatch")
def test_a_writer_of_another_schema_is_refused_and_changes_nothing(segment, weights):
    with segment.writer(weights()) as writer:
        writer.publish(weights(1))
    with pytest.raises(SegmentSchemaError):
        segment.writer({"other": np.zeros(3, np.float32)})
    with segment.reader() as reader:
        assert reader.poll().generation == 1


@pytest.mark.provokes("segment-schema-mismatch")
def test_a_reader_of_other_observations_is_refused(shm, clock, weights):
    named = {"features": ["price", "volume"]}
    with WeightSegment(shm, "p", clock, observation_schema=named).writer(weights()):
        WeightSegment(shm, "p", clock, observation_schema=named).reader().close()
        with pytest.raises(SegmentSchemaError, match="does not hold"):
            WeightSegment(shm, "p", clock, observation_schema={"features": ["price"]}).reader()


@pytest.mark.provokes("segment-writer-alive")
def test_of_two_writers_the_second_is_refused(segment, weights):
    with segment.writer(weights()) as writer:
        with pytest.raises(SegmentWriterAliveError) as caught:
            segment.writer(weights())
        assert caught.value.context["pid"] == os.getpid()
        assert writer.publish(weights()) == 1
    with pytest.raises(SegmentWriterAliveError, match="not ours"):
        writer.publish(weights())
    segment.writer(weights()).close()


def test_a_child_of_a_fork_neither_writes_nor_keeps_the_lease(segment, weights):
    writer = segment.writer(weights())
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            writer.publish(weights())
        except SegmentWriterAliveError:
            os.write(tell, b"refused")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(told, 7) == b"refused"
    os.close(told)
    os.close(tell)
    assert writer.publish(weights()) == 1
    writer.close()


class TestCanary:
    def test_weights_that_act_as_they_should_are_taken(self, segment, weights, canary):
        with segment.writer(weights(), canary=canary) as writer:
            writer.publish(weights(2), canary=canary)
        with segment.reader(prove=lambda tensors, seen: canary.actions) as reader:
            read = reader.poll()
        assert np.array_equal(read.canary.observations, canary.observations)
        assert np.array_equal(read.canary.actions, canary.actions)

    @pytest.mark.provokes("canary-mismatch")
    @pytest.mark.parametrize(
        ("prove", "why"),
        [
            (lambda tensors, seen: np.array([[0.5], [0.26]]), "differ by up to 0.01"),
            (lambda tensors, seen: np.array([[0.5], [np.nan]]), "differ by up to nan"),
            (lambda tensors, seen: np.array([0.5, 0.25]), r"shape \(2,\)"),
            (lambda tensors, seen: tensors["no such layer"], "raised KeyError"),
        ],
        ids=["other", "nan", "shape", "raises"],
    )
    def test_weights_that_act_otherwise_are_refused(self, segment, weights, canary, prove, why):
        good = [True]

        def proving(tensors, seen):
            return canary.actions if good[0] else prove(tensors, seen)

        with segment.writer(weights(), canary=canary) as writer:
            reader = segment.reader(prove=proving)
            writer.publish(weights(1), canary=canary)
            reader.poll()
            good[0] = False
            writer.publish(weights(2), canary=canary)
            assert reader.poll() is None
            assert isinstance(reader.refusal, CanaryMismatchError)
            assert re.search(why, reader.refusal.why)
            found = reader.freshness()
            assert (found.state, found.refusal, found.action) == ("stale", "canary-mismatch", "act")
            assert reader.require().generation == 1
            good[0] = True
            writer.publish(weights(3), canary=canary)
            assert reader.poll().generation == 3
            assert reader.freshness().state == "fresh"

    def test_the_last_digits_may_differ_where_a_tolerance_says_so(self, segment, weights, canary):
        near = canary.actions + 1e-7
        with segment.writer(weights(), canary=canary) as writer:
            writer.publish(weights(), canary=canary)
        assert segment.reader(prove=lambda t, o: near).poll() is None
        assert segment.reader(prove=lambda t, o: near, tolerance=1e-6).poll() is not None

    @pytest.mark.provokes("segment-schema-mismatch")
    def test_a_reader_that_proves_wants_a_canary(self, segment, weights, canary):
        with segment.writer(weights()) as writer:
            with pytest.raises(SegmentSchemaError):
                writer.publish(weights(), canary=canary)
            with pytest.raises(SegmentSchemaError, match="does not hold"):
                segment.reader(prove=lambda tensors, seen: canary.actions)


class TestAge:
    @pytest.mark.provokes("weights-stale")
    @pytest.mark.parametrize("action", ["hold", "flat"])
    def test_weights_beyond_their_age_are_expired(self, folder, clock, weights, action):
        shm = ShmSettings(directory=folder, max_age_s=60, when_expired=action)
        segment = WeightSegment(shm, "p", clock)
        with segment.writer(weights()) as writer, segment.reader() as reader:
            with pytest.raises(StaleWeightsError, match="no weights"):
                reader.require()
            writer.publish(weights())
            clock.advance(60)
            assert reader.require().generation == 1
            clock.jump(-3_600)  # a correction of the wall clock makes nothing younger
            clock.advance(1)
            with pytest.raises(StaleWeightsError) as caught:
                reader.require()
            assert caught.value.context == {"action": action, "generation": 1}
            found = reader.freshness()
            assert (found.state, found.action, found.age_s) == ("expired", action, 61)
            writer.publish(weights())
            assert reader.require().generation == 2

    def test_a_publication_of_another_boot_is_expired(self, segment, weights, shm, clock):
        clock.advance(1_000)
        with segment.writer(weights()) as writer:
            writer.publish(weights())
        rebooted = type(clock)()
        reader = WeightSegment(shm, "policy", rebooted).reader()
        reader.poll()
        assert reader.freshness().state == "expired"
