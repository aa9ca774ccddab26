"""Frames of logical inputs -> patterns of mirrors, both packed, by the layout of `opu.layout`."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from opu.errors import ConfigError, InputError
from opu.layout import LayoutName, MirrorShares, mirror_owner, mirror_shares
from opu.parts import ModulatorSpec
from opu.threads import run_tasks

from .bench_settings import BenchSettings

Packed = NDArray[np.uint8]
AT_ONCE = 8
"""Frames whose bits are looked up together: a byte of the table holds one bit of each."""
TILE = 256
"""Bytes of each made before they are written: patterns lie a power of two apart, where caches collide."""


@dataclass(frozen=True)
class MirrorPanel:
    """The panel as `opu.layout` wants it."""

    columns: int
    rows: int
    layout: LayoutName
    roi: tuple[int, int, int, int] | None

    @property
    def region(self) -> tuple[int, int, int, int]:
        """(x, y, width, height) of the mirrors used."""
        return (0, 0, self.columns, self.rows) if self.roi is None else self.roi


class Mirrors:
    """Which mirrors follow which bit of a frame. ConfigError where inputs, region and panel do not fit."""

    def __init__(self, settings: BenchSettings, modulator: ModulatorSpec) -> None:
        panel = MirrorPanel(modulator.columns, modulator.rows, settings.layout, settings.roi)
        x, y, width, height = panel.region
        if not (0 <= x < x + width <= panel.columns and 0 <= y < y + height <= panel.rows):
            raise ConfigError(
                f"roi = [{x}, {y}, {width}, {height}] (x, y, width, height, in mirrors) is not inside {modulator.model}'s "
                f"{panel.columns} x {panel.rows} mirrors; shrink or move it"
            )
        try:
            self.shares: MirrorShares = mirror_shares(settings.n_inputs, settings.anchor_share, panel)
            owner = mirror_owner(settings.n_inputs, settings.anchor_share, panel)
        except InputError as error:
            raise ConfigError(str(error).replace("dmd.", "")) from None
        self.n_inputs = settings.n_inputs + (settings.anchor_share > 0)
        self.shape = (panel.rows, -(-panel.columns // 8))
        # Mirrors of no input follow a bit that is never set, one past the frame's padded ones.
        self._n_bits = 8 * -(-self.n_inputs // 8)
        wide = np.full((panel.rows, 8 * self.shape[1]), self._n_bits, np.int64)
        wide[:, : panel.columns] = np.where(owner < 0, self._n_bits, owner)
        used = np.flatnonzero((wide != self._n_bits).any(axis=1))
        first, stop = int(used[0]), int(used[-1]) + 1
        bits = wide[first:stop].ravel()
        self._bytes = slice(first * self.shape[1], stop * self.shape[1])
        self._bits = bits.astype(np.uint16 if self._n_bits < 2**16 else np.uint32)
        self.identity = sha256(f"{self.n_inputs} {panel}".encode() + bits.tobytes()).hexdigest()[:16]

    @property
    def anchor_share(self) -> float:
        """Fraction of the lit mirrors that are the anchor's; that of the light, if it is even."""
        return self.shares.anchor / self.shares.inside

    @property
    def pattern_bytes(self) -> int:
        """Of one packed pattern."""
        return self.shape[0] * self.shape[1]

    def expand(self, frames: Packed, out: Packed | None = None) -> Packed:
        """uint8[n, ceil(n_inputs / 8)] -> uint8[n, rows, ceil(columns / 8)], most significant bit first.

        out: an earlier result for at least as many frames, to be used again.
        """
        n = len(frames)
        patterns = np.zeros((n, *self.shape), np.uint8) if out is None or len(out) < n else out[:n]
        inside = patterns.reshape(n, self.pattern_bytes)[:, self._bytes]
        run_tasks(
            lambda start: expand(frames[start : start + AT_ONCE], self._bits, inside[start : start + AT_ONCE]),
            range(0, n, AT_ONCE),
        )
        return patterns


@njit(inline="always")
def transposed(x: Any) -> Any:
    """The 8 x 8 bits of a word, first row in the first byte, rows for columns (Hacker's Delight 7-3)."""
    t = (x ^ (x >> np.uint64(7))) & np.uint64(0x00AA00AA00AA00AA)
    x = x ^ t ^ (t << np.uint64(7))
    t = (x ^ (x >> np.uint64(14))) & np.uint64(0x0000CCCC0000CCCC)
    x = x ^ t ^ (t << np.uint64(14))
    t = (x ^ (x >> np.uint64(28))) & np.uint64(0x00000000F0F0F0F0)
    return x ^ t ^ (t << np.uint64(28))


@njit(nogil=True, cache=True)
def expand(frames: Any, bits: Any, out: Any) -> None:
    """out[f, i] = bits 8 i to 8 i + 7 of frame f, as `bits` numbers them: at most 8 frames at once.

    frames: uint8[n, width]; bits: unsigned[8 m], 8 width for a mirror of no input; out: uint8[n, m].
    """
    n, width = frames.shape
    table = np.zeros(8 * width + 1, np.uint8)
    for i in range(width):
        word = np.uint64(0)
        for f in range(AT_ONCE):
            word <<= np.uint64(8)
            if f < n:
                word |= np.uint64(frames[f, i])
        word = transposed(word)
        for k in range(8):
            table[8 * i + k] = (word >> np.uint64(56 - 8 * k)) & np.uint64(255)
    tile = np.empty((AT_ONCE, TILE), np.uint8)
    for start in range(0, out.shape[1], TILE):
        stop = min(start + TILE, out.shape[1])
        for i in range(start, stop):
            word = np.uint64(0)
            for k in range(8):
                word = (word << np.uint64(8)) | np.uint64(table[bits[8 * i + k]])
            word = transposed(word)
            for f in range(n):
                tile[f, i - start] = (word >> np.uint64(56 - 8 * f)) & np.uint64(255)
        for f in range(n):
            out[f, start:stop] = tile[f, : stop - start]
