"""Pixels -> outputs: every pixel of a region, every k-th, sums or means of blocks, or a list."""

from __future__ import annotations

from hashlib import sha256
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from opu.errors import ConfigError
from opu.parts import CameraSpec, Region

from .bench_settings import OutputSettings

MOST_BITS = 16


class Outputs:
    """reading = sum or mean over a block's pixels, saturation_dn where any of them clips.

    shape: (rows, columns) of the outputs where they are a whole grid, else None. Sums of m pixels reach m times the pixel's
    range; an unclipped one stays below m times its saturation, which is `saturation_dn`. ConfigError where the region, the
    grid or the file do not fit the camera.
    """

    def __init__(self, settings: OutputSettings, n_outputs: int | None, camera: CameraSpec) -> None:
        self.settings = settings
        self.region = camera_region(settings, camera)
        self.block = settings.block
        pixels = prod(self.block)
        largest = 2**camera.bit_depth - 1
        self.pixel_saturation_dn = settings.saturation_dn or largest
        if self.pixel_saturation_dn > largest:
            raise ConfigError(
                f"outputs.saturation_dn = {self.pixel_saturation_dn} is above {camera.model}'s largest code, {largest} DN at "
                f"{camera.bit_depth} bits; leave it out, or set where pixels really clip"
            )
        self.summed = settings.reduce == "sum" and pixels > 1
        self.saturation_dn = self.pixel_saturation_dn * (pixels if self.summed else 1)
        self.bit_depth = (pixels * largest).bit_length() if self.summed else camera.bit_depth
        if self.bit_depth > MOST_BITS:
            raise ConfigError(
                f"outputs.block = {list(self.block)}: a sum of {pixels} pixels of {camera.bit_depth} bits needs "
                f'{self.bit_depth} bits, and readings have at most {MOST_BITS}; set outputs.reduce = "mean", or a smaller block'
            )
        self._pixel_dtype = np.dtype(np.uint8 if camera.bit_depth <= 8 else np.uint16)
        self.dtype = np.dtype(np.uint8 if self.bit_depth <= 8 else np.uint16)
        corners = self._corners()
        self.shape: tuple[int, int] | None = None
        self._step = settings.step or self.block
        whole = n_outputs is None or n_outputs == len(corners)
        if settings.pixels_file is None and whole:
            self.shape = self._grid()
        if n_outputs is not None and n_outputs > len(corners):
            raise ConfigError(
                f"n_outputs = {n_outputs}, and the region of {self.region.rows} x {self.region.columns} pixels gives "
                f"{len(corners)} outputs; enlarge outputs.region, take smaller outputs.block or outputs.step, or fewer outputs"
            )
        self.n_outputs = len(corners) if n_outputs is None else n_outputs
        kept = corners[np.arange(self.n_outputs) * len(corners) // self.n_outputs]
        self._corner = np.ascontiguousarray(kept.astype(np.int64))
        self._every = prod(self.block) == 1 and self.shape is not None
        self.identity = sha256(f"{self.region} {self.block} {self.summed}".encode() + kept.tobytes()).hexdigest()[:16]

    def read(self, pixels: NDArray[Any], out: NDArray[Any]) -> None:
        """Readings of one frame of the region, into out[n_outputs]."""
        if self._every and self.shape is not None:
            rows, columns = self._step
            np.copyto(out.reshape(self.shape), pixels[::rows, ::columns])
        elif self.shape is not None:
            read_grid(pixels, self.block, self._step, self.summed, self.pixel_saturation_dn, out.reshape(self.shape))
        else:
            read_list(pixels, self._corner, self.block, self.summed, self.pixel_saturation_dn, out)

    def wrong(self, pixels: Any) -> str:
        """What is wrong with a frame that the camera gave, or nothing."""
        shape = (self.region.rows, self.region.columns)
        if pixels.shape != shape or pixels.dtype != self._pixel_dtype:
            return f"gives frames of {pixels.dtype} {pixels.shape}, not of {self._pixel_dtype} {shape}"
        return ""

    def _grid(self) -> tuple[int, int]:
        (rows, columns), (down, across) = self.block, self.settings.step or self.block
        shape = ((self.region.rows - rows) // down + 1, (self.region.columns - columns) // across + 1)
        if min(shape) < 1:
            raise ConfigError(
                f"outputs.block = {list(self.block)} does not fit into the region of {self.region.rows} x "
                f"{self.region.columns} pixels; make it smaller, or the region larger"
            )
        return shape

    def _corners(self) -> NDArray[np.intp]:
        """(row, column) of every output's first pixel, within the region."""
        if self.settings.pixels_file is None:
            shape = self._grid()
            step = self.settings.step or self.block
            first: NDArray[np.intp] = np.stack(np.unravel_index(np.arange(prod(shape)), shape), axis=1)
            return first * np.array(step, np.intp)
        return _listed(Path(self.settings.pixels_file), self.region)


def camera_region(settings: OutputSettings, camera: CameraSpec) -> Region:
    """The region that the settings ask for; ConfigError if it does not fit the sensor or its steps."""
    if settings.region is None:
        down, across = camera.step
        return Region(0, 0, camera.rows // down * down, camera.columns // across * across)
    region = Region(*settings.region)
    inside = (
        0 <= region.row < region.row + region.rows <= camera.rows
        and 0 <= region.column < region.column + region.columns <= camera.columns
    )
    steps = (*camera.step, *camera.step)
    nearest = [
        step * max(int(k > 1), round(v / step)) for k, (v, step) in enumerate(zip(settings.region, steps, strict=True))
    ]
    if not inside or any(v % step for v, step in zip(settings.region, steps, strict=True)):
        remedy = f"the nearest is {nearest}" if inside else "shrink or move it"
        raise ConfigError(
            f"outputs.region = {list(settings.region)} (row, column, rows, columns, in pixels): {camera.model} has "
            f"{camera.rows} x {camera.columns} pixels, and regions in steps of {camera.step[0]} rows and {camera.step[1]} "
            f"columns; {remedy}"
        )
    return region


def _listed(path: Path, region: Region) -> NDArray[np.intp]:
    name = f"outputs.pixels_file = {str(path)!r}"
    shape = (region.rows, region.columns)
    try:
        stored: Any = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ConfigError(f"{name} cannot be read as a NumPy .npy file ({error}); write it with numpy.save") from None
    mask = isinstance(stored, np.ndarray) and stored.dtype == np.bool_ and stored.shape == shape
    pairs = (
        isinstance(stored, np.ndarray) and stored.dtype.kind in "iu" and stored.ndim == 2 and stored.shape[1:] == (2,)
    )
    listed = np.argwhere(stored) if mask else stored.astype(np.intp) if pairs else np.zeros((0, 2), np.intp)
    if not len(listed) or (listed < 0).any() or (listed >= np.array(shape)).any():
        raise ConfigError(
            f"{name}: expected bool{list(shape)}, the region's pixels, with some of them true, or int[n, 2] of (row, column) "
            f"within it; found {getattr(stored, 'dtype', 'several arrays')} {getattr(stored, 'shape', '')}"
        )
    return np.asarray(listed, np.intp)


@njit(nogil=True, cache=True, error_model="numpy")
def read_grid(pixels: Any, block: Any, step: Any, summed: Any, saturation_dn: Any, out: Any) -> None:
    """out[i, j] from the block whose first pixel is (i step, j step); means are rounded, halves up.

    Columns are summed first, then neighbours of a row: loops over whole rows, which become vectors. Clipped pixels
    are looked for only in bands that have one.
    """
    (rows, columns), (down, across) = block, step
    count, n = rows * columns, out.shape[1]
    total, value = np.empty(pixels.shape[1], np.uint32), np.empty(n, np.uint32)
    for i in range(out.shape[0]):
        band = pixels[i * down : i * down + rows]
        brightest = _add_rows(band, total)
        _add_columns(total, columns, across, value)
        line = out[i]
        if summed:
            for j in range(n):
                line[j] = value[j]
        else:
            for j in range(n):
                # Exact: a quotient that is no integer is at least 1 / (2 count) from one, far more than float64 errs.
                line[j] = np.uint32((np.float64(value[j]) + 0.5 * count) / count)
        if brightest >= saturation_dn:
            _clip(band, columns, across, saturation_dn, saturation_dn * count if summed else saturation_dn, line)


@njit(inline="always")
def _add_rows(band: Any, total: Any) -> Any:
    """total[j] = sum of column j; the brightest pixel of all."""
    brightest = band[0, 0]
    total[:] = 0
    for r in range(band.shape[0]):
        row = band[r]
        for j in range(row.size):
            total[j] += np.uint32(row[j])
        for j in range(row.size):
            brightest = max(brightest, row[j])
    return brightest


@njit(inline="always")
def _clip(band: Any, columns: Any, across: Any, saturation_dn: Any, full: Any, line: Any) -> None:
    """line[j] = full where block j has a clipped pixel."""
    for r in range(band.shape[0]):
        row, brightest = band[r], band[r, 0]
        for j in range(row.size):
            brightest = max(brightest, row[j])
        if brightest >= saturation_dn:
            for j in range(row.size):
                if row[j] >= saturation_dn and j // across < line.size and j % across < columns:
                    line[j // across] = full


@njit(inline="always")
def _add_columns(total: Any, columns: Any, across: Any, value: Any) -> None:
    """value[j] = sum of `columns` neighbours from total[j across] on; steps that are constants become vectors."""
    n = value.size
    value[:] = 0
    for c in range(columns):
        if across == 2:
            for j in range(n):
                value[j] += total[2 * j + c]
        elif across == 4:
            for j in range(n):
                value[j] += total[4 * j + c]
        else:
            for j in range(n):
                value[j] += total[across * j + c]


@njit(nogil=True, cache=True)
def read_list(pixels: Any, corners: Any, block: Any, summed: Any, saturation_dn: Any, out: Any) -> None:
    """out[k] from the block whose first pixel is corners[k]."""
    rows, columns = block
    count = rows * columns
    for k in range(out.size):
        top, left = corners[k]
        value, most = np.uint32(0), pixels[top, left]
        for r in range(top, top + rows):
            for c in range(left, left + columns):
                value += np.uint32(pixels[r, c])
                most = max(most, pixels[r, c])
        out[k] = _reading(value, most, count, summed, saturation_dn)


@njit(inline="always")
def _reading(value: Any, most: Any, count: Any, summed: Any, saturation_dn: Any) -> Any:
    if most >= saturation_dn:
        return saturation_dn * count if summed else saturation_dn
    return value if summed else (2 * value + count) // (2 * count)
