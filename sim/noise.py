"""Camera noise as a function of (seed, frame counter, output): the same readings for any batching of the same frames."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, pdtr, pdtrik

from .hashing import MASK, mix, words

Electrons = NDArray[np.float32]

SHOT_STREAM = 0x53484F54
READ_STREAM = 0x52454144
NORMAL_POLYNOMIAL = (0.95884525, 0.01667086, -0.00203187, 0.00031768)


def stream_seed(seed: int, stream: int) -> int:
    """A seed of its own for each source of noise."""
    return mix((seed ^ mix(stream)) & MASK)


def standard_normal(seed: int, first_frame: int, n_frames: int, n_outputs: int, first_output: int = 0) -> Electrons:
    """float32[n_frames, n_outputs], N(0, 1) to 0.0005 in distribution: four 16-bit uniforms summed, then bent to shape.

    The odd polynomial is the least-squares fit of the normal quantile function to the sum's, scaled to variance 1; it
    ends at |z| = 4.9. Only sums and products, so that every batch gives the same bits.
    """
    counter = np.arange(first_frame, first_frame + n_frames)
    fields = (
        words(seed, counter, np.arange(first_output, first_output + n_outputs))
        .view(np.uint16)
        .reshape(n_frames, n_outputs, 4)
    )
    total = fields[..., 0].astype(np.int32)
    for k in (1, 2, 3):
        total += fields[..., k]
    t: Electrons = (total.astype(np.float32) - np.float32(131070.0)) * np.float32(np.sqrt(3.0) / 65536)
    square = t * t
    bent: Electrons = np.full_like(t, NORMAL_POLYNOMIAL[-1])
    for coefficient in NORMAL_POLYNOMIAL[-2::-1]:
        bent *= square
        bent += np.float32(coefficient)
    bent *= t
    return bent


def uniform(seed: int, first_frame: int, n_frames: int, n_outputs: int, first_output: int = 0) -> NDArray[np.float64]:
    """float64[n_frames, n_outputs] in (0, 1), 52 bits."""
    counter = np.arange(first_frame, first_frame + n_frames)
    bits = words(seed, counter, np.arange(first_output, first_output + n_outputs)) >> np.uint64(12)
    u: NDArray[np.float64] = (bits.astype(np.float64) + 0.5) * 2.0**-52
    return u


def poisson(u: NDArray[np.float64], mean: NDArray[np.float64]) -> NDArray[np.float64]:
    """Poisson counts by inversion, the smallest k with P(K <= k) >= u: exact; 2.5 µs each, compiled in `quantiles` 0.03."""
    some = np.maximum(mean, 1e-30)
    # pdtrik solves P(K <= k) = u for a real k, to a tolerance: an integer solution may come out one too high.
    count = np.ceil(np.maximum(pdtrik(u, some), 0.0))
    below = np.maximum(count - 1, 0.0)
    exact: NDArray[np.float64] = np.where(pdtr(below, some) >= u, below, count)
    return exact


def exact_electrons(
    mean: Electrons, read_noise_e: float, full_well_e: float, seed: int, first_frame: int, first_output: int = 0
) -> Electrons:
    """min(Poisson(mean), full well) + N(0, read_noise^2): the law itself, electrons."""
    n_frames, n_outputs = mean.shape
    shot = uniform(stream_seed(seed, SHOT_STREAM), first_frame, n_frames, n_outputs, first_output)
    count = poisson(shot, mean.astype(np.float64))
    read = ndtri(uniform(stream_seed(seed, READ_STREAM), first_frame, n_frames, n_outputs, first_output)) * read_noise_e
    electrons: NDArray[np.float64] = np.minimum(count, full_well_e) + read
    return electrons.astype(np.float32)


def fast_electrons(
    mean: Electrons, read_noise_e: float, seed: int, first_frame: int, first_output: int = 0
) -> Electrons:
    """Poisson(mean) + N(0, read_noise^2) by one Cornish-Fisher expansion to the third moment, electrons.

    mean + z sqrt(v - 2 g^2) + g (z^2 - 1) with v = mean + read_noise^2 and g = mean / 6 v has exactly the law's mean,
    variance and (to first order) skewness; its error matters below one electron of read noise. The full well is not applied.
    """
    n_frames, n_outputs = mean.shape
    z = standard_normal(stream_seed(seed, READ_STREAM), first_frame, n_frames, n_outputs, first_output)
    variance = mean + np.float32(read_noise_e**2)
    skew = mean / (np.float32(6.0) * variance)
    electrons: Electrons = (
        mean + z * np.sqrt(variance - np.float32(2.0) * (skew * skew)) + skew * (z * z - np.float32(1.0))
    )
    return electrons


def read_noise_only(
    mean: Electrons, read_noise_e: float, full_well_e: float, seed: int, first_frame: int, first_output: int = 0
) -> Electrons:
    """min(mean, full well) + N(0, read_noise^2): light without shot noise, electrons."""
    filled = np.minimum(mean, np.float32(full_well_e))
    if read_noise_e == 0:
        return filled
    n_frames, n_outputs = mean.shape
    z = standard_normal(stream_seed(seed, READ_STREAM), first_frame, n_frames, n_outputs, first_output)
    electrons: Electrons = filled + np.float32(read_noise_e) * z
    return electrons
