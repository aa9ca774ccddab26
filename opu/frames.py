"""Frames: binary patterns, checked, packed and unpacked."""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np
from array_api_compat import device as device_of
from numpy.typing import NDArray

from opu.arrays import NUMPY, Array, Kinds, kind_of, namespace, taken
from opu.device import Frames
from opu.errors import InputError

LARGEST_VALUE = 1e30
"""Largest magnitude that linear_transform takes: its projection over 1e6 inputs still fits float32."""


def packed_width(n_inputs: int) -> int:
    """Bytes of one packed frame, ceil(n_inputs / 8)."""
    return -(-n_inputs // 8)


def pack(frames: Array) -> Array:
    """bool[n, n_inputs] -> uint8[n, ceil(n_inputs / 8)], most significant bit first, padding bits 0; stays in its namespace."""
    if isinstance(frames, np.ndarray):
        return np.packbits(frames, axis=1)
    xp, where = namespace(frames), device_of(frames)
    n, n_inputs = frames.shape
    width = packed_width(n_inputs)
    bits = xp.zeros((n, 8 * width), dtype=xp.uint8, device=where)
    bits[:, :n_inputs] = xp.astype(frames, xp.uint8)
    shifted = xp.reshape(bits, (n, width, 8)) << xp.arange(7, -1, -1, dtype=xp.uint8, device=where)
    return xp.sum(shifted, axis=2, dtype=xp.uint8)


def unpack(packed: NDArray[np.uint8], n_inputs: int) -> NDArray[np.bool_]:
    """uint8[n, ceil(n_inputs / 8)] -> bool[n, n_inputs]; InputError if a padding bit is set."""
    _check_packed(packed, n_inputs)
    return np.unpackbits(packed, axis=1)[:, :n_inputs].view(np.bool_)


def _check_packed(packed: Array, n_inputs: int) -> None:
    if packed.ndim != 2 or packed.shape[1] != packed_width(n_inputs):
        raise InputError(
            f"packed frames have shape {packed.shape}; {n_inputs} inputs need (n, {packed_width(n_inputs)}) bytes, "
            "most significant bit first (opu.frames.pack makes them)"
        )
    spare = 8 * packed.shape[1] - n_inputs
    if spare and bool(namespace(packed).any((packed[:, -1] & ((1 << spare) - 1)) != 0)):
        raise InputError(
            f"packed frames set a padding bit beyond input {n_inputs - 1}; leave the last {spare} bits of every frame 0"
        )


def _is_packed(frames: Array, n_inputs: int, kinds: Kinds) -> bool:
    """Whether the frames of a `Device.measure` call are packed; InputError names what is wrong with them."""
    if kind_of(frames) not in kinds:
        raise InputError(f"frames are a {type(frames).__name__}; pass a NumPy array of bool, or of uint8 packed bits")
    xp = namespace(frames)
    if frames.ndim == 2 and not frames.shape[0]:
        raise InputError("a batch of 0 frames: show at least 1 (skip the call when there is nothing to show)")
    if frames.dtype == xp.uint8:
        _check_packed(frames, n_inputs)
        return True
    if frames.dtype != xp.bool:
        raise InputError(
            f"frames have dtype {frames.dtype}; a device takes bool[n, {n_inputs}] or packed "
            f"uint8[n, {packed_width(n_inputs)}] (x.astype(bool) if x holds only 0 and 1)"
        )
    if frames.ndim != 2 or frames.shape[1] != n_inputs:
        raise InputError(f"frames have shape {frames.shape}; this device takes (n, {n_inputs}), one bit per input")
    return False


def checked_frames(frames: Frames, n_inputs: int) -> NDArray[np.bool_]:
    """The frames of a `Device.measure` call as bool[n, n_inputs]; InputError names what is wrong. Devices start with it."""
    if _is_packed(frames, n_inputs, NUMPY):
        return np.unpackbits(frames.view(np.uint8), axis=1)[:, :n_inputs].view(np.bool_)
    return frames.view(np.bool_)


def checked_packed(frames: Array, n_inputs: int, kinds: Kinds = NUMPY) -> Array:
    """The frames of a `Device.measure` call packed, uint8[n, ceil(n_inputs / 8)]; InputError names what is wrong.

    kinds: of arrays that the device takes, its `spec.frame_arrays`; the packed frames stay what the frames are.
    """
    return frames if _is_packed(frames, n_inputs, kinds) else pack(frames)


def checked_rows(x: Any, n_inputs: int, name: str, kinds: Kinds = NUMPY) -> tuple[Array, bool]:
    """A batch of real rows (n, n_inputs) and whether a single 1-D sample was given; InputError otherwise.

    An array whose kind is among `kinds` stays what it is; everything else becomes a NumPy array.
    """
    if isinstance(x, np.ma.MaskedArray):
        raise InputError(
            f"{name} is a masked array, and a frame cannot leave values out; fill it first ({name}.filled(0))"
        )
    try:
        array = taken(x, kinds)
    except ValueError as error:
        raise InputError(f"{name} is not a rectangular array ({error}); give every row {n_inputs} values") from None
    except TypeError as error:
        raise InputError(f"{name} does not convert to an array ({error}); pass a dense array of numbers") from None
    xp, shape = namespace(array), array.shape
    if not xp.isdtype(array.dtype, ("bool", "integral", "real floating")):
        raise InputError(f"{name} has dtype {array.dtype}; pass real numbers (bool, integer or float)")
    single = array.ndim == 1
    if single:
        array = array[None, :]
    if array.ndim != 2 or array.shape[1] != n_inputs:
        raise InputError(
            f"{name} has shape {shape}; expected ({n_inputs},) or (n, {n_inputs}): this OPU has {n_inputs} inputs"
        )
    if array.shape[0] == 0:
        raise InputError(f"{name} has 0 rows; pass at least 1 (skip the call when a batch is empty)")
    return array, single


def checked_binary(x: Any, n_inputs: int, kinds: Kinds = NUMPY) -> tuple[Array, bool]:
    """Rows of 0 and 1 as bool[n, n_inputs], and whether a single sample was given; InputError shows the first other value."""
    rows, single = checked_rows(x, n_inputs, "x", kinds)
    xp = namespace(rows)
    if rows.dtype != xp.bool:
        wrong = (rows != 0) & (rows != 1)
        if bool(xp.any(wrong)):
            place, value, count = _first(rows, wrong)
            raise InputError(
                f"x{place} = {value}; frames are binary, 0 or 1 ({count} of {rows.size} values are not). "
                "Threshold x yourself (x > t), or use linear_transform, which encodes real values"
            )
    return xp.astype(rows, xp.bool), single


def checked_finite(x: Any, n_inputs: int, kinds: Kinds = NUMPY) -> tuple[Array, bool]:
    """Rows of finite reals as float64[n, n_inputs], and whether a single sample was given; InputError otherwise."""
    rows, single = checked_rows(x, n_inputs, "e", kinds)
    xp = namespace(rows)
    rows = xp.astype(rows, xp.float64)
    largest = float(xp.max(xp.abs(rows)))
    if not isfinite(largest):
        place, value, count = _first(rows, ~xp.isfinite(rows))
        raise InputError(
            f"e{place} = {value} ({count} of {rows.size} values are NaN or infinite); nothing was shown. "
            "A diverged network is the usual cause: lower its learning rate"
        )
    if largest > LARGEST_VALUE:
        raise InputError(
            f"the largest |e| is {largest:g}, and projections are float32: {LARGEST_VALUE:g} is the limit; rescale e"
        )
    return rows, single


def _first(rows: Array, wrong: Array) -> tuple[list[int], Any, int]:
    """Where the first wrong value is, the value, and how many are wrong."""
    i, j = namespace(wrong).nonzero(wrong)
    place = [int(i[0]), int(j[0])]
    return place, rows[place[0], place[1]], i.shape[0]
