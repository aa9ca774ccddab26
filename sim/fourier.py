"""The unnormalised DFT of N = rows x columns by DFTs of its rows and columns, in place: half the time of one long FFT.

A vector lies in a grid in one of two orders: plain, index = columns row + column, or turned, index = row + rows column. Each
transform changes one into the other (Bailey 1990, without its transpositions): short FFTs that stay in cache, and one
product by the twiddle factors exp(-2 pi i row column / N) between them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import fft

Grid = NDArray[np.complex64]
"""complex64[rows, columns + PAD]; what is in the padding does not matter."""
Factors = NDArray[np.complex64]
"""complex64[rows, columns]."""
PAD = 16
"""Rows a power of two apart would fall on the same few cache lines."""


def grid_shape(size: int) -> tuple[int, int]:
    """(rows, columns) for a power of two from 16 on: as square as can be, and whole bytes of bits down a column."""
    rows = max(8, 1 << ((size.bit_length() - 1) // 2))
    return rows, size // rows


def empty_grid(size: int) -> Grid:
    """A grid for N = size, uninitialised."""
    rows, columns = grid_shape(size)
    return np.empty((rows, columns + PAD), np.complex64)


def plain(vector: NDArray[Any]) -> NDArray[Any]:
    """A vector in plain order, (rows, columns), not copied."""
    return vector.reshape(grid_shape(len(vector)))


def turned(vector: NDArray[Any]) -> NDArray[Any]:
    """A vector in turned order, (rows, columns), copied."""
    return np.ascontiguousarray(vector.reshape(grid_shape(len(vector))[::-1]).T)


def turned_to_plain(grid: Grid, twiddles: Factors) -> None:
    """DFT in place of a vector in turned order; the result is in plain order."""
    _short_ffts(grid, 1)
    multiply(grid, twiddles)
    _short_ffts(grid, 0)


def plain_to_turned(grid: Grid, twiddles: Factors) -> None:
    """DFT in place of a vector in plain order; the result is in turned order."""
    _short_ffts(grid, 0)
    multiply(grid, twiddles)
    _short_ffts(grid, 1)


@lru_cache(maxsize=1)
def twiddle_factors(size: int) -> Factors:
    """exp(-2 pi i row column / size), read-only."""
    rows, columns = grid_shape(size)
    fine = np.exp(-2j * np.pi * np.arange(columns) / size)
    coarse = np.exp(-2j * np.pi * np.arange(rows) / rows)
    factors = np.empty((rows, columns), np.complex64)
    _products(coarse, fine, factors)
    factors.flags.writeable = False
    return factors


@njit(nogil=True, cache=True)
def multiply(grid: Any, factors: Any) -> None:
    """The grid's entries by the factors, in place."""
    for row in range(factors.shape[0]):
        # Rows of a whole array are contiguous for the compiler too; those of a view without the padding are not.
        entries, by = grid[row], factors[row]
        for column in range(factors.shape[1]):
            entries[column] *= by[column]


@njit(nogil=True, cache=True)
def _products(coarse: Any, fine: Any, factors: Any) -> None:
    """factors[row, column] = root^(row column) as a product in float64 of two roots, of its quotient and rest by columns."""
    rows, columns = factors.shape
    for row in range(rows):
        for column in range(columns):
            power = row * column
            factors[row, column] = coarse[power // columns] * fine[power % columns]


def _short_ffts(grid: Grid, axis: int) -> None:
    entries = grid[:, :-PAD]
    done = fft.fft(entries, axis=axis, overwrite_x=True)
    if not np.may_share_memory(done, entries):  # SciPy may overwrite, it does not promise to
        entries[...] = done
