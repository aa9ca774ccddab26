"""Dithered backpropagation: gradients on a coarse grid, mostly zero, right on average."""

from __future__ import annotations

import math

from opu.arrays import Array, namespace
from opu.errors import ConfigError

from .batch import Batch
from .method import Cost, Span
from .network import Gradients, Network
from .noise import uniform

_PART = 1 << 16


class DitheredBackprop:
    """Backprop whose delta at each layer's sums is step · round(delta / step + u), u uniform in [-1/2, 1/2).

    step = dither · std(delta), over the whole array. The rounding is unbiased for every delta and |delta| < step becomes 0
    with probability 1 - |delta| / step: sparse products on hardware that has them. Wiedemann et al. 2020. u is a function
    of (seed, step number, layer). Raises ConfigError for a dither that is not above 0.
    """

    name = "dithered"
    span: Span = "network"

    def __init__(self, dither: float = 2.0) -> None:
        if not (dither > 0 and math.isfinite(dither)):
            raise ConfigError(f"dither = {dither!r}: must be a finite number above 0, in standard deviations")
        self.dither = dither
        self.parameters: list[Array] = []

    def check(self, network: Network) -> None:
        """Any network will do."""

    def gradients(self, network: Network, batch: Batch) -> Gradients:
        """Return unbiased gradients; deltas are the quantised ones."""

        def quantised(delta: Array, place: tuple[int, int]) -> Array:
            part = _PART + place[0] * 256 + place[1]
            draws = uniform(delta, namespace(delta), batch.moment.seed, batch.moment.step, part)
            return dithered(delta, self.dither, draws)

        return network.chained(batch.trace, batch.error * batch.scale, at_sums=quantised)

    def cost(self) -> Cost:
        """No device is used."""
        return Cost()


def dithered(delta: Array, dither: float, draws: Array) -> Array:
    """Return delta on a grid of dither · std(delta), rounded by draws uniform in [0, 1); zeros where all are equal."""
    xp = namespace(delta)
    grid = dither * float(xp.std(delta))
    if not grid > 0:
        return delta
    return xp.astype(xp.floor(delta / grid + xp.astype(draws, delta.dtype)), delta.dtype) * grid
