"""Parameters of the simulated laser and its beam."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from .checked import Settings


class LaserSettings(Settings):
    """Laser, beam over the panel, how much of its light one camera output gets, and how steady it is."""

    power_w: float = Field(10e-3, gt=0, description="optical power on the panel")
    wavelength_m: float = Field(532e-9, gt=0, description="vacuum wavelength")
    profile: Literal["gaussian", "flat", "map"] = Field(
        "gaussian", description="beam over the panel; map: as measured, in map_file"
    )
    beam_radius_m: float = Field(5e-3, gt=0, description="radius at 1/e^2 of the central intensity (gaussian)")
    center_x_m: float = Field(
        0.0, description="offset of the beam from the panel's centre along the columns' index (gaussian)"
    )
    center_y_m: float = Field(
        0.0, description="offset of the beam from the panel's centre along the rows' index (gaussian)"
    )
    map_file: str | None = Field(
        None, description=".npy file, intensity at each mirror, shape (dmd.rows, dmd.columns), any unit (map)"
    )
    coupling: float = Field(
        1e-9, gt=0, description="fraction of the panel's light that reaches one output, on average over speckle"
    )
    rin_rms: float = Field(
        0.0, ge=0, le=0.2, description="relative intensity noise, frame to frame, as a fraction of the power"
    )
    power_drift_rms: float = Field(0.0, ge=0, le=0.2, description="slow drift of the power, as a fraction of it")
    power_drift_time_s: float = Field(1800.0, gt=0, description="1/e correlation time of the slow drift")

    @property
    def steady(self) -> bool:
        """Whether every frame gets exactly the same light."""
        return self.rin_rms == 0 and self.power_drift_rms == 0

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.map_file is None) == (self.profile == "map"):
            raise ValueError(
                'profile = "map" needs a map_file'
                if self.map_file is None
                else f'map_file = {self.map_file!r} is used by profile = "map" only, not "{self.profile}"; set one to fit'
            )
        if self.profile != "gaussian" and (self.center_x_m or self.center_y_m):
            raise ValueError(
                f"center_x_m = {self.center_x_m:g} m, center_y_m = {self.center_y_m:g} m move a gaussian beam only, and "
                f'profile = "{self.profile}"; leave them out'
            )
        return self
