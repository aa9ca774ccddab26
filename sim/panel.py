"""The micromirror panel under the beam: which mirrors serve which input, and the light each input therefore gets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from opu.errors import InputError

from .settings import DMDSettings, LaserSettings

WEIGHT_LEVELS = 2**20
LAYOUT_SEED = 0


@dataclass(frozen=True)
class Panel:
    """Integer amplitudes of the logical inputs, and the light that one unit of them carries.

    weights: int64[n_inputs + 1], data inputs, then the anchor if there is one, then the parked mirrors (never on, but
    they leak). A block's amplitude is the root of the sum of g^2 over its mirrors, g the beam's amplitude: a sum of
    i.i.d. columns is one i.i.d. column. power: sum of squares of all weights, the light of the whole panel.
    """

    weights: NDArray[np.int64]
    has_anchor: bool

    @property
    def power(self) -> float:
        """Sum of squared weights."""
        return float(np.sum(self.weights.astype(np.float64) ** 2))

    @property
    def anchor_share(self) -> float:
        """Fraction of the panel's light on the anchor's mirrors."""
        return float(self.weights[-2]) ** 2 / self.power if self.has_anchor else 0.0


def lay_out(n_data_inputs: int, anchor_share: float, dmd: DMDSettings, laser: LaserSettings) -> Panel:
    """Interleave equal blocks of mirrors over the panel; the anchor takes the rest, or the rest is parked.

    Interleaving gives every input the same sample of the beam, so that weights differ only by its finite number of
    mirrors. InputError if a block would have no mirror.
    """
    n_mirrors = dmd.columns * dmd.rows
    per_input = int((1 - anchor_share) * n_mirrors) // n_data_inputs
    if per_input < 1:
        fits = max(0.0, np.floor(1000 * (1 - n_data_inputs / n_mirrors)) / 1000)
        remedy = f"set anchor_share to {fits:.3f} or less" if n_data_inputs <= n_mirrors else "use fewer inputs"
        raise InputError(
            f"n_inputs = {n_data_inputs} with anchor_share = {anchor_share:g} needs "
            f"{n_data_inputs / (1 - anchor_share):.0f} mirrors, and the panel has {dmd.columns} x {dmd.rows} = "
            f"{n_mirrors}; {remedy}, or enlarge dmd.columns and dmd.rows"
        )
    intensity = beam_intensity(dmd, laser).ravel()
    if laser.profile != "flat":
        intensity = intensity[np.random.default_rng(LAYOUT_SEED).permutation(n_mirrors)]
    used = per_input * n_data_inputs
    data = intensity[:used].reshape(n_data_inputs, per_input).sum(axis=1)
    rest = float(intensity[used:].sum())
    blocks = np.concatenate([data, [rest, 0.0] if anchor_share > 0 else [rest]])
    amplitude = np.sqrt(blocks)
    # Integer weights keep every field an exact integer; 2^20 levels err by 5e-7 of the largest.
    weights = np.rint(amplitude / amplitude.max() * WEIGHT_LEVELS).astype(np.int64)
    return Panel(weights, anchor_share > 0)


def beam_intensity(dmd: DMDSettings, laser: LaserSettings) -> NDArray[np.float64]:
    """Intensity over the mirrors, float64[rows, columns], 1 at the centre: exp(-2 r^2 / w^2), or 1 for a flat top."""
    if laser.profile == "flat":
        return np.ones((dmd.rows, dmd.columns))
    y = (np.arange(dmd.rows) - (dmd.rows - 1) / 2) * dmd.pitch_m
    x = (np.arange(dmd.columns) - (dmd.columns - 1) / 2) * dmd.pitch_m
    radius2 = np.add.outer(y * y, x * x)
    return np.asarray(np.exp(-2 * radius2 / laser.beam_radius_m**2))
