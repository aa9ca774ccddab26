"""From packed frames to mean photons at the camera, block by block, for any medium; memory does not grow with the medium."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from opu.threads import get_num_threads, run_tasks

from .hashing import keys
from .kernels import COLUMNS_PER_STEP, FRAMES_PER_PASS, LANES, add_columns, dense_photons
from .medium import PART_STD, entries
from .panel import Panel

Packed = NDArray[np.uint8]
Photons = NDArray[np.float32]
Consume = Callable[[slice, slice, Photons], None]
"""consume(frames, outputs, photons): a block of the result, from any thread, in any order, each exactly once.

photons are valid during the call only: the next block may overwrite them."""

OUTPUTS_PER_TASK = 1024
FRAMES_PER_TASK = 1024
SERIAL_WORK = 1e7
INT16_STEPS = 32767 // (113 * COLUMNS_PER_STEP)
INT32_STEPS = (2**31 - 1) // (113 * 4095 * COLUMNS_PER_STEP)


@dataclass(frozen=True)
class Scene:
    """What the light passes: panel, medium, and the amplitude eps of off mirrors.

    outputs: absolute indices of those read, of all_outputs that the medium has; a shard reads some of them.
    """

    seed: int
    panel: Panel
    outputs: range
    all_outputs: int
    leak: float

    @property
    def n_outputs(self) -> int:
        """Outputs read."""
        return len(self.outputs)

    def column(self, index: int) -> NDArray[np.float64]:
        """Unit-variance entries of one medium column at the outputs, float64[2 n_outputs]."""
        parts = entries(self.seed, [index], self.outputs).astype(np.float64)
        unit_variance: NDArray[np.float64] = parts.reshape(-1) / (PART_STD * np.sqrt(2))
        return unit_variance


class Light(Protocol):
    """A medium at work."""

    def expose(self, packed: Packed, anchored: NDArray[np.float32], amplitude: float, consume: Consume) -> None:
        """Hand out |amplitude E|^2 for every frame and output.

        packed: uint8[n, ceil(n_inputs / 8)], data inputs only, most significant bit first; anchored: 1 where the
        anchor is on; amplitude^2: mean photons of the whole panel on.
        """
        ...


class DenseLight:
    """The i.i.d. medium: E = (1 - eps) (sum_on g A + anchor) + eps (sum_all g A + anchor + parked), A hashed on the fly."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        panel = scene.panel
        n_steps = -(-panel.n_inputs // COLUMNS_PER_STEP)
        self.levels = np.zeros(n_steps * COLUMNS_PER_STEP, np.int16 if panel.uniform else np.int32)
        self.levels[: panel.n_inputs] = panel.levels
        self._flush = INT16_STEPS if panel.uniform else INT32_STEPS
        first, second = keys(scene.seed)
        self.keys = np.uint64(first), np.uint64(second)

    def expose(self, packed: Packed, anchored: NDArray[np.float32], amplitude: float, consume: Consume) -> None:
        """Blocks of up to OUTPUTS_PER_TASK outputs and FRAMES_PER_TASK frames, one per thread at a time."""
        self._hand_out(packed, anchored, amplitude, consume)

    def add_fields(
        self, packed: Packed, anchored: NDArray[np.float32], amplitude: float, fields: NDArray[np.complex64]
    ) -> None:
        """fields += amplitude E, complex64[n, outputs], contiguous; frames as for expose()."""
        parts = fields.view(np.float32).reshape(*fields.shape, 2)

        def consume(frames: slice, outputs: slice, block: NDArray[np.float32]) -> None:
            parts[frames, outputs] += block

        self._hand_out(packed, anchored, amplitude, consume, 2)

    def _hand_out(
        self, packed: Packed, anchored: NDArray[np.float32], amplitude: float, consume: Consume, *tail: int
    ) -> None:
        """Photons, float32[frames, outputs], or with a tail of 2 fields, float32[frames, outputs, 2]."""
        padded, steps = self.steps(packed)
        bright = amplitude * (1 - self.scene.leak)
        unit = np.float32(bright * self.scene.panel.unit / (PART_STD * np.sqrt(2)))
        anchor, leak = self.anchor, self.leak

        def task(block: slice) -> None:
            parts = slice(2 * block.start, 2 * block.stop)
            anchor_here = (bright * anchor[parts]).astype(np.float32)
            leak_here = (amplitude * leak[parts]).astype(np.float32)
            for start in range(0, len(padded), FRAMES_PER_TASK):
                frames = slice(start, min(start + FRAMES_PER_TASK, len(padded)))
                light = unit, anchored[frames], anchor_here, leak_here
                consume(frames, block, self._block(padded[frames], steps, light, block, *tail))

        threads = self.threads(len(padded), len(steps))
        run_tasks(task, self.blocks(threads), threads)

    def steps(self, packed: Packed) -> tuple[Packed, NDArray[np.intp]]:
        """Frames padded to whole steps of columns, and the steps that any of them uses."""
        padded = np.zeros((len(packed), 2 * (len(self.levels) // COLUMNS_PER_STEP)), np.uint8)
        padded[:, : packed.shape[1]] = packed
        used = np.bitwise_or.reduce(padded, axis=0).reshape(-1, 2).any(axis=1)
        return padded, np.flatnonzero(used)

    def threads(self, n_frames: int, n_steps: int, n_media: int = 1) -> int:
        """Threads worth waking."""
        # Hashing an entry and adding a column to a frame both cost about 0.1 ns; waking a thread, some 100 µs.
        work = self.scene.n_outputs * COLUMNS_PER_STEP * n_steps * (n_media + n_frames / COLUMNS_PER_STEP)
        return get_num_threads() if work > SERIAL_WORK else 1

    def blocks(self, threads: int) -> list[slice]:
        """The outputs in near-equal parts, whole tiles each."""
        n, tile = self.scene.n_outputs, LANES // 2
        step = min(OUTPUTS_PER_TASK, tile * -(-n // (tile * threads)))
        return [slice(start, min(start + step, n)) for start in range(0, n, step)]

    def _block(
        self, padded: Packed, steps: NDArray[np.intp], light: tuple[Any, ...], block: slice, *tail: int
    ) -> Photons:
        photons = np.empty((len(padded), block.stop - block.start, *tail), np.float32)
        frames = min(len(padded), FRAMES_PER_PASS)
        narrow, wide = (np.int16, np.int32) if self.scene.panel.uniform else (np.int32, np.float64)
        scratch = (
            aligned(64 * LANES, narrow),
            aligned(frames * LANES, narrow).reshape(frames, LANES),
            aligned(frames * LANES, wide).reshape(frames, LANES),
        )
        group = (self.scene.outputs.start + block.start) // 4
        dense_photons(*self.keys, padded, steps, self.levels, self._flush, group, scratch, light, photons)
        return photons

    @cached_property
    def anchor(self) -> NDArray[np.float64]:
        """The anchor's field of unit amplitude, float64[2 n_outputs]."""
        panel = self.scene.panel
        return panel.anchor * self.scene.column(panel.n_inputs) if panel.anchor else np.zeros(2 * self.scene.n_outputs)

    @cached_property
    def leak(self) -> NDArray[np.float64]:
        """eps times the field of everything, float64[2 n_outputs]: one pass over the whole medium, made once."""
        panel, n = self.scene.panel, self.scene.n_outputs
        if not self.scene.leak:
            return np.zeros(2 * n)
        narrow = np.int16 if panel.uniform else np.int32
        columns, total = np.arange(panel.n_inputs), np.empty(2 * n)

        def task(block: slice) -> None:
            scratch = aligned(LANES, narrow)
            for first in range(block.start, block.stop, LANES // 2):
                group = (self.scene.outputs.start + first) // 4
                sums = np.empty(LANES)
                flush = self._flush * COLUMNS_PER_STEP
                add_columns(*self.keys, columns, self.levels, flush, group, scratch, sums)
                stop = min(first + LANES // 2, block.stop)
                total[2 * first : 2 * stop] = sums[: 2 * (stop - first)]

        run_tasks(task, self.blocks(get_num_threads()))
        everything = panel.unit / (PART_STD * np.sqrt(2)) * total + self.anchor
        everything += panel.parked * self.scene.column(panel.n_inputs + 1)
        leaked: NDArray[np.float64] = self.scene.leak * everything
        return leaked


def aligned(size: int, dtype: Any) -> NDArray[Any]:
    """Zeros at a 64-byte boundary, so that no vector load crosses a cache line."""
    n_bytes = size * np.dtype(dtype).itemsize
    buffer = np.zeros(n_bytes + 64, np.uint8)
    start = -buffer.ctypes.data % 64
    return buffer[start : start + n_bytes].view(dtype)
