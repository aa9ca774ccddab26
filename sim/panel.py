"""The micromirror panel under the beam: the light that each input gets."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opu.errors import ConfigError, InputError
from opu.layout import mirror_order, mirror_shares

from .dmd_settings import DMDSettings
from .laser_settings import LaserSettings

MAX_LEVEL = 4095


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
    """Share the beam out over the inputs as `layout.mirror_owner` gives the mirrors.

    InputError if an input would have no mirror, or all of them no light; ConfigError for a beam map that does not fit.
    """
    shares = mirror_shares(n_data_inputs, anchor_share, dmd)
    if laser.profile == "flat":
        data = np.full(n_data_inputs, float(shares.per_input))
        rest, outside = float(shares.anchor + shares.parked_inside), float(shares.parked_outside)
    else:
        intensity = beam_intensity(dmd, laser).ravel()[mirror_order(n_data_inputs, anchor_share, dmd)]
        data = intensity[: shares.used].reshape(n_data_inputs, shares.per_input).sum(axis=1)
        rest = float(intensity[shares.used : shares.inside].sum())
        outside = float(intensity[shares.inside :].sum())
    amplitude = np.sqrt(data)
    largest = float(amplitude.max())
    if largest == 0:
        raise InputError(_no_light(laser, dmd))
    uniform = bool((amplitude == largest).all())
    levels = np.ones(n_data_inputs, np.int64) if uniform else np.rint(amplitude / largest * MAX_LEVEL).astype(np.int64)
    unit = largest if uniform else largest / MAX_LEVEL
    total = np.sqrt(float(np.sum(levels.astype(np.float64) ** 2)) * unit**2 + rest + outside)
    anchor, parked = (np.sqrt(rest), np.sqrt(outside)) if anchor_share > 0 else (0.0, np.sqrt(rest + outside))
    return Panel(levels, unit / total, float(anchor / total), float(parked / total))


def beam_intensity(dmd: DMDSettings, laser: LaserSettings) -> NDArray[np.float64]:
    """Intensity over the mirrors, float64[rows, columns], 1 at the peak.

    exp(-2 r^2 / w^2) about the beam's centre, 1 for a flat top, or the measured map over its largest value.
    """
    if laser.profile == "flat":
        return np.ones((dmd.rows, dmd.columns))
    if laser.profile == "map":
        measured = beam_map(dmd, laser)
        measured /= measured.max()
        return measured
    y = (np.arange(dmd.rows) - (dmd.rows - 1) / 2) * dmd.pitch_m - laser.center_y_m
    x = (np.arange(dmd.columns) - (dmd.columns - 1) / 2) * dmd.pitch_m - laser.center_x_m
    radius2 = np.add.outer(y * y, x * x)
    return np.asarray(np.exp(-2 * radius2 / laser.beam_radius_m**2))


def beam_map(dmd: DMDSettings, laser: LaserSettings) -> NDArray[np.float64]:
    """The measured intensity from laser.map_file, float64[rows, columns], as stored; ConfigError says what is wrong with it."""
    assert laser.map_file is not None  # LaserSettings saw to it
    path = Path(laser.map_file).absolute()
    name = f"laser.map_file = {str(path)!r}"
    try:
        stored: Any = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ConfigError(f"{name} cannot be read as a NumPy .npy file ({error}); write it with numpy.save") from None
    if not isinstance(stored, np.ndarray) or stored.dtype.kind not in "fiu":
        held = f"{stored.dtype} numbers" if isinstance(stored, np.ndarray) else "several arrays"
        raise ConfigError(f"{name} holds {held}; save one array of real intensities with numpy.save")
    if stored.shape != (dmd.rows, dmd.columns):
        raise ConfigError(
            f"{name} has shape {stored.shape}, and the panel has {dmd.rows} rows and {dmd.columns} columns; resample the map "
            f"to ({dmd.rows}, {dmd.columns}), or set dmd.rows and dmd.columns to its shape"
        )
    intensity = stored.astype(np.float64)
    wrong = np.argwhere(~(np.isfinite(intensity) & (intensity >= 0)))
    if len(wrong):
        row, column = wrong[0]
        raise ConfigError(
            f"{name}: intensity {intensity[row, column]:g} at row {row}, column {column} ({len(wrong)} such mirrors); "
            "intensities are finite and at least 0: subtract less background, or clip at 0"
        )
    if not intensity.any():
        raise ConfigError(f"{name} is 0 everywhere; a map of the beam has light somewhere")
    return intensity


def panel_identity(n_data_inputs: int, anchor_share: float, dmd: DMDSettings, laser: LaserSettings) -> str:
    """Text that differs whenever the light of an input does, for a device's fingerprint; a beam map counts by its content."""
    mirrors = f"{dmd.columns} {dmd.rows} {dmd.contrast_ratio} {dmd.layout} {dmd.region}"
    beam = "flat"
    if laser.profile == "gaussian":
        beam = f"gaussian {dmd.pitch_m} {laser.beam_radius_m} {laser.center_x_m} {laser.center_y_m}"
    elif laser.profile == "map":
        beam = f"map {sha256(beam_map(dmd, laser).tobytes()).hexdigest()}"
    return f"{n_data_inputs} {anchor_share} {mirrors} {beam}"


def _no_light(laser: LaserSettings, dmd: DMDSettings) -> str:
    if laser.profile == "map":
        return (
            f"the beam map {laser.map_file!r} is dark on every data input's mirrors; move dmd.roi = {list(dmd.region)}"
        )
    return (
        f"the beam (center_x_m = {laser.center_x_m:g} m, center_y_m = {laser.center_y_m:g} m, beam_radius_m = "
        f"{laser.beam_radius_m:g} m) leaves every data input dark; move it onto the mirrors in use, or widen it"
    )
