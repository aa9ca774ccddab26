"""What the dense engine cannot beat on this core: its own ingredients, measured bare, times how often its kernels need them.

Rates, one thread, data in the first-level cache unless said (`sim/kernels.py` is what they are taken from):

    hash    the bare SplitMix64 finaliser, ns per word; a word makes four complex entries
    map     bytes to Gaussian integers, ns per complex entry: shown, not part of the floor
    widen   an int8 entry added to an int16 sum, ns per real: one to three frames
    build   a row of column sums added to a table, ns per real
    rows    four table rows added to a frame's sums, ns per row and real; `rows_placed`: with the kernel's 64 rows and 256
            sums, which fill the first-level cache and spill into the second
    read    memory bandwidth, GB/s: a stored matrix is read once per product, 8 bytes a complex entry

Floor of the dense engine, ns per complex entry of the matrix and vector, where `on` is the share of inputs that are on:

    B <= 3  on (hash / 4 + 2 widen)                                     every frame hashes its columns that are on
    B > 3   passes / B (hash / 4 + 2 (60 / 16) build) + 2 (4 / 16) rows     passes = ceil(B / 256), each hashes all;
            16 columns make 60 new table rows and add 4 rows to a frame

Left out: mapping, loads from the second-level cache, |.|^2. Hashing and adding are summed, as if neither hid behind the
other. The floor is that of this way of doing it; another way could have a lower one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

kernels = import_module("opu.sim.kernels")
hash_row, map_bytes = kernels.hash_row, import_module("opu.sim.bytemap").map_bytes
LANES, WORDS, COLUMNS = kernels.LANES, kernels.WORDS, kernels.COLUMNS_PER_STEP
FEW_FRAMES, FRAMES_PER_PASS = kernels.FEW_FRAMES, kernels.FRAMES_PER_PASS
TABLES, REALS = COLUMNS // 4, 2
NEW_ROWS = TABLES * (2**4 - 1)
CACHE_ROWS = 16


@dataclass(frozen=True)
class Roofline:
    """Rates of this core."""

    hash_ns_per_word: float
    map_ns_per_entry: float
    widen_ns: float
    build_ns: float
    rows_ns: float
    rows_placed_ns: float
    read_gb_per_s: float

    def best(self, other: Roofline) -> Roofline:
        """The faster of two measurements, rate by rate."""
        mine, theirs = asdict(self), asdict(other)
        return Roofline(**{k: (max if k == "read_gb_per_s" else min)(mine[k], theirs[k]) for k in mine})

    def parts(self, batch: int, on: float) -> dict[str, float]:
        """The floor of the dense engine, its hashing and its adding apart: ns per complex entry and vector."""
        entry = self.hash_ns_per_word / 4
        if batch <= FEW_FRAMES:
            return {"hash": on * entry, "adds": on * REALS * self.widen_ns}
        share = -(-batch // FRAMES_PER_PASS) / batch
        tables = share * NEW_ROWS / COLUMNS * self.build_ns
        return {"hash": share * entry, "adds": REALS * (tables + TABLES / COLUMNS * self.rows_ns)}

    def dense_ms(self, n: int, batch: int, on: float) -> float:
        """The floor of the dense engine, ms per vector."""
        return sum(self.parts(batch, on).values()) * n * n / 1e6

    def stored_ms(self, n: int) -> float:
        """The floor of a stored matrix of 8 bytes an entry, one vector at a time: reading it once, ms."""
        return 8 * n * n / self.read_gb_per_s / 1e6


@njit(nogil=True)
def _hash(rows: Any, repeats: Any) -> None:
    for repeat in range(repeats):
        for r in range(rows.shape[0]):
            hash_row(np.uint64(3), np.uint64(5), repeat * rows.shape[0] + r, 7, rows[r])


@njit(nogil=True)
def _map(source: Any, target: Any, repeats: Any) -> None:
    for _ in range(repeats):
        for r in range(source.shape[0]):
            map_bytes(source[r], target[r])


@njit(nogil=True)
def _widen(entries: Any, sums: Any, repeats: Any) -> None:
    for _ in range(repeats):
        for r in range(entries.shape[0]):
            row = entries[r]
            for i in range(LANES):
                sums[i] += row[i]


@njit(nogil=True)
def _build(tables: Any, column_sum: Any, repeats: Any) -> None:
    for _ in range(repeats):
        for k in range(4):
            bit = 8 >> k
            for low in range(0, 16, 2 * bit):
                source = low * LANES
                target = source + bit * LANES
                for i in range(LANES):
                    tables[target + i] = tables[source + i] + column_sum[i]


@njit(nogil=True)
def _rows(tables: Any, packed: Any, per_table: Any, sums: Any, repeats: Any) -> None:
    for _ in range(repeats):
        for b in range(sums.shape[0]):
            high, low = packed[b, 0], packed[b, 1]
            i0 = np.int64(high >> 4) * LANES
            i1 = np.int64(per_table + (high & 15)) * LANES
            i2 = np.int64(2 * per_table + (low >> 4)) * LANES
            i3 = np.int64(3 * per_table + (low & 15)) * LANES
            row = sums[b]
            for i in range(LANES):
                row[i] += tables[i0 + i] + tables[i1 + i] + tables[i2 + i] + tables[i3 + i]


@njit(nogil=True)
def _read(values: Any) -> Any:
    total = np.int64(0)
    for i in range(values.size):
        total += values[i]
    return total


def measure(read_mib: int = 1024, work: int = 2**26) -> Roofline:
    """All rates, best of seven CPU times. work: reals that a timing handles; read_mib: array streamed."""
    words = _aligned((CACHE_ROWS, WORDS), np.uint64)
    reals = CACHE_ROWS * LANES
    entries, sums = _aligned((CACHE_ROWS, LANES), np.int8), _aligned((LANES,), np.int16)
    table, column_sum = _aligned((16 * LANES,), np.int16), _aligned((LANES,), np.int16)
    repeats = max(1, work // reals)
    hashing = _best_s(lambda: _hash(words, repeats)) / (repeats * words.size)
    mapping = _best_s(lambda: _map(words.view(np.int8), entries, repeats)) / (repeats * reals) * REALS
    widening = _best_s(lambda: _widen(entries, sums, repeats)) / (repeats * reals)
    building = _best_s(lambda: _build(table, column_sum, repeats)) / (repeats * 15 * LANES)
    values = np.ones(read_mib * 2**17, np.int64)
    reading = values.nbytes / _best_s(lambda: _read(values))
    return Roofline(
        hash_ns_per_word=hashing * 1e9,
        map_ns_per_entry=mapping * 1e9,
        widen_ns=widening * 1e9,
        build_ns=building * 1e9,
        rows_ns=_rows_s(2, 8, work) * 1e9,
        rows_placed_ns=_rows_s(16, FRAMES_PER_PASS, work) * 1e9,
        read_gb_per_s=reading / 1e9,
    )


def _rows_s(per_table: int, frames: int, work: int) -> float:
    """Seconds per row and real, for four tables of `per_table` rows and so many frames' sums."""
    tables, sums = _aligned((TABLES * per_table * LANES,), np.int16), _aligned((frames, LANES), np.int16)
    nibbles = np.random.default_rng(0).integers(0, per_table, (2, frames, 2), dtype=np.uint8)
    packed = nibbles[0] << 4 | nibbles[1]
    repeats = max(1, work // (frames * TABLES * LANES))
    seconds = _best_s(lambda: _rows(tables, packed, np.uint8(per_table), sums, repeats))
    return float(seconds / (repeats * frames * TABLES * LANES))


def _best_s(work: Callable[[], Any]) -> float:
    work()
    times = []
    for _ in range(7):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return min(times)


def _aligned(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Zeros at a 64-byte boundary, as the engine's scratch is."""
    n_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
    buffer = np.zeros(n_bytes + 64, np.uint8)
    start = -buffer.ctypes.data % 64
    array: NDArray[Any] = buffer[start : start + n_bytes].view(dtype).reshape(shape)
    return array
