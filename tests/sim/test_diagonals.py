"""The compiled diagonals against NumPy, and the laws that the quantiles and their order must keep."""

import numpy as np
import pytest
from opu.sim.diagonals import STREAMS, diagonals, quarter_circle, shuffled
from opu.sim.hashing import mix, words

SEEDS = [0, 5, 2**63 + 7]


def numpy_phases(seed: int, name: str, size: int) -> np.ndarray:
    circle = np.exp(2j * np.pi * np.arange(2**16) / 2**16).astype(np.complex64)
    hashed = words(mix(seed ^ mix(STREAMS[name])), [0], np.arange(size // 4))[0].astype("<u8")
    return circle[hashed.view("<u2")]


def numpy_order(seed: int, size: int) -> np.ndarray:
    mask, shift = np.uint64(size - 1), np.uint64(max(1, (size.bit_length() - 1) // 2))
    index, key = np.arange(size, dtype=np.uint64), mix(seed ^ mix(STREAMS["order"]))
    for _ in range(3):
        key = mix(key)
        index = (index * np.uint64(key | 1) + np.uint64(mix(key))) & mask
        index ^= index >> shift
    return index.astype(np.int64)


def numpy_quantiles(size: int) -> np.ndarray:
    angle = np.linspace(0, np.pi / 2, 4097)
    probability = (2 * angle + np.sin(2 * angle)) / np.pi
    quantiles = 2 * np.sin(np.interp((np.arange(size) + 0.5) / size, probability, angle))
    return (quantiles / np.sqrt(np.mean(quantiles**2))).astype(np.float32)


@pytest.mark.parametrize("size", [16, 32, 4096, 2**17])
@pytest.mark.parametrize("seed", SEEDS)
def test_diagonals_are_numpys(seed, size):
    first, second, third = diagonals(seed, size)
    sigma = numpy_quantiles(size)[numpy_order(seed, size)]
    assert np.array_equal(first, numpy_phases(seed, "phase 1", size))
    assert np.abs(second - sigma * numpy_phases(seed, "phase 2", size)).max() < 3e-7  # 1 ulp of the largest, 2
    assert np.array_equal(third, numpy_phases(seed, "phase 3", size) * np.float32(1 / size))


@pytest.mark.parametrize("size", [16, 100, 4096, 2**16])
def test_quantiles_are_numpys(size):
    assert np.abs(quarter_circle(size) - numpy_quantiles(size)).max() < 3e-7


def test_quarter_circle_has_its_moments():
    """E s^2 = 1 and E s^4 = 2 for the singular values of a square Gaussian matrix."""
    s = quarter_circle(2**14).astype(float)
    assert (s**2).mean() == pytest.approx(1.0, abs=1e-6)
    assert (s**4).mean() == pytest.approx(2.0, abs=1e-3)


@pytest.mark.parametrize("size", [16, 64, 4096])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_order_is_numpys_permutation(seed, size):
    order = shuffled(seed, size)
    assert np.array_equal(order, numpy_order(seed, size))
    assert np.array_equal(np.sort(order), np.arange(size))
    assert not np.array_equal(order, shuffled(seed + 1, size))
