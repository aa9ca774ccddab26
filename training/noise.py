"""Random numbers of a training step: functions of (seed, step, layer, place), whatever the batch or the library."""

from __future__ import annotations

from typing import Any

from opu.arrays import Array

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15


def uniform(like: Array, xp: Any, seed: int, step: int, part: int) -> Array:
    """Return float32 multiples of 2^-24 in [0, 1), i.i.d., of the shape and on the device of `like`.

    SplitMix64 (Steele, Lea & Flood 2014) of the element's number under a key of (seed, step, part).
    """
    key = _word(_word(_word(seed) ^ step) ^ part)
    size = 1
    for length in like.shape:
        size *= length
    device = getattr(like, "device", None)
    words = xp.arange(1, size + 1, dtype=xp.uint64, device=device)
    words *= xp.asarray(_GOLDEN, dtype=xp.uint64, device=device)
    words += xp.asarray(key, dtype=xp.uint64, device=device)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        words ^= words >> xp.asarray(shift, dtype=xp.uint64, device=device)
        words *= xp.asarray(factor, dtype=xp.uint64, device=device)
    words ^= words >> xp.asarray(31, dtype=xp.uint64, device=device)
    top = xp.astype(words >> xp.asarray(40, dtype=xp.uint64, device=device), xp.float32)
    return xp.reshape(top, like.shape) * 2.0**-24


def _word(value: int) -> int:
    """One SplitMix64 output, in Python's integers."""
    word = (value + _GOLDEN) & _MASK
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & _MASK
    return word ^ (word >> 31)
