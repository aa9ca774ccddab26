"""Hadamard patterns and their fast inverse against scipy.linalg.hadamard."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import hadamard

from opu.hadamard import fast_transform, order, patterns, signs


@given(st.integers(1, 2**40))
def test_order_is_the_next_power_of_two(n):
    power = order(n)
    assert power.bit_count() == 1
    assert power // 2 < n <= power


@given(st.integers(1, 200), st.integers(0, 2**64 - 1))
def test_patterns_are_scipys_hadamard_rows_with_scrambled_columns(n, seed):
    scramble = signs(seed, 0, n)
    got = patterns(np.arange(order(n)), scramble)
    wanted = hadamard(order(n))[:, :n] * np.where(scramble, 1, -1)
    assert np.array_equal(np.where(got, 1, -1), wanted)


@given(st.integers(0, 7), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_the_fast_transform_is_the_matrix_product(log_n, width, seed):
    values = np.random.default_rng(seed).integers(-100, 100, (2**log_n, width)).astype(float)
    wanted = hadamard(2**log_n) @ values
    fast_transform(values)
    assert np.array_equal(values, wanted)  # sums of small integers are exact


@given(st.integers(1, 100), st.integers(0, 2**32 - 1))
def test_columns_come_back_from_their_patterns(n, seed):
    rng = np.random.default_rng(seed)
    columns = rng.integers(-9, 9, (n, 3)) + 1j * rng.integers(-9, 9, (n, 3))
    scramble = signs(seed, 0, n)
    fields = np.where(patterns(np.arange(order(n)), scramble), 1, -1) @ columns
    fast_transform(fields)
    assert np.array_equal(fields[:n] * np.where(scramble, 1, -1)[:, None] / order(n), columns)


def test_signs_are_fixed_balanced_and_differ_by_stream():
    first, second = signs(5, 0, 4096), signs(5, 1, 4096)
    assert np.array_equal(first[:100], signs(5, 0, 100))
    # the sum of n signs, and their product's sum, have variance n
    for bits in (first, second, first ^ second):
        assert abs(np.where(bits, 1, -1).sum()) < 5 * 64
    # raw PCG64 output is part of NumPy's promise of compatibility: folders of other versions can be resumed
    assert np.packbits(first[:32]).tolist() == np.packbits(signs(5, 0, 32)).tolist()


def test_the_transform_works_in_place_and_keeps_single_precision():
    values = np.ones((4, 2), np.complex64)
    view = values[:]
    fast_transform(view)
    assert values.dtype == np.complex64
    assert values.tolist() == [[4, 4], [0, 0], [0, 0], [0, 0]]
    with pytest.raises(ValueError, match="reshape"):
        fast_transform(np.ones((6, 1)))
