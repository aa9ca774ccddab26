"""Counter hashing: randomness as a pure function of (seed, column, group), nothing stored, the same on any machine.

SplitMix64's finaliser (Steele, Lea, Flood, OOPSLA 2014) keyed by two words of the seed; all arithmetic modulo 2^64.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Words = NDArray[np.uint64]

GAMMA = 0x9E3779B97F4A7C15
MIX_1 = 0xBF58476D1CE4E5B9
MIX_2 = 0x94D049BB133111EB
MASK = 2**64 - 1
MAX_INDEX = 2**32 - 1


def mix(z: int) -> int:
    """SplitMix64's finaliser of one 64-bit integer."""
    z = ((z ^ (z >> 30)) * MIX_1) & MASK
    z = ((z ^ (z >> 27)) * MIX_2) & MASK
    return z ^ (z >> 31)


def keys(seed: int) -> tuple[int, int]:
    """The two key words of a seed in [0, 2^64)."""
    first = mix((seed + GAMMA) & MASK)
    return first, mix((first + GAMMA) & MASK)


def words(seed: int, columns: ArrayLike, groups: ArrayLike) -> Words:
    """uint64[len(columns), len(groups)]: the word of each (column, group), both below 2^32."""
    first, second = keys(seed)
    high = np.asarray(columns, np.uint64) << np.uint64(32)
    # (column << 32 | group) * GAMMA is a sum of two outer terms modulo 2^64: no product per word.
    z: Words = np.add.outer(
        high * np.uint64(GAMMA) + np.uint64(first), np.asarray(groups, np.uint64) * np.uint64(GAMMA)
    )
    shifted = z >> np.uint64(30)
    z ^= shifted
    z *= np.uint64(MIX_1)
    z ^= np.uint64(second)
    np.right_shift(z, np.uint64(27), out=shifted)
    z ^= shifted
    z *= np.uint64(MIX_2)
    np.right_shift(z, np.uint64(31), out=shifted)
    z ^= shifted
    return z
