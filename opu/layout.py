"""The layout: which mirrors of the panel serve which input, which the anchor, and which are parked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from opu.errors import InputError

LAYOUT_SEED = 0
PARKED = -1
LayoutName: TypeAlias = Literal["interleaved", "blocks", "rows"]


class Panel(Protocol):
    """A micromirror panel and the part of it that is used: `roi` is (x, y, width, height) in mirrors, None all of it."""

    @property
    def columns(self) -> int:
        """Mirrors across."""
        ...

    @property
    def rows(self) -> int:
        """Mirrors down."""
        ...

    @property
    def layout(self) -> LayoutName:
        """How the mirrors of one input lie."""
        ...

    @property
    def roi(self) -> tuple[int, int, int, int] | None:
        """What was asked for."""
        ...

    @property
    def region(self) -> tuple[int, int, int, int]:
        """(x, y, width, height) of the mirrors used."""
        ...


@dataclass(frozen=True)
class MirrorShares:
    """How many mirrors each has: `per_input` for every data input, the anchor, and parked within and outside the region."""

    n_inputs: int
    per_input: int
    anchor: int
    parked_inside: int
    parked_outside: int

    @property
    def used(self) -> int:
        """Mirrors of all data inputs."""
        return self.n_inputs * self.per_input

    @property
    def inside(self) -> int:
        """Mirrors of the region."""
        return self.used + self.anchor + self.parked_inside


def mirror_owner(n_inputs: int, anchor_share: float, dmd: Panel) -> NDArray[np.int64]:
    """Who each mirror serves, int64[rows, columns]: data input 0 to n_inputs - 1, the anchor n_inputs, parked -1."""
    shares = mirror_shares(n_inputs, anchor_share, dmd)
    order = mirror_order(n_inputs, anchor_share, dmd)
    owner = np.full(dmd.rows * dmd.columns, PARKED, np.int64)
    owner[order[: shares.used]] = np.repeat(np.arange(n_inputs), shares.per_input)
    owner[order[shares.used : shares.used + shares.anchor]] = n_inputs
    return owner.reshape(dmd.rows, dmd.columns)


def mirror_shares(n_inputs: int, anchor_share: float, dmd: Panel) -> MirrorShares:
    """Equal shares for all data inputs; the anchor takes the rest of the region, or without one the rest is parked.

    interleaved, rows: floor((1 - anchor_share) mirrors / n_inputs) each, so that the anchor gets its share to within
    n_inputs mirrors. blocks: rectangles have sizes in steps, so it gets somewhat more. InputError if none would be left.
    """
    _, _, width, height = dmd.region
    inside, everything = width * height, dmd.rows * dmd.columns
    per_input = int((1 - anchor_share) * inside) // n_inputs
    if per_input < 1:
        fits = max(0.0, np.floor(1000 * (1 - n_inputs / inside)) / 1000)
        remedy = f"set anchor_share to {fits:.3f} or less" if n_inputs <= inside else "use fewer inputs"
        where = "panel has" if dmd.roi is None else f"region of interest dmd.roi = {list(dmd.roi)} has"
        raise InputError(
            f"n_inputs = {n_inputs} with anchor_share = {anchor_share:g} needs {n_inputs / (1 - anchor_share):.0f} mirrors, "
            f"and the {where} {width} x {height} = {inside}; {remedy}, or enlarge "
            f"{'dmd.columns and dmd.rows' if dmd.roi is None else 'dmd.roi'}"
        )
    if dmd.layout == "blocks":
        block_width, block_height = block_shape(n_inputs, per_input, width, height)
        per_input = block_width * block_height
    rest = inside - per_input * n_inputs
    anchor, parked = (rest, 0) if anchor_share > 0 else (0, rest)
    return MirrorShares(n_inputs, per_input, anchor, parked, everything - inside)


def mirror_order(n_inputs: int, anchor_share: float, dmd: Panel) -> NDArray[np.int64]:
    """Every mirror once, int64[rows columns], numbered row by row: input 0's, input 1's ..., the rest's, those outside.

    interleaved: a fixed permutation, which gives every input the same sample of the beam. rows: as they lie. blocks: a grid
    of rectangles from the region's first corner, so that the rest is one connected piece.
    """
    x, y, width, height = dmd.region
    whole = (width, height) == (dmd.columns, dmd.rows)
    inside = np.arange(width * height)
    if dmd.layout == "interleaved":
        inside = _scattered(width * height)
    elif dmd.layout == "blocks":
        inside = _blocks(n_inputs, mirror_shares(n_inputs, anchor_share, dmd).per_input, width, height)
    if whole:
        return inside
    row, column = np.divmod(inside, width)
    outside = np.ones((dmd.rows, dmd.columns), np.bool_)
    outside[y : y + height, x : x + width] = False
    return np.concatenate([(y + row) * dmd.columns + x + column, np.flatnonzero(outside)])


def block_shape(n_inputs: int, most_mirrors: int, width: int, height: int) -> tuple[int, int]:
    """(width, height) of the rectangle of at most so many mirrors that fits n_inputs times into a grid on the region.

    Among all, the one with the longest shorter side, then with the most mirrors, then the widest. One exists as long as
    n_inputs most_mirrors <= width height and most_mirrors >= 1.
    """
    widths = np.arange(1, width + 1)
    grid_rows = -(-n_inputs // (width // widths))
    heights = np.minimum(height // grid_rows, most_mirrors // widths)
    best = np.lexsort((widths, widths * heights, np.minimum(widths, heights)))[-1]
    return int(widths[best]), int(heights[best])


@lru_cache(maxsize=2)
def _scattered(n: int) -> NDArray[np.int64]:
    order = np.random.default_rng(LAYOUT_SEED).permutation(n)
    order.flags.writeable = False
    return order


def _blocks(n_inputs: int, most_mirrors: int, width: int, height: int) -> NDArray[np.int64]:
    block_width, block_height = block_shape(n_inputs, most_mirrors, width, height)
    grid_row, grid_column = np.divmod(np.arange(n_inputs), width // block_width)
    corner = grid_row * block_height * width + grid_column * block_width
    offset = np.add.outer(np.arange(block_height) * width, np.arange(block_width)).ravel()
    used = np.add.outer(corner, offset).ravel()
    rest = np.ones(width * height, np.bool_)
    rest[used] = False
    return np.concatenate([used, np.flatnonzero(rest)])
