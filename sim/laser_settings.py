"""Parameters of the simulated laser and its beam."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .checked import Settings


class LaserSettings(Settings):
    """Laser, beam over the panel, and how much of its light one camera output gets."""

    power_w: float = Field(10e-3, gt=0, description="optical power on the panel")
    wavelength_m: float = Field(532e-9, gt=0, description="vacuum wavelength")
    profile: Literal["gaussian", "flat"] = Field("gaussian", description="beam over the panel")
    beam_radius_m: float = Field(5e-3, gt=0, description="radius at 1/e^2 of the central intensity (gaussian)")
    coupling: float = Field(
        1e-9, gt=0, description="fraction of the panel's light that reaches one output, on average over speckle"
    )
