"""Hadamard probing: patterns of +1 and -1 that light half of the inputs each, and their fast inverse.

Pattern p has the signs H[p, j] s[j]: H Sylvester's matrix of a power of two N (scipy.linalg.hadamard), of which only the first
n columns are used, s random signs, so that no pattern is all on or has a shape on the panel. With
y[p] = sum_j A[j] H[p, j] s[j], A[j] = s[j] / N sum_p H[p, j] y[p]. Source: Harwit and Sloane, Hadamard Transform Optics (1979).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def order(n: int) -> int:
    """The smallest power of two that is at least n."""
    return 1 << (n - 1).bit_length()


def signs(seed: int, stream: int, n: int) -> NDArray[np.bool_]:
    """n random bits, True for +1: PCG64's raw output, which NumPy's versions do not change. One series for each stream."""
    words = np.random.PCG64(np.random.SeedSequence([seed, stream])).random_raw(-(-n // 64))
    return np.unpackbits(words.astype("<u8").view(np.uint8))[:n].view(np.bool_)


def patterns(numbers: NDArray[np.int64], scramble: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Patterns with those numbers, True for +1: bool[len(numbers), n]; H[p, j] = (-1)^(bits that p and j share)."""
    columns = np.arange(len(scramble), dtype=np.int64)
    odd: NDArray[np.bool_] = (np.bitwise_count(numbers[:, None] & columns) & 1).astype(np.bool_)
    return odd ^ scramble


def fast_transform(values: NDArray[Any]) -> None:
    """values <- H values along the first axis, in place, in N log2 N additions; its length N is a power of two.

    Source: Fino and Algazi, IEEE Trans. Computers C-25 (1976) 1142.
    """
    n = len(values)
    step = 1
    while step < n:
        pairs = values.reshape(n // (2 * step), 2, step, -1)
        first, second = pairs[:, 0], pairs[:, 1]
        difference = first - second
        first += second
        second[...] = difference
        step *= 2
