"""Parameters of the reference arm: a second beam from the same laser, laid over the speckle on the camera."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from opu.device import ReferenceArm

from .checked import Settings

NYQUIST_CYCLES_PER_PX = 0.5


class ReferenceSettings(Settings):
    """A plane wave in the polariser's direction; no arm by default."""

    arm: ReferenceArm = Field("none", description="static: can be let in or shut; phase: can also be stepped")
    strength: float = Field(
        4.0, gt=0, description="reference light at an output over the mean light of the whole panel switched on"
    )
    tilt_cycles_per_px: tuple[float, float] = Field(
        (0.0, 0.0), description="frequency of its fringes along rows and columns of the region, -0.5 to 0.5"
    )
    phase_gain_error: float = Field(
        0.0, ge=-0.5, le=0.5, description="fraction by which the modulator steps the phase too far"
    )
    coherence_time_s: float | None = Field(
        None, gt=0, description="the arms' phase difference wanders, <exp(i change)> = exp(-t / this); left out: steady"
    )

    @field_validator("tilt_cycles_per_px", mode="before")
    @classmethod
    def _pair(cls, value: Any) -> Any:
        return tuple(float(each) for each in value) if isinstance(value, list) else value

    @model_validator(mode="after")
    def _can_be_sampled(self) -> Self:
        if max(map(abs, self.tilt_cycles_per_px)) > NYQUIST_CYCLES_PER_PX:
            raise ValueError(
                f"tilt_cycles_per_px = {list(self.tilt_cycles_per_px)}: a fringe needs two pixels, so neither may exceed "
                f"{NYQUIST_CYCLES_PER_PX} cycles per pixel; tilt the reference less"
            )
        if self.arm == "none":
            fields = type(self).model_fields
            given = [name for name in fields if name != "arm" and getattr(self, name) != fields[name].default]
            if given:
                raise ValueError(
                    f'reference.{given[0]} is set but there is no reference arm; set arm = "static" or "phase", or leave '
                    "it out"
                )
        if self.arm == "static" and self.phase_gain_error:
            raise ValueError('reference.phase_gain_error is set, but a static arm has no modulator; set arm = "phase"')
        return self
