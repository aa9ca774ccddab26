"""The dense medium's compiled kernels: entries are hashed, summed and forgotten, tile by tile; nothing is stored.

All sums are of integers and exact, so every kernel gives the integers of `medium.DenseMedium.fields`, the NumPy reference, for
any tile, thread and shard. Kernels release the GIL and are single-threaded: `threads.py` runs one per tile range.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from .bytemap import map_bytes

LANES = 256
"""Reals of one tile: 128 outputs, 32 hash words."""
WORDS = LANES // 8
COLUMNS_PER_STEP = 16
"""Columns whose sums are tabulated at once: four tables of four columns, two bytes of a packed frame."""
FRAMES_PER_PASS = 256
FEW_FRAMES = 3
"""Up to here frames are summed one by one, skipping the columns that are off; above, tables pay."""

GAMMA = np.uint64(0x9E3779B97F4A7C15)
MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
MIX_2 = np.uint64(0x94D049BB133111EB)
S27, S30, S31, S32 = np.uint64(27), np.uint64(30), np.uint64(31), np.uint64(32)


@njit(inline="always")
def hash_word(z: Any, second_key: Any) -> Any:
    """The keyed finaliser of one counter."""
    z = (z ^ (z >> S30)) * MIX_1
    z ^= second_key
    z = (z ^ (z >> S27)) * MIX_2
    return z ^ (z >> S31)


@njit(nogil=True, cache=True)
def hash_row(first_key: Any, second_key: Any, column: Any, first_group: Any, buffer: Any) -> None:
    """buffer[g] = word of (column, first_group + g)."""
    base = first_key + (np.uint64(column) << S32) * GAMMA + np.uint64(first_group) * GAMMA
    for g in range(buffer.size):
        buffer[g] = hash_word(base + np.uint64(g) * GAMMA, second_key)


@njit(nogil=True, cache=True)
def add_columns(
    first_key: Any, second_key: Any, columns: Any, levels: Any, flush: Any, first_group: Any, narrow: Any, total: Any
) -> None:
    """total = sum over `columns` of levels[column] * entries: one frame, its active columns only.

    total: LANES reals; narrow: scratch of the type the sums are made in, int16 where all levels are 1 or int32;
    flush: columns whose sum cannot overflow it.
    """
    words = np.empty(WORDS, np.uint64)
    entries = np.empty(LANES, np.int8)
    total[:] = 0
    narrow[:] = 0
    pending = 0
    for q in range(columns.size):
        hash_row(first_key, second_key, columns[q], first_group, words)
        map_bytes(words.view(np.int8), entries)
        level = levels[columns[q]]
        for i in range(LANES):
            narrow[i] += entries[i] * level
        pending += 1
        if pending == flush or q == columns.size - 1:
            for i in range(LANES):
                total[i] += narrow[i]
                narrow[i] = 0
            pending = 0


@njit(nogil=True, cache=True)
def active_columns(frame: Any, steps: Any, n_columns: Any) -> Any:
    """Indices of the columns that a packed frame switches on, among `steps`."""
    found = np.empty(steps.size * COLUMNS_PER_STEP, np.int64)
    count = 0
    for step in steps:
        for byte in range(2 * step, 2 * step + 2):
            for k in range(8):
                if frame[byte] & (128 >> k) and 8 * byte + k < n_columns:
                    found[count] = 8 * byte + k
                    count += 1
    return found[:count]


@njit(nogil=True, cache=True)
def add_tables(
    first_key: Any,
    second_key: Any,
    packed: Any,
    steps: Any,
    levels: Any,
    flush: Any,
    first_group: Any,
    tables: Any,
    narrow: Any,
    total: Any,
) -> Any:
    """total[b] = sum of the columns that packed frame b switches on: many frames, by tables of column sums.

    Where no flush is needed the sums are left in `narrow`; returns whether they are in `total`.

    "Four Russians": the 16 sums of every 4 columns are tabulated, and a frame adds table rows, never multiplies.
    packed: uint8[B, 2 * all steps], most significant bit first; steps: the steps that any frame uses; tables: 64 LANES;
    narrow, total: (B, LANES). Types and flush (in steps) as for add_columns.
    """
    n_frames = packed.shape[0]
    words = np.empty(WORDS, np.uint64)
    entries = np.empty(LANES, np.int8)
    column_sum = np.empty(LANES, tables.dtype)
    wide = steps.size > flush
    if wide:
        total[:] = 0
    narrow[:] = 0
    tables[:] = 0
    pending = 0
    for q in range(steps.size):
        step = steps[q]
        for table in range(4):
            for k in range(4):
                column = step * COLUMNS_PER_STEP + table * 4 + k
                hash_row(first_key, second_key, column, first_group, words)
                map_bytes(words.view(np.int8), entries)
                level = levels[column]
                for i in range(LANES):
                    column_sum[i] = entries[i] * level
                bit = 8 >> k
                for low in range(0, 16, 2 * bit):
                    source = (table * 16 + low) * LANES
                    target = source + bit * LANES
                    for i in range(LANES):
                        tables[target + i] = tables[source + i] + column_sum[i]
        for b in range(n_frames):
            high, low_byte = packed[b, 2 * step], packed[b, 2 * step + 1]
            i0 = np.int64(high >> 4) * LANES
            i1 = np.int64(16 + (high & 15)) * LANES
            i2 = np.int64(32 + (low_byte >> 4)) * LANES
            i3 = np.int64(48 + (low_byte & 15)) * LANES
            row = narrow[b]
            for i in range(LANES):
                row[i] += tables[i0 + i] + tables[i1 + i] + tables[i2 + i] + tables[i3 + i]
        pending += 1
        if wide and (pending == flush or q == steps.size - 1):
            for b in range(n_frames):
                for i in range(LANES):
                    total[b, i] += narrow[b, i]
                    narrow[b, i] = 0
            pending = 0
    return wide


@njit(nogil=True, cache=True, error_model="numpy")
def mix_in_light(total: Any, unit: Any, anchored: Any, anchor: Any, leak: Any, light: Any, first_output: Any) -> None:
    """light[b, i] = |unit total[b] + anchored[b] anchor + leak|^2 for one tile; float32, complex parts interleaved.

    total: (B, LANES); anchor, leak: float32[2 outputs] of the whole block; light: float32[B, outputs], or float32[B, outputs,
    2] for the field itself; outputs from first_output on are written, as many as the tile and the block hold.
    """
    n_outputs = min(LANES // 2, light.shape[1] - first_output)
    for b in range(total.shape[0]):
        row, sums = light[b], total[b]
        on = anchored[b]
        for i in range(n_outputs):
            k = 2 * (first_output + i)
            real = (np.float32(sums[2 * i]) * unit + on * anchor[k]) + leak[k]
            imaginary = (np.float32(sums[2 * i + 1]) * unit + on * anchor[k + 1]) + leak[k + 1]
            # Which of the two is known when the kernel is compiled.
            if light.ndim == 3:
                row[first_output + i, 0] = real
                row[first_output + i, 1] = imaginary
            else:
                row[first_output + i] = real * real + imaginary * imaginary


@njit(nogil=True, cache=True)
def dense_photons(
    first_key: Any,
    second_key: Any,
    packed: Any,
    steps: Any,
    levels: Any,
    flush: Any,
    first_group: Any,
    scratch: Any,
    light: Any,
    photons: Any,
) -> None:
    """Mean photons of packed frames at a block of outputs, from 4 first_group on: float32[B, outputs] (fields: [.., 2]).

    scratch: (tables, narrow, total) of the types that levels need; light: (unit, anchored, anchor, leak) for mix_in_light.
    """
    tables, narrow, total = scratch
    unit, anchored, anchor, leak = light
    n_frames = packed.shape[0]
    for first_output in range(0, photons.shape[1], LANES // 2):
        group = first_group + first_output // 4
        for start in range(0, n_frames, FRAMES_PER_PASS):
            stop = min(start + FRAMES_PER_PASS, n_frames)
            sums = total[: stop - start]
            wide = True
            if n_frames <= FEW_FRAMES:
                for b in range(start, stop):
                    columns = active_columns(packed[b], steps, levels.size)
                    add_columns(
                        first_key,
                        second_key,
                        columns,
                        levels,
                        flush * COLUMNS_PER_STEP,
                        group,
                        narrow[0],
                        sums[b - start],
                    )
            else:
                frames, parts = packed[start:stop], narrow[: stop - start]
                wide = add_tables(first_key, second_key, frames, steps, levels, flush, group, tables, parts, sums)
            if wide:
                mix_in_light(sums, unit, anchored[start:stop], anchor, leak, photons[start:stop], first_output)
            else:
                mix_in_light(
                    narrow[: stop - start], unit, anchored[start:stop], anchor, leak, photons[start:stop], first_output
                )
