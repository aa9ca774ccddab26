"""The structured medium, for the largest sizes: opt-in, never a stand-in for the dense one (same seed, another matrix).

y = sqrt(N) S F D3 F (Sigma D2) F D1 pad(x): unitary FFTs F, hashed random phases D, and Sigma, a hashed permutation of the
quarter circle's quantiles (mean square 1), which gives the kernel error of an i.i.d. medium; without Sigma it would be half
of that, flattering and wrong. S reads the outputs wanted. Source: structured random features, Yu et al., NeurIPS 2016.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray

from opu.threads import get_num_threads, run_tasks

from .diagonals import Diagonals, diagonals
from .fourier import (
    Factors,
    Grid,
    empty_grid,
    multiply,
    plain,
    plain_to_turned,
    turned,
    turned_to_plain,
    twiddle_factors,
)
from .light import Consume, Packed, Scene

Finish: TypeAlias = Callable[[int, Grid], None]
"""finish(row, grid): what becomes of frame `row`'s field."""


class Held(NamedTuple):
    """What a frame meets on its way, each factor in the order in which the field arrives."""

    columns: Factors
    second: Factors
    third: Factors
    twiddles: Factors
    parked: NDArray[np.complex64]


def transform_size(n_columns: int, n_outputs: int) -> int:
    """N, the smallest power of two that holds every column (data, and the anchor if any) and every output; at least 16."""
    return max(16, 1 << (max(n_columns, n_outputs) - 1).bit_length())


