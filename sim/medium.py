"""The scattering medium A[out, in]: i.i.d. complex Gaussian entries, a function of (seed, out, in), never stored whole.

Entries are small integers (int8 parts with the second and fourth moments of a Gaussian), so that a product with integer
weights is an exact integer: the same to the last bit for any tile, batch, thread or machine.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from opu.errors import InputError

from .hashing import MAX_INDEX, words

OUTPUTS_PER_WORD = 4
TILE_INPUTS = 512
TILE_OUTPUTS = 1024


def _gaussian_bytes() -> NDArray[np.int8]:
    """Table from an unsigned byte to its Gaussian-distributed odd-symmetric integer, |T| <= 113, kurtosis 3."""
    t = 2.0 * np.arange(256, dtype=np.uint8).view(np.int8) + 1.0
    return np.rint(t * (1043 / 2**12 + t * t * (-258 / 2**26 + t * t * 228 / 2**41))).astype(np.int8)


GAUSSIAN_BYTES = _gaussian_bytes()
PART_STD = float(np.sqrt(np.mean(GAUSSIAN_BYTES.astype(np.float64) ** 2)))
"""Standard deviation of the real and of the imaginary part of an integer entry."""


def entries(seed: int, inputs: ArrayLike, outputs: range) -> NDArray[np.int8]:
    """Integer entries, int8[len(inputs), len(outputs), 2] (real, imaginary); divide by PART_STD sqrt(2) for CN(0, 1)."""
    first = outputs.start // OUTPUTS_PER_WORD
    last = -(-outputs.stop // OUTPUTS_PER_WORD)
    little = words(seed, inputs, np.arange(first, last)).astype("<u8", copy=False)
    parts = GAUSSIAN_BYTES[little.view(np.uint8)].reshape(len(little), -1, 2)
    skip = outputs.start - first * OUTPUTS_PER_WORD
    return parts[:, skip : skip + len(outputs)]


@dataclass(frozen=True)
class DenseMedium:
    """Every input coupled to every output by its own entry, the physics of a thick scatterer: the NumPy reference.

    `light.DenseLight` is what the simulator runs; its kernels must give these integers.
    """

    seed: int
    n_inputs: int
    n_outputs: int

    def __post_init__(self) -> None:
        """Sizes must fit the hash's 32-bit counters."""
        for name, value in (("n_inputs", self.n_inputs), ("n_outputs", self.n_outputs)):
            if not 1 <= value <= MAX_INDEX:
                raise InputError(f"{name} = {value}: a medium has 1 to {MAX_INDEX} of them")

    def _tile(self, inputs: NDArray[np.intp], outputs: range) -> NDArray[np.float64]:
        return entries(self.seed, inputs, outputs).reshape(len(inputs), -1).astype(np.float64)

    def fields(self, frames: NDArray[np.bool_], weights: NDArray[np.int64]) -> NDArray[np.float64]:
        """sum_j weights[j] frames[:, j] A[:, j] as exact integers, float64[n, n_outputs, 2] (real, imaginary).

        frames: bool[n, n_inputs]; weights: integers[n_inputs], below 2^53 / 113 in sum so that float64 is exact.
        """
        active = np.flatnonzero(frames.any(axis=0))
        amplitudes = frames[:, active] * weights[active].astype(np.float64)
        result = np.zeros((len(frames), 2 * self.n_outputs))
        for start in range(0, self.n_outputs, TILE_OUTPUTS):
            outputs = range(start, min(start + TILE_OUTPUTS, self.n_outputs))
            block = result[:, 2 * outputs.start : 2 * outputs.stop]
            for first in range(0, len(active), TILE_INPUTS):
                part = slice(first, first + TILE_INPUTS)
                block += amplitudes[:, part] @ self._tile(active[part], outputs)
        return result.reshape(len(frames), self.n_outputs, 2)
