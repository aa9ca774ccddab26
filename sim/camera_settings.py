"""Parameters of the simulated camera."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from .checked import Settings


class CameraSettings(Settings):
    """EMVA 1288 (release 4) linear camera."""

    bit_depth: Literal[8, 10, 12, 14, 16] = Field(8, description="bits per reading")
    full_well_e: float = Field(13_500.0, gt=0, description="electrons a pixel holds")
    read_noise_e: float = Field(12.0, ge=0, description="temporal dark noise, electrons rms")
    gain_dn_per_e: float | None = Field(
        None, gt=0, description="system gain K; left out: the range ends four read noises below the full well"
    )
    black_level_dn: float = Field(2.0, ge=0, description="offset that keeps dark noise from being clipped")
    quantum_efficiency: float = Field(0.6, gt=0, le=1, description="electrons per photon")
    dark_current_e_per_s: float = Field(125.0, ge=0, description="thermal electrons")
    shot_noise: bool = Field(True, description="photons arrive by Poisson's law; false: noiseless light")
    exposure_min_s: float = Field(10e-6, gt=0, description="shortest exposure")
    exposure_max_s: float = Field(10e-3, gt=0, description="longest exposure")
    readout_s: float = Field(450e-6, ge=0, description="time to read one frame out")

    @property
    def max_dn(self) -> int:
        """Largest code."""
        return int(2**self.bit_depth - 1)

    @property
    def gain(self) -> float:
        """System gain in DN per electron, given or derived."""
        if self.gain_dn_per_e is not None:
            return self.gain_dn_per_e
        return (self.max_dn - self.black_level_dn) / max(self.full_well_e - 4 * self.read_noise_e, 1.0)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.exposure_min_s > self.exposure_max_s:
            raise ValueError(
                f"exposure_min_s = {self.exposure_min_s:g} s exceeds exposure_max_s = {self.exposure_max_s:g} s; swap them"
            )
        span_dn = min(self.max_dn - self.black_level_dn, self.full_well_e * self.gain)
        if self.gain_dn_per_e is not None and span_dn < 16:
            raise ValueError(
                f"gain_dn_per_e = {self.gain_dn_per_e:g} turns a full well of {self.full_well_e:g} electrons into "
                f"{span_dn:.3g} DN, and 16 DN is the least that can be exposed for; raise the gain, or leave it out"
            )
        if self.black_level_dn >= self.max_dn / 2:
            raise ValueError(
                f"black_level_dn = {self.black_level_dn:g} DN leaves less than half of the {self.max_dn} DN range; lower it"
            )
        if self.full_well_e <= 8 * self.read_noise_e:
            raise ValueError(
                f"full_well_e = {self.full_well_e:g} is not above 8 read noises ({self.read_noise_e:g} electrons rms): "
                "nothing could be told from noise; raise full_well_e or lower read_noise_e"
            )
        return self