class StructuredLight:
    """The structured medium at work: one frame at a time, three FFTs of N, memory of a few N."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.size = transform_size(scene.panel.n_inputs + (scene.panel.anchor > 0), scene.all_outputs)

    @property
    def diagonals(self) -> Diagonals:
        """Made anew each time: what is held is held in the order of its use."""
        return diagonals(self.scene.seed, self.size)

    @property
    def columns(self) -> NDArray[np.complex64]:
        """complex64[2, columns]: what an input that is off (0) or on (1) sends into the first FFT, at unit amplitude."""
        on = self._on(self.diagonals.first)
        return np.stack([np.float32(self.scene.leak) * on, on])

    @cached_property
    def parked(self) -> NDArray[np.complex64]:
        """complex64[n_outputs]: the leak of parked mirrors, a hashed field of its own, at unit amplitude."""
        parts = self.scene.column(self.scene.panel.n_inputs + 1).astype(np.float32)
        return np.float32(self.scene.leak * self.scene.panel.parked) * parts.view(np.complex64)

    def expose(self, packed: Packed, anchored: NDArray[np.float32], amplitude: float, consume: Consume) -> None:
        """One frame at a time on each thread."""
        held, scene, power = self._held, self.scene, np.float32(amplitude**2)

        def finisher() -> Finish:
            photons = np.empty((1, scene.n_outputs), np.float32)

            def finish(row: int, grid: Grid) -> None:
                intensity(grid, held.third.shape[1], scene.outputs.start, held.parked, power, photons[0])
                consume(slice(row, row + 1), slice(0, scene.n_outputs), photons)

            return finish

        self._send(packed, anchored, finisher)

    def add_fields(
        self, packed: Packed, anchored: NDArray[np.float32], amplitude: float, fields: NDArray[np.complex64]
    ) -> None:
        """fields += amplitude E, complex64[n, outputs], contiguous; frames as for expose()."""
        held, scene, scale = self._held, self.scene, np.float32(amplitude)

        def finish(row: int, grid: Grid) -> None:
            add_field(grid, held.third.shape[1], scene.outputs.start, held.parked, scale, fields[row])

        self._send(packed, anchored, lambda: finish)

    def _send(self, packed: Packed, anchored: NDArray[np.float32], finisher: Callable[[], Finish]) -> None:
        """Every frame through the medium; each thread hands its grids, in plain order, to a `finish` of its own."""
        held, scene, leak = self._held, self.scene, np.float32(self.scene.leak)
        threads = min(get_num_threads(), len(packed))

        def task(thread: int) -> None:
            grid, finish = empty_grid(self.size), finisher()
            bits = np.zeros(self.size // 8, np.uint8)
            for row in range(thread, len(packed), threads):
                bits[: packed.shape[1]], bits[packed.shape[1] :] = packed[row], 0
                if anchored[row]:
                    bits[scene.panel.n_inputs >> 3] |= 128 >> (scene.panel.n_inputs & 7)
                send(bits, held.columns, leak, grid)
                turned_to_plain(grid, held.twiddles)
                multiply(grid, held.second)
                plain_to_turned(grid, held.twiddles)
                multiply(grid, held.third)
                turned_to_plain(grid, held.twiddles)
                finish(row, grid)

        run_tasks(task, range(threads), threads)

    def _on(self, first: NDArray[np.complex64]) -> NDArray[np.complex64]:
        panel = self.scene.panel
        amplitudes = (panel.levels * panel.unit).astype(np.float32)
        if panel.anchor:
            amplitudes = np.append(amplitudes, np.float32(panel.anchor))
        on: NDArray[np.complex64] = amplitudes * first[: len(amplitudes)]
        return on

    @cached_property
    def _held(self) -> Held:
        first, second, third = self.diagonals
        on = self._on(first)
        columns = np.zeros(self.size, np.complex64)
        columns[: len(on)] = on
        parked = self.parked if self.scene.leak * self.scene.panel.parked else np.zeros(0, np.complex64)
        return Held(turned(columns), plain(second), turned(third), twiddle_factors(self.size), parked)


@njit(nogil=True, cache=True)
def send(bits: Any, columns: Any, leak: Any, grid: Any) -> None:
    """Fill a grid in turned order with the columns of the inputs that are on, and `leak` times those of the others.

    bits: uint8[N / 8], most significant bit first: one byte is eight rows of one column.
    """
    n_rows, n_columns = columns.shape
    eight_rows, scale = np.empty(n_columns, np.uint8), np.empty(2 * n_columns, np.float32)
    source, target = columns.view(np.float32), grid.view(np.float32)
    for row in range(n_rows):
        if row & 7 == 0:
            for column in range(n_columns):
                eight_rows[column] = bits[(n_rows * column + row) >> 3]
        mask = np.uint8(128 >> (row & 7))
        for column in range(n_columns):
            scale[2 * column] = scale[2 * column + 1] = np.float32(1) if eight_rows[column] & mask else leak
        entries, by = target[row], source[row]
        for i in range(2 * n_columns):
            entries[i] = by[i] * scale[i]


@njit(nogil=True, cache=True, error_model="numpy")
def intensity(grid: Any, n_columns: Any, first_output: Any, parked: Any, power: Any, photons: Any) -> None:
    """photons = power |field + parked|^2, float32, at outputs from first_output on of a grid in plain order."""
    done = 0
    while done < photons.size:
        row, column = divmod(first_output + done, n_columns)
        size = min(n_columns - column, photons.size - done)
        field, out = grid[row, column : column + size], photons[done : done + size]
        if parked.size:
            leaked = parked[done : done + size]
            for i in range(size):
                real, imaginary = field[i].real + leaked[i].real, field[i].imag + leaked[i].imag
                out[i] = power * (real * real + imaginary * imaginary)
        else:
            for i in range(size):
                real, imaginary = field[i].real, field[i].imag
                out[i] = power * (real * real + imaginary * imaginary)
        done += size


@njit(nogil=True, cache=True, error_model="numpy")
def add_field(grid: Any, n_columns: Any, first_output: Any, parked: Any, amplitude: Any, total: Any) -> None:
    """total += amplitude (field + parked), complex64, at outputs as for intensity()."""
    for i in range(total.size):
        row, column = divmod(first_output + i, n_columns)
        field, before = grid[row, column], total[i]
        real, imaginary = field.real, field.imag
        if parked.size:
            real += parked[i].real
            imaginary += parked[i].imag
        total[i] = complex(before.real + amplitude * real, before.imag + amplitude * imaginary)
