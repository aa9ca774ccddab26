"""The structured medium, for the largest sizes: opt-in, never a stand-in for the dense one (same seed, another matrix).

y = sqrt(N) S F D3 F (Sigma D2) F D1 pad(x): unitary FFTs F, hashed random phases D, and Sigma, a hashed permutation of the
quarter circle's quantiles (mean square 1), which gives the kernel error of an i.i.d. medium; without Sigma it would be half
of that, flattering and wrong. S reads the outputs wanted. Source: structured random features, Yu et al., NeurIPS 2016.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from opu.threads import run_tasks

from .hashing import mix, words
from .light import Consume, Packed, Scene

PHASE_BITS = 16
STREAMS = {"phase 1": 0x31, "phase 2": 0x32, "phase 3": 0x33, "order": 0x34}


class Diagonals(NamedTuple):
    """complex64[N] each: D1, Sigma D2, D3 sqrt(N)."""

    first: NDArray[np.complex64]
    second: NDArray[np.complex64]
    third: NDArray[np.complex64]


def transform_size(n_inputs: int, n_outputs: int) -> int:
    """N, the smallest power of two that holds every column (data, anchor, parked) and every output; at least 16."""
    return max(16, 1 << (max(n_inputs + 2, n_outputs) - 1).bit_length())


def diagonals(seed: int, size: int) -> Diagonals:
    """The three diagonals of a seed at N = size, a power of two."""
    first, second, third = (_phases(seed, name, size) for name in ("phase 1", "phase 2", "phase 3"))
    second *= quarter_circle(size)[_shuffled(seed, size)]
    third *= np.float32(np.sqrt(size))
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
        self.size = transform_size(scene.panel.n_inputs, scene.all_outputs)

    @cached_property
    def diagonals(self) -> Diagonals:
        """Made at first light."""
        return diagonals(self.scene.seed, self.size)

    @cached_property
    def amplitudes(self) -> NDArray[np.float32]:
        """float32[n_inputs + 2]: amplitude of each column, the anchor and the parked mirrors last."""
        panel = self.scene.panel
        return np.concatenate([panel.levels * panel.unit, [panel.anchor, panel.parked]]).astype(np.float32)

    def columns(self, bits: NDArray[np.bool_], anchored: np.float32, amplitude: float) -> NDArray[np.complex64]:
        """D1 times the amplitudes that one frame sends: off mirrors leak eps, parked ones always."""
        n, leak = self.scene.panel.n_inputs, np.float32(self.scene.leak)
        on = np.zeros(n + 2, np.float32)
        on[:n] = bits
        on[n] = anchored
        sent = np.zeros(self.size, np.complex64)
        sent[: n + 2] = (leak + (np.float32(1) - leak) * on) * (self.amplitudes * np.float32(amplitude))
        sent *= self.diagonals.first
        return sent

    def expose(self, packed: Packed, anchored: NDArray[np.float32], amplitude: float, consume: Consume) -> None:
        """One frame a task."""
        _, second, third = self.diagonals
        n_outputs = self.scene.n_outputs
        window = slice(self.scene.outputs.start, self.scene.outputs.stop)

        def task(row: int) -> None:
            bits = np.unpackbits(packed[row], count=self.scene.panel.n_inputs).view(np.bool_)
            field = self.columns(bits, anchored[row], amplitude)
            field = fft.fft(field, norm="ortho", overwrite_x=True)
            field *= second
            field = fft.fft(field, norm="ortho", overwrite_x=True)
            field *= third
            field = fft.fft(field, norm="ortho", overwrite_x=True)[window]
            photons = field.real * field.real
            photons += field.imag * field.imag
            consume(slice(row, row + 1), slice(0, n_outputs), photons[None, :])

        run_tasks(task, range(len(packed)))
