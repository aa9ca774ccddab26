import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from opu.errors import InputError
from opu.frames import checked_binary, checked_finite, checked_frames, pack, packed_width, unpack

frames = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=40))


@given(frames)
def test_packing_is_reversible(bits):
    packed = pack(bits)
    assert packed.shape == (len(bits), packed_width(bits.shape[1]))
    assert np.array_equal(unpack(packed, bits.shape[1]), bits)
    assert np.array_equal(checked_frames(packed, bits.shape[1]), checked_frames(bits, bits.shape[1]))


def test_the_first_input_is_the_most_significant_bit():
    assert pack(np.array([[True] + [False] * 8])).tolist() == [[128, 0]]


@given(st.integers(1, 40).filter(lambda n: n % 8))
def test_padding_bits_must_be_clear(n):
    with pytest.raises(InputError, match=f"beyond input {n - 1}"):
        unpack(np.full((1, packed_width(n)), 255, np.uint8), n)


@pytest.mark.parametrize("x", [[[0, 1, 2]], [[0.0, 0.5, 1.0]], [[0.0, np.nan, 1.0]], [[-1, 0, 1]]])
def test_other_values_than_0_and_1_are_named(x):
    with pytest.raises(InputError, match=r"x\[0, \d\] = .*; frames are binary"):
        checked_binary(x, 3)


@given(hnp.arrays(np.bool_, (4, 3)), st.sampled_from([np.bool_, np.uint8, np.int64, np.float32, np.float64]))
def test_zeros_and_ones_of_any_type_are_frames(bits, dtype):
    rows, single = checked_binary(bits.astype(dtype), 3)
    assert np.array_equal(rows, bits)
    assert not single
    assert checked_binary(bits[0].astype(dtype), 3)[1]


@pytest.mark.parametrize(
    ("e", "message"),
    [
        ([[0.0, np.nan]], r"e\[0, 1\] = nan \(1 of 2 values"),
        ([[np.inf, 1.0]], r"e\[0, 0\] = inf"),
        ([[1.0, 2.0, 3.0]], "this OPU has 2 inputs"),
        (np.zeros((0, 2)), "0 rows"),
        (np.zeros((1, 1, 2)), r"shape \(1, 1, 2\)"),
        (np.zeros((1, 2), complex), "dtype complex128"),
        ([["a", "b"]], "pass real numbers"),
        ([[1.0, 2.0], [3.0]], "not a rectangular array"),
        (np.ma.masked_array([[1.0, 2.0]], mask=[[True, False]]), "masked array"),
    ],
)
def test_bad_errors_are_refused_by_what_is_wrong(e, message):
    with pytest.raises(InputError, match=message):
        checked_finite(e, 2)
