"""The structured medium, for the largest sizes: opt-in, never a stand-in for the dense one (same seed, another matrix).

y = sqrt(N) S F D3 F (Sigma D2) F D1 pad(x): unitary FFTs F, hashed random phases D, and Sigma, a hashed permutation of the
quarter circle's quantiles (mean square 1), which gives the kernel error of an i.i.d. medium; without Sigma it would be half
of that, flattering and wrong. S reads the outputs wanted. Source: structured random features, Yu et al., NeurIPS 2016.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import fft

from opu.threads import run_tasks

from .hashing import mix, words
from .light import Consume, Packed, Scene

PHASE_BITS = 16
STREAMS = {"phase 1": 0x31, "phase 2": 0x32, "phase 3": 0x33, "order": 0x34}


class Diagonals(NamedTuple):
    """complex64[N] each: D1, Sigma D2, D3 / N, for FFTs without a factor."""

    first: NDArray[np.complex64]
    second: NDArray[np.complex64]
    third: NDArray[np.complex64]


def transform_size(n_columns: int, n_outputs: int) -> int:
    """N, the smallest power of two that holds every column (data, and the anchor if any) and every output; at least 16."""
    return max(16, 1 << (max(n_columns, n_outputs) - 1).bit_length())


def diagonals(seed: int, size: int) -> Diagonals:
    """The three diagonals of a seed at N = size, a power of two."""
    first, second, third = (_phases(seed, name, size) for name in ("phase 1", "phase 2", "phase 3"))
    second *= quarter_circle(size)[_shuffled(seed, size)]
    third *= np.float32(1 / size)  # sqrt(N), and the 1/sqrt(N) of each unitary FFT
    return Diagonals(first, second, third)


def quarter_circle(size: int) -> NDArray[np.float32]:
    """Quantiles of the quarter-circle law at (k + 1/2) / size (singular values of a Gaussian matrix), mean square 1."""
    angle = np.linspace(0, np.pi / 2, 4097)
    # Singular value 2 sin(angle) has distribution function (2 angle + sin(2 angle)) / pi.
    probability = (2 * angle + np.sin(2 * angle)) / np.pi
    quantiles = 2 * np.sin(np.interp((np.arange(size) + 0.5) / size, probability, angle))
    scaled: NDArray[np.float64] = quantiles / np.sqrt(np.mean(quantiles**2))
    return scaled.astype(np.float32)


def _phases(seed: int, name: str, size: int) -> NDArray[np.complex64]:
    table = np.exp(2j * np.pi * np.arange(2**PHASE_BITS) / 2**PHASE_BITS).astype(np.complex64)
    hashed = words(_stream(seed, name), [0], np.arange(-(-size // 4)))[0].astype("<u8", copy=False)
    phases: NDArray[np.complex64] = table[hashed.view("<u2")[:size]]
    return phases


def _shuffled(seed: int, size: int) -> NDArray[np.int64]:
    """A permutation of range(size), size a power of two: three rounds of invertible mixing modulo size."""
    mask, shift = np.uint64(size - 1), np.uint64(max(1, (size.bit_length() - 1) // 2))
    index = np.arange(size, dtype=np.uint64)
    key = _stream(seed, "order")
    for _ in range(3):
        key = mix(key)
        index = (index * np.uint64(key | 1) + np.uint64(mix(key))) & mask
        index ^= index >> shift
    return index.astype(np.int64)


def _stream(seed: int, name: str) -> int:
    return mix(seed ^ mix(STREAMS[name]))


class StructuredLight:
    """The structured medium at work: one frame at a time, three FFTs of N, memory of a few N."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.size = transform_size(scene.panel.n_inputs + (scene.panel.anchor > 0), scene.all_outputs)

    @cached_property
    def diagonals(self) -> Diagonals:
        """Made at first light."""
        return diagonals(self.scene.seed, self.size)

    @cached_property
    def columns(self) -> NDArray[np.complex64]:
        """complex64[2, columns]: what an input that is off (0) or on (1) sends into the first FFT, at unit amplitude."""
        panel, leak = self.scene.panel, np.float32(self.scene.leak)
        amplitudes = (panel.levels * panel.unit).astype(np.float32)
        if panel.anchor:
            amplitudes = np.append(amplitudes, np.float32(panel.anchor))
        on = amplitudes * self.diagonals.first[: len(amplitudes)]
        return np.stack([leak * on, on])

    @cached_property
    def parked(self) -> NDArray[np.complex64]:
        """complex64[n_outputs]: the leak of parked mirrors, a hashed field of its own, at unit amplitude."""
        parts = self.scene.column(self.scene.panel.n_inputs + 1).astype(np.float32)
        return np.float32(self.scene.leak * self.scene.panel.parked) * parts.view(np.complex64)

    def expose(self, packed: Packed, anchored: NDArray[np.float32], amplitude: float, consume: Consume) -> None:
        """One frame a task."""
        _, second, third = self.diagonals
        scene, columns = self.scene, self.columns
        n, window = scene.panel.n_inputs, slice(scene.outputs.start, scene.outputs.stop)
        parked = self.parked if scene.leak * scene.panel.parked else None
        power = np.float32(amplitude**2)

        def task(row: int) -> None:
            field = np.zeros(self.size, np.complex64)
            send(packed[row], anchored[row] > 0, columns, n, field)
            field = fft.fft(field, overwrite_x=True)
            field *= second
            field = fft.fft(field, overwrite_x=True)
            field *= third
            field = fft.fft(field, overwrite_x=True)[window]
            if parked is not None:
                field += parked
            photons = np.empty((1, scene.n_outputs), np.float32)
            intensity(field, power, photons[0])
            consume(slice(row, row + 1), slice(0, scene.n_outputs), photons)

        run_tasks(task, range(len(packed)))


@njit(nogil=True, cache=True)
def send(frame: Any, anchored: Any, columns: Any, n_inputs: Any, field: Any) -> None:
    """field[j] = columns[bit j, j] of a packed frame; the anchor's column follows the data."""
    for j in range(n_inputs):
        field[j] = columns[(frame[j >> 3] >> (7 - (j & 7))) & 1, j]
    if columns.shape[1] > n_inputs:
        field[n_inputs] = columns[np.int64(anchored), n_inputs]


@njit(nogil=True, cache=True, error_model="numpy")
def intensity(field: Any, power: Any, photons: Any) -> None:
    """photons = power |field|^2, float32."""
    for i in range(field.size):
        real, imaginary = field[i].real, field[i].imag
        photons[i] = power * (real * real + imaginary * imaginary)
