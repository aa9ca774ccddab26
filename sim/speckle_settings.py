"""Parameters of the speckle: how the medium's light falls on the camera, and how the medium drifts."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from .checked import Settings


class SpeckleSettings(Settings):
    """Defaults: every output is an independent mode of polarised light through a medium that keeps still."""

    region: tuple[int, int] | None = Field(
        None,
        description="[rows, columns] of camera pixels that are the outputs, row by row; left out: outputs lie nowhere",
    )
    grain_px: float | None = Field(
        None,
        ge=0.1,
        le=1000,
        description="speckle grain, wavelength x distance / (pupil diameter x pixel pitch), in pixels; needs region",
    )
    polarisation: float = Field(
        1.0,
        ge=0,
        le=1,
        description="degree of polarisation at the camera: 1 with a polariser, 0 without (thick medium)",
    )
    drift_time_s: float | None = Field(
        None,
        gt=0,
        description="time after which the field's correlation has fallen to 1/e; left out: the medium is still",
    )

    @field_validator("region", mode="before")
    @classmethod
    def _pair(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value

    @field_validator("region")
    @classmethod
    def _has_pixels(cls, value: tuple[int, int] | None) -> tuple[int, int] | None:
        if value is not None and min(value) < 1:
            raise ValueError(f"region = {list(value)}: rows and columns are 1 or more")
        return value

    @property
    def plain(self) -> bool:
        """Whether photons are |field|^2 of one still medium at independent outputs."""
        return self.grain_px is None and self.polarisation == 1 and self.drift_time_s is None
