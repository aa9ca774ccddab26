"""Things that wander with time, as functions of (seed, time) without any history: any order of asking gives the same values.

An Ornstein-Uhlenbeck process is Markov, and so is a Wiener process: the midpoint of an interval given its ends does not
depend on what lies outside. So a value is found by halving: two ends, then the middle of the half that holds the time, and
so on (Levy's construction of Brownian motion, with the bridge of each process). Every midpoint adds one hashed normal,
numbered by its place on the time grid.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import cosh, sqrt, tanh

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from opu.errors import InputError

from .hashing import GAMMA, MIX_1, MIX_2, keys

EPOCHS_PER_TIME_CONSTANT = 128
"""A drifting medium moves in steps of 1/128 of its 1/e time; within a step its correlation falls by 0.8 %."""
KEYFRAME_TIME_CONSTANTS = 8
"""Values this many time constants apart are taken as independent: exp(-8) = 3.4e-4."""
FINE_STEPS = 2**20
"""Steps per time constant of `wander` and `phase_walk`."""
HORIZON = 2**32
"""Coherence times after which `phase_walk` ends (49 days of milliseconds)."""


@lru_cache(maxsize=4096)
def weights(epoch: int) -> tuple[tuple[int, float], ...]:
    """(node, weight) pairs, at most 12: an Ornstein-Uhlenbeck value at an epoch is the sum of weight times normal(node).

    Correlation of two epochs exp(-|difference| / 128), within 3.4e-4; squared weights sum to 1 within 1e-6. A node is the
    epoch at which its normal enters, so different nodes are independent, and epoch 0 is node 0 alone.
    """
    if epoch < 0:
        raise InputError(f"epoch = {epoch}: time starts at epoch 0")
    span = KEYFRAME_TIME_CONSTANTS * EPOCHS_PER_TIME_CONSTANT
    left = epoch // span * span
    right = left + span
    at_left, at_right = {left: 1.0}, {right: 1.0}
    while epoch != left:
        middle = (left + right) // 2
        ends, new = _bridge((right - left) / 2 / EPOCHS_PER_TIME_CONSTANT)
        at_middle = {node: ends * at_left.get(node, 0.0) for node in at_left}
        for node, weight in at_right.items():
            at_middle[node] = at_middle.get(node, 0.0) + ends * weight
        at_middle[middle] = new
        if epoch < middle:
            right, at_right = middle, at_middle
        else:
            left, at_left = middle, at_middle
    return tuple(sorted(at_left.items()))


def epochs(times_s: NDArray[np.float64], time_constant_s: float) -> NDArray[np.int64]:
    """The epoch of each time, int64; times are 0 or later."""
    return _grid(times_s, time_constant_s, EPOCHS_PER_TIME_CONSTANT)


def wander(seed: int, times_s: NDArray[np.float64], time_constant_s: float) -> NDArray[np.float64]:
    """Ornstein-Uhlenbeck process: N(0, 1) at every time, correlation exp(-|dt| / time constant) within 3.4e-4; float64."""
    steps = _grid(times_s, time_constant_s, FINE_STEPS)
    span = KEYFRAME_TIME_CONSTANTS * FINE_STEPS
    left = steps // span * span
    return _halve(seed, steps, span, normals(seed, left), normals(seed, left + span), _bridge)


def phase_walk(seed: int, times_s: NDArray[np.float64], coherence_time_s: float) -> NDArray[np.float64]:
    """Wiener phase, rad, 0 at time 0, variance 2 |dt| / coherence time: <exp(i difference)> = exp(-|dt| / coherence time)."""
    steps = _grid(times_s, coherence_time_s, FINE_STEPS, HORIZON)
    end = np.full_like(steps, HORIZON * FINE_STEPS)
    at_end = sqrt(2 * HORIZON) * normals(seed, end)
    # The middle of a Wiener process is the mean of its ends, with half the variance of either half.
    return _halve(seed, steps, HORIZON * FINE_STEPS, np.zeros(steps.shape), at_end, lambda half: (0.5, sqrt(half)))


def normals(seed: int, nodes: NDArray[np.int64]) -> NDArray[np.float64]:
    """One N(0, 1) per node number (0 to 2^63 - 1), float64: the normal quantile of a hashed 52-bit uniform."""
    first, second = keys(seed)
    z = nodes.astype(np.uint64) * np.uint64(GAMMA) + np.uint64(first)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(MIX_1) ^ np.uint64(second)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(MIX_2)
    z ^= z >> np.uint64(31)
    result: NDArray[np.float64] = ndtri(((z >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52)
    return result


def _bridge(half: float) -> tuple[float, float]:
    """Weights of either end and of the new normal at the middle of 2 `half` time constants: sinh h / sinh 2h, sqrt tanh h."""
    ends = 1 / (2 * cosh(half))
    # Between keyframes, which are independent, the variance that the ends leave is 1 - 2 ends^2 instead.
    return ends, sqrt(1 - 2 * ends**2 if 2 * half >= KEYFRAME_TIME_CONSTANTS else tanh(half))


def _halve(
    seed: int,
    steps: NDArray[np.int64],
    span: int,
    at_left: NDArray[np.float64],
    at_right: NDArray[np.float64],
    bridge: Callable[[float], tuple[float, float]],
) -> NDArray[np.float64]:
    """Values at `steps` of a process known at both ends of the intervals of `span` steps that hold them.

    bridge(half in time constants): weight of either end, and of the new normal.
    """
    halves = [span >> k for k in range(1, span.bit_length())]
    middles = np.array([(steps // (2 * half) * 2 + 1) * half for half in halves])
    for half, new in zip(halves, normals(seed, middles), strict=True):
        ends, scale = bridge(half / FINE_STEPS)
        at_middle = ends * (at_left + at_right) + scale * new
        late = (steps & half) != 0
        at_left, at_right = np.where(late, at_middle, at_left), np.where(late, at_right, at_middle)
    return at_left


def _grid(
    times_s: NDArray[np.float64], unit_s: float, steps_per_unit: int, limit: float = 2.0**40
) -> NDArray[np.int64]:
    """Times in steps of unit / steps_per_unit, rounded down; InputError outside 0 to `limit` units."""
    times = np.asarray(times_s, np.float64) / unit_s
    outside = ~((times >= 0) & (times < limit))
    if outside.any():
        worst = np.asarray(times_s)[outside].flat[0]
        raise InputError(
            f"time {worst:g} s with a time constant of {unit_s:g} s: times from 0 to {limit * unit_s:.3g} s are known"
        )
    return np.floor(times * steps_per_unit).astype(np.int64)
