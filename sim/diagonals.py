"""The structured medium's three diagonals, compiled: hashed phases, and the quarter circle's quantiles in a hashed order."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .hashing import keys, mix
from .kernels import GAMMA, S32, hash_word

PHASE_BITS = 16
STREAMS = {"phase 1": 0x31, "phase 2": 0x32, "phase 3": 0x33, "order": 0x34}
KNOTS = 4097
LOW_16, S16, S48 = np.uint64(0xFFFF), np.uint64(16), np.uint64(48)


class Diagonals(NamedTuple):
    """complex64[N] each: D1, Sigma D2, D3 / N, for FFTs without a factor."""

    first: NDArray[np.complex64]
    second: NDArray[np.complex64]
    third: NDArray[np.complex64]


def diagonals(seed: int, size: int) -> Diagonals:
    """The three diagonals of a seed at N = size, a power of two from 16 on."""
    result = Diagonals(*(np.empty(size, np.complex64) for _ in range(3)))
    for name, diagonal in zip(("phase 1", "phase 2", "phase 3"), result, strict=True):
        first_key, second_key = keys(_stream(seed, name))
        _phases(np.uint64(first_key), np.uint64(second_key), _circle(), diagonal)
    _scale_shuffled(result.second, quarter_circle(size), _rounds(seed))
    np.multiply(result.third, np.float32(1 / size), out=result.third)  # sqrt(N), and the 1/sqrt(N) of each unitary FFT
    return result


@lru_cache(maxsize=1)
def quarter_circle(size: int) -> NDArray[np.float32]:
    """The quarter circle's quantiles (k + 1/2) / size: singular values of a Gaussian matrix, mean square 1; read-only."""
    angle = np.linspace(0, np.pi / 2, KNOTS)
    # Singular value 2 sin(angle) has distribution function (2 angle + sin(2 angle)) / pi.
    probability = (2 * angle + np.sin(2 * angle)) / np.pi
    sines = np.empty(size)
    _interpolated_sines(probability, angle, np.sin(angle), np.cos(angle), sines)
    quantiles: NDArray[np.float32] = (sines / np.sqrt(np.mean(sines**2))).astype(np.float32)
    quantiles.flags.writeable = False
    return quantiles


def shuffled(seed: int, size: int) -> NDArray[np.int64]:
    """The permutation of range(size) that the quantiles take, size a power of two: three rounds of invertible mixing."""
    order = np.empty(size, np.int64)
    _order(_rounds(seed), order)
    return order


@lru_cache(maxsize=1)
def _circle() -> NDArray[np.complex64]:
    """The 2^PHASE_BITS roots of one."""
    circle: NDArray[np.complex64] = np.exp(2j * np.pi * np.arange(2**PHASE_BITS) / 2**PHASE_BITS).astype(np.complex64)
    return circle


def _rounds(seed: int) -> NDArray[np.uint64]:
    """uint64[3, 2]: factor and offset of each round."""
    key, rounds = _stream(seed, "order"), []
    for _ in range(3):
        key = mix(key)
        rounds.append((key | 1, mix(key)))
    return np.array(rounds, np.uint64)


def _stream(seed: int, name: str) -> int:
    return mix(seed ^ mix(STREAMS[name]))


@njit(nogil=True, cache=True)
def _phases(first_key: Any, second_key: Any, circle: Any, diagonal: Any) -> None:
    """Four phases from each hash word of column 0, the lowest bits first."""
    for group in range(diagonal.size // 4):
        word = hash_word(first_key + np.uint64(group) * GAMMA, second_key)
        diagonal[4 * group] = circle[word & LOW_16]
        diagonal[4 * group + 1] = circle[(word >> S16) & LOW_16]
        diagonal[4 * group + 2] = circle[(word >> S32) & LOW_16]
        diagonal[4 * group + 3] = circle[word >> S48]


@njit(inline="always")
def _shuffle(index: Any, rounds: Any, mask: Any, shift: Any) -> Any:
    """Where an index goes: multiply, add and fold, modulo the size."""
    for k in range(3):
        index = (index * rounds[k, 0] + rounds[k, 1]) & mask
        index ^= index >> shift
    return index


@njit(inline="always")
def _half_bits(size: Any) -> Any:
    """Half of the bits of an index below `size`, at least 1."""
    bits = 0
    while size >> (bits + 1):
        bits += 1
    return np.uint64(max(1, bits // 2))


@njit(nogil=True, cache=True)
def _order(rounds: Any, order: Any) -> None:
    mask, shift = np.uint64(order.size - 1), _half_bits(order.size)
    for i in range(order.size):
        order[i] = np.int64(_shuffle(np.uint64(i), rounds, mask, shift))


@njit(nogil=True, cache=True)
def _scale_shuffled(diagonal: Any, quantiles: Any, rounds: Any) -> None:
    """diagonal[i] times the quantile that the permutation gives it."""
    mask, shift = np.uint64(diagonal.size - 1), _half_bits(diagonal.size)
    for i in range(diagonal.size):
        scale = quantiles[_shuffle(np.uint64(i), rounds, mask, shift)]
        diagonal[i] = complex(diagonal[i].real * scale, diagonal[i].imag * scale)


@njit(nogil=True, cache=True, error_model="numpy")
def _interpolated_sines(probability: Any, angle: Any, sine: Any, cosine: Any, sines: Any) -> None:
    """sin of the angle at probability (i + 1/2) / size, interpolated between knots.

    Within a gap, at most pi / 8192 wide, the sine is its Taylor series of order 4 at the knot: the rest is below 1e-19.
    """
    size, last = sines.size, angle.size - 1
    start = 0
    for knot in range(last):
        stop = size if knot == last - 1 else min(size, np.int64(np.ceil(probability[knot + 1] * size - 0.5)))
        slope = (angle[knot + 1] - angle[knot]) / (probability[knot + 1] - probability[knot])
        for i in range(start, stop):
            step = ((i + 0.5) / size - probability[knot]) * slope
            square = step * step
            sines[i] = sine[knot] * (1 - square * (0.5 - square / 24)) + cosine[knot] * (step - step * square / 6)
        start = max(start, stop)
