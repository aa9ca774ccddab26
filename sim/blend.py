"""A weighed sum of dense media at the price of one: their entries are hashed and blended, then summed over frames once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from opu.threads import run_tasks

from .bytemap import map_bytes
from .kernels import COLUMNS_PER_STEP, FRAMES_PER_PASS, LANES, WORDS, hash_row
from .light import DenseLight, aligned
from .medium import PART_STD

STEPS_PER_FLUSH = 64
"""Float32 sums of 1024 columns at most go into float64: their rounding stays below 1e-6 of the field."""


def add_blended_fields(
    media: Sequence[DenseLight],
    weights: Sequence[float],
    packed: NDArray[np.uint8],
    anchored: NDArray[np.float32],
    amplitude: float,
    fields: NDArray[np.complex64],
) -> None:
    """fields += amplitude E of the medium sum of weights[k] media[k], of one panel; arrays as for DenseLight.add_fields.

    Rounded as float32, in an order that no batch, shard or thread changes.
    """
    first, scene = media[0], media[0].scene
    padded, steps = first.steps(packed)
    bright = amplitude * (1 - scene.leak)
    unit = np.float32(bright * scene.panel.unit / (PART_STD * np.sqrt(2)))
    anchor, leak = np.zeros(2 * scene.n_outputs), np.zeros(2 * scene.n_outputs)
    for medium, weight in zip(media, weights, strict=True):
        anchor += bright * weight * medium.anchor
        leak += amplitude * weight * medium.leak
    static = anchor.astype(np.float32), leak.astype(np.float32)
    keys = np.array([medium.keys for medium in media], np.uint64)
    factors, levels = np.array(weights, np.float32), first.levels.astype(np.float32)
    rows = min(len(padded), FRAMES_PER_PASS)

    def task(block: slice) -> None:
        scratch = (
            aligned(64 * LANES, np.float32),
            aligned(rows * LANES, np.float32).reshape(rows, LANES),
            aligned(rows * LANES, np.float64).reshape(rows, LANES),
        )
        light = unit, anchored, *static
        _add_blended(
            keys, factors, padded, steps, levels, scene.outputs.start, block.start, block.stop, scratch, light, fields
        )

    threads = first.threads(len(padded), len(steps), len(media))
    run_tasks(task, first.blocks(threads), threads)


@njit(nogil=True, cache=True)
def _tabulate(keys: Any, factors: Any, step: Any, levels: Any, group: Any, scratch: Any, tables: Any) -> None:
    """The 16 sums of every 4 of a step's columns, each column a sum over media of factor times entries, times its level."""
    words, entries, column_sum = scratch
    for table in range(4):
        for k in range(4):
            column = step * COLUMNS_PER_STEP + table * 4 + k
            column_sum[:] = 0
            for m in range(factors.size):
                hash_row(keys[m, 0], keys[m, 1], column, group, words)
                map_bytes(words.view(np.int8), entries)
                factor = factors[m]
                for i in range(LANES):
                    column_sum[i] += factor * np.float32(entries[i])
            level, bit = levels[column], 8 >> k
            for i in range(LANES):
                column_sum[i] *= level
            for low in range(0, 16, 2 * bit):
                source = (table * 16 + low) * LANES
                target = source + bit * LANES
                for i in range(LANES):
                    tables[target + i] = tables[source + i] + column_sum[i]


@njit(nogil=True, cache=True)
def _add_light(total: Any, unit: Any, anchored: Any, anchor: Any, leak: Any, fields: Any, outputs: Any) -> None:
    """fields[:, first:stop] += unit total + anchored anchor + leak, for one tile."""
    first, stop = outputs
    for b in range(fields.shape[0]):
        row, sums, on = fields[b], total[b], anchored[b]
        for i in range(stop - first):
            j = first + i
            before = row[j]
            real = (np.float32(sums[2 * i]) * unit + on * anchor[2 * j]) + leak[2 * j]
            imaginary = (np.float32(sums[2 * i + 1]) * unit + on * anchor[2 * j + 1]) + leak[2 * j + 1]
            row[j] = complex(before.real + real, before.imag + imaginary)


@njit(nogil=True, cache=True)
def _add_blended(
    keys: Any,
    factors: Any,
    packed: Any,
    steps: Any,
    levels: Any,
    origin: Any,
    start_output: Any,
    stop_output: Any,
    scratch: Any,
    light: Any,
    fields: Any,
) -> None:
    """Table look-ups as in kernels.add_tables, of blended columns, for outputs start_output to stop_output - 1."""
    tables, narrow, total = scratch
    unit, anchored, anchor, leak = light
    buffers = np.empty(WORDS, np.uint64), np.empty(LANES, np.int8), np.empty(LANES, np.float32)
    tables[:] = 0
    for first_output in range(start_output, stop_output, LANES // 2):
        outputs = first_output, min(first_output + LANES // 2, stop_output)
        for start in range(0, packed.shape[0], FRAMES_PER_PASS):
            stop = min(start + FRAMES_PER_PASS, packed.shape[0])
            narrow[:] = 0
            total[:] = 0
            for q in range(steps.size):
                step = steps[q]
                _tabulate(keys, factors, step, levels, (origin + first_output) // 4, buffers, tables)
                for b in range(start, stop):
                    high, low_byte = packed[b, 2 * step], packed[b, 2 * step + 1]
                    i0 = np.int64(high >> 4) * LANES
                    i1 = np.int64(16 + (high & 15)) * LANES
                    i2 = np.int64(32 + (low_byte >> 4)) * LANES
                    i3 = np.int64(48 + (low_byte & 15)) * LANES
                    row = narrow[b - start]
                    for i in range(LANES):
                        row[i] += (tables[i0 + i] + tables[i1 + i]) + (tables[i2 + i] + tables[i3 + i])
                # At fixed steps, used or not: which are used depends on the other frames of the batch.
                if q == steps.size - 1 or steps[q + 1] // STEPS_PER_FLUSH != step // STEPS_PER_FLUSH:
                    for b in range(stop - start):
                        for i in range(LANES):
                            total[b, i] += narrow[b, i]
                            narrow[b, i] = 0
            _add_light(total, unit, anchored[start:stop], anchor, leak, fields[start:stop], outputs)
