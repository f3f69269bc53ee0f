"""Laws of the weight bus: round trips, seals, the look for numbers that are not finite."""

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.settings import ShmSettings
from alchemiser_cli.shm import WeightSegment, gather_facts, judge, segment_plan
from alchemiser_cli.shm.schema import DTYPES, tensor_manifest
from alchemiser_cli.shm.transfer import Block, checks_of, copied_blocks
from alchemiser_cli.shm.words import COMPLETE, LARGEST, PUBLISHED, RETIRED, WRITING, seal, unseal

KINDS = (PUBLISHED, WRITING, COMPLETE, RETIRED)
START = b"ALCHSHM\x01\x01\x00\x00\x00\x04\x03\x02\x01"  # magic, layout, byte order
FLOATS = [np.dtype(kind) for kind in ("f2", "f4", "f8")]
shapes = arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=9)


def finite(dtype):
    if dtype.kind != "f":
        return arrays.from_dtype(dtype)
    return arrays.from_dtype(dtype, allow_nan=False, allow_infinity=False)


def some_arrays(dtypes):
    return st.sampled_from(dtypes).flatmap(
        lambda dtype: arrays.arrays(dtype, shapes, elements=finite(dtype))
    )


class NoHash:
    def update(self, data, /):
        pass


@settings(max_examples=60)
@given(st.dictionaries(st.text(max_size=8), some_arrays(list(DTYPES.values())), min_size=1))
def test_any_arrays_are_read_bit_by_bit_as_they_were_published(weights):
    with tempfile.TemporaryDirectory() as folder:
        segment = WeightSegment(ShmSettings(directory=Path(folder)), "p", ManualClock())
        with segment.writer(weights) as writer, segment.reader() as reader:
            for generation in (1, 2):
                assert writer.publish(weights) == generation
                read = reader.poll().tensors
                assert read.keys() == weights.keys()
                for name, array in weights.items():
                    assert read[name].dtype == array.dtype
                    assert read[name].shape == array.shape
                    assert read[name].tobytes() == array.tobytes()


@given(st.integers(0, LARGEST), st.sampled_from(KINDS), st.sets(st.integers(0, 63), max_size=3))
def test_a_seal_holds_its_value_and_breaks_with_one_to_three_flipped_bits(value, kind, bits):
    word = seal(kind, value)
    for bit in bits:
        word ^= 1 << bit
    assert unseal(kind, word) == (None if bits else value)
    assert word != 0 or bits
    if not bits:
        assert all(unseal(other, word) is None for other in KINDS if other != kind)


@given(
    st.sampled_from(FLOATS).flatmap(
        lambda dtype: arrays.arrays(
            dtype,
            st.integers(1, 40),
            elements=st.sampled_from([*_edges(dtype), 0.0, -0.0, 1.0, -1.0]),
        )
    ),
    st.integers(0, 2),
)
def test_the_look_for_numbers_that_are_not_finite_is_exact(numbers, others):
    weights = {"w": numbers} | {f"o{n}": np.ones(5, numbers.dtype) for n in range(others)}
    manifest = tensor_manifest(weights)
    payload = np.zeros(manifest.capacity, np.uint8)
    for spec in manifest.tensors:
        spec.view(payload)[...] = weights[spec.name]
    copy = np.zeros_like(payload)
    checks = checks_of(manifest, copy, 0, manifest.capacity)
    found = copied_blocks([Block(copy, payload, copy, checks)], NoHash())
    assert found == bool(np.isfinite(numbers).all())


def _edges(dtype):
    limits = np.finfo(dtype)
    return [limits.max, limits.min, limits.smallest_subnormal, np.inf, -np.inf, np.nan, -np.nan]


@settings(max_examples=200)
@given(st.binary(max_size=2_000), st.booleans())
def test_no_garbage_is_too_much_for_an_inspection(garbage, ours):
    with tempfile.TemporaryDirectory() as folder:
        shm = ShmSettings(directory=Path(folder))
        file = Path(folder) / "alchemiser-p"
        file.write_bytes(
            (b"ALCHSHM\x01\x01\x00\x00\x00\x04\x03\x02\x01" if ours else b"") + garbage
        )
        facts = gather_facts(shm, "p", ManualClock())
        assert judge(facts, shm).verdict in {"corrupt", "orphan"}
        segment_plan(shm, "p", ManualClock())
