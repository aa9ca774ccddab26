"""Frames: binary patterns, checked, packed and unpacked."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from opu.device import Frames
from opu.errors import InputError

LARGEST_VALUE = 1e30
"""Largest magnitude that linear_transform takes: its projection over 1e6 inputs still fits float32."""


def packed_width(n_inputs: int) -> int:
    """Bytes of one packed frame, ceil(n_inputs / 8)."""
    return -(-n_inputs // 8)


def pack(frames: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """bool[n, n_inputs] -> uint8[n, ceil(n_inputs / 8)], most significant bit first, padding bits 0."""
    return np.packbits(frames, axis=1)


def unpack(packed: NDArray[np.uint8], n_inputs: int) -> NDArray[np.bool_]:
    """uint8[n, ceil(n_inputs / 8)] -> bool[n, n_inputs]; InputError if a padding bit is set."""
    if packed.ndim != 2 or packed.shape[1] != packed_width(n_inputs):
        raise InputError(
            f"packed frames have shape {packed.shape}; {n_inputs} inputs need (n, {packed_width(n_inputs)}) bytes, "
            "most significant bit first (opu.frames.pack makes them)"
        )
    bits = np.unpackbits(packed, axis=1)
    if bits[:, n_inputs:].any():
        raise _padding_set(n_inputs, 8 * packed.shape[1] - n_inputs)
    return bits[:, :n_inputs].view(np.bool_)


def _padding_set(n_inputs: int, spare: int) -> InputError:
    return InputError(
        f"packed frames set a padding bit beyond input {n_inputs - 1}; leave the last {spare} bits of every frame 0"
    )


def checked_frames(frames: Frames, n_inputs: int) -> NDArray[np.bool_]:
    """The frames of a `Device.measure` call as bool[n, n_inputs]; InputError names what is wrong. Devices start with it."""
    if not isinstance(frames, np.ndarray):
        raise InputError(f"frames are a {type(frames).__name__}; pass a NumPy array of bool, or of uint8 packed bits")
    if frames.ndim == 2 and not len(frames):
        raise InputError("a batch of 0 frames: show at least 1 (skip the call when there is nothing to show)")
    if frames.dtype == np.uint8:
        return unpack(frames.view(np.uint8), n_inputs)
    if frames.dtype != np.bool_:
        raise InputError(
            f"frames have dtype {frames.dtype}; a device takes bool[n, {n_inputs}] or packed "
            f"uint8[n, {packed_width(n_inputs)}] (x.astype(bool) if x holds only 0 and 1)"
        )
    if frames.ndim != 2 or frames.shape[1] != n_inputs:
        raise InputError(f"frames have shape {frames.shape}; this device takes (n, {n_inputs}), one bit per input")
    return frames.view(np.bool_)


def checked_packed(frames: Frames, n_inputs: int) -> NDArray[np.uint8]:
    """The frames of a `Device.measure` call packed, uint8[n, ceil(n_inputs / 8)]; InputError names what is wrong."""
    if isinstance(frames, np.ndarray) and frames.dtype == np.uint8 and frames.ndim == 2 and len(frames):
        packed = frames.view(np.uint8)
        if packed.shape[1] == packed_width(n_inputs):
            spare = 8 * packed.shape[1] - n_inputs
            if (packed[:, -1] & ((1 << spare) - 1)).any():
                raise _padding_set(n_inputs, spare)
            return packed
    return pack(checked_frames(frames, n_inputs))


def checked_rows(x: ArrayLike, n_inputs: int, name: str) -> tuple[NDArray[Any], bool]:
    """A batch of real rows (n, n_inputs) and whether a single 1-D sample was given; InputError otherwise."""
    if np.ma.isMaskedArray(x):
        raise InputError(
            f"{name} is a masked array, and a frame cannot leave values out; fill it first ({name}.filled(0))"
        )
    try:
        array = np.asarray(x)
    except ValueError as error:
        raise InputError(f"{name} is not a rectangular array ({error}); give every row {n_inputs} values") from None
    if array.dtype.kind not in "biuf":
        raise InputError(f"{name} has dtype {array.dtype}; pass real numbers (bool, integer or float)")
    single = array.ndim == 1
    if single:
        array = array[None, :]
    if array.ndim != 2 or array.shape[1] != n_inputs:
        raise InputError(
            f"{name} has shape {np.shape(x)}; expected ({n_inputs},) or (n, {n_inputs}): this OPU has {n_inputs} inputs"
        )
    if array.shape[0] == 0:
        raise InputError(f"{name} has 0 rows; pass at least 1 (skip the call when a batch is empty)")
    return array, single


def checked_binary(x: ArrayLike, n_inputs: int) -> tuple[NDArray[np.bool_], bool]:
    """Rows of 0 and 1 as bool[n, n_inputs], and whether a single sample was given; InputError shows the first other value."""
    rows, single = checked_rows(x, n_inputs, "x")
    if rows.dtype != np.bool_:
        wrong = np.argwhere((rows != 0) & (rows != 1))
        if len(wrong):
            i, j = (int(k) for k in wrong[0])
            raise InputError(
                f"x[{i}, {j}] = {rows[i, j]}; frames are binary, 0 or 1 ({len(wrong)} of {rows.size} values are not). "
                "Threshold x yourself (x > t), or use linear_transform, which encodes real values"
            )
    return rows.astype(np.bool_), single


def checked_finite(x: ArrayLike, n_inputs: int) -> tuple[NDArray[np.float64], bool]:
    """Rows of finite reals as float64[n, n_inputs], and whether a single sample was given; InputError otherwise."""
    rows, single = checked_rows(x, n_inputs, "e")
    rows = rows.astype(np.float64)
    bad = np.argwhere(~np.isfinite(rows))
    if len(bad):
        i, j = (int(k) for k in bad[0])
        raise InputError(
            f"e[{i}, {j}] = {rows[i, j]} ({len(bad)} of {rows.size} values are NaN or infinite); nothing was shown. "
            "A diverged network is the usual cause: lower its learning rate"
        )
    largest = float(np.abs(rows).max())
    if largest > LARGEST_VALUE:
        raise InputError(
            f"the largest |e| is {largest:g}, and projections are float32: {LARGEST_VALUE:g} is the limit; rescale e"
        )
    return rows, single
