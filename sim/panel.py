"""The micromirror panel under the beam: which mirrors serve which input, and the light each input therefore gets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from opu.errors import InputError

from .dmd_settings import DMDSettings
from .laser_settings import LaserSettings

MAX_LEVEL = 4095
LAYOUT_SEED = 0


@dataclass(frozen=True)
class Panel:
    """Amplitudes of the data inputs as integer `levels` times `unit`, of the anchor (0: none) and of the parked mirrors.

    A block's amplitude is the root of the sum of g^2 over its mirrors, g the beam's amplitude: a sum of i.i.d. columns is
    one i.i.d. column. levels: int64[n_inputs], 1 everywhere if all are alike, else up to 4095 (an error of 1e-4 of the
    largest). Parked mirrors are never on, but they leak. Squared amplitudes are scaled to sum to 1, the light of the panel.
    """

    levels: NDArray[np.int64]
    unit: float
    anchor: float
    parked: float

    @property
    def n_inputs(self) -> int:
        """Data inputs."""
        return len(self.levels)

    @property
    def uniform(self) -> bool:
        """Whether all data inputs get the same light."""
        return bool(self.levels.max() == 1)

    @property
    def anchor_share(self) -> float:
        """Fraction of the panel's light on the anchor's mirrors."""
        return self.anchor**2


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
    used = per_input * n_data_inputs
    if laser.profile == "flat":
        data, rest = np.full(n_data_inputs, float(per_input)), float(n_mirrors - used)
    else:
        intensity = beam_intensity(dmd, laser).ravel()
        intensity = intensity[np.random.default_rng(LAYOUT_SEED).permutation(n_mirrors)]
        data, rest = intensity[:used].reshape(n_data_inputs, per_input).sum(axis=1), float(intensity[used:].sum())
    amplitude = np.sqrt(data)
    largest = float(amplitude.max())
    uniform = bool((amplitude == largest).all())
    levels = np.ones(n_data_inputs, np.int64) if uniform else np.rint(amplitude / largest * MAX_LEVEL).astype(np.int64)
    unit = largest if uniform else largest / MAX_LEVEL
    total = np.sqrt(float(np.sum(levels.astype(np.float64) ** 2)) * unit**2 + rest)
    anchor, parked = (np.sqrt(rest), 0.0) if anchor_share > 0 else (0.0, np.sqrt(rest))
    return Panel(levels, unit / total, float(anchor / total), float(parked / total))


def beam_intensity(dmd: DMDSettings, laser: LaserSettings) -> NDArray[np.float64]:
    """Intensity over the mirrors, float64[rows, columns], 1 at the centre: exp(-2 r^2 / w^2), or 1 for a flat top."""
    if laser.profile == "flat":
        return np.ones((dmd.rows, dmd.columns))
    y = (np.arange(dmd.rows) - (dmd.rows - 1) / 2) * dmd.pitch_m
    x = (np.arange(dmd.columns) - (dmd.columns - 1) / 2) * dmd.pitch_m
    radius2 = np.add.outer(y * y, x * x)
    return np.asarray(np.exp(-2 * radius2 / laser.beam_radius_m**2))
