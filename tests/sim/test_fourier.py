"""The transform on a grid against NumPy's in float64, in both orders."""

import numpy as np
import pytest
from opu.sim.fourier import (
    PAD,
    empty_grid,
    grid_shape,
    multiply,
    plain,
    plain_to_turned,
    turned,
    turned_to_plain,
    twiddle_factors,
)

SIZES = [2**k for k in range(4, 18)]


def noise(size: int) -> np.ndarray:
    rng = np.random.default_rng(size)
    return (rng.standard_normal(size) + 1j * rng.standard_normal(size)).astype(np.complex64)


def filled(entries: np.ndarray) -> np.ndarray:
    grid = empty_grid(entries.size)
    grid[:] = np.nan  # what is in the padding must not matter
    grid[:, :-PAD] = entries
    return grid


@pytest.mark.parametrize("size", SIZES)
def test_transforms_are_numpys(size):
    x = noise(size)
    exact = np.fft.fft(x.astype(np.complex128))
    from_turned, from_plain = filled(turned(x)), filled(plain(x))
    turned_to_plain(from_turned, twiddle_factors(size))
    plain_to_turned(from_plain, twiddle_factors(size))
    rounding = 1e-6 * np.sqrt((np.abs(exact) ** 2).mean())
    assert np.abs(from_turned[:, :-PAD] - plain(exact)).max() < rounding
    assert np.abs(from_plain[:, :-PAD] - turned(exact)).max() < rounding


@pytest.mark.parametrize("size", SIZES)
def test_twiddles_are_roots_of_one_to_half_an_ulp(size):
    rows, columns = grid_shape(size)
    power = np.outer(np.arange(rows), np.arange(columns))
    assert rows % 8 == 0
    assert rows * columns == size
    assert np.abs(twiddle_factors(size) - np.exp(-2j * np.pi * power / size)).max() < 5e-8


def test_orders_are_plain_and_turned():
    vector = np.arange(32)
    assert plain(vector)[3, 2] == 4 * 3 + 2
    assert turned(vector)[3, 2] == 3 + 8 * 2


def test_a_transform_is_the_same_bits_every_time():
    first, second = filled(turned(noise(2**12))), filled(turned(noise(2**12)))
    for grid in (first, second):
        turned_to_plain(grid, twiddle_factors(2**12))
    assert np.array_equal(first[:, :-PAD], second[:, :-PAD])


def test_multiply_is_numpys_product():
    x, by = noise(256), noise(512)[256:]
    grid = filled(plain(x))
    multiply(grid, plain(by))
    assert np.abs(grid[:, :-PAD] - plain(x.astype(complex) * by)).max() < 1e-6
