"""Parameters of the simulated camera."""

from __future__ import annotations

from math import hypot
from typing import Annotated, Self

from pydantic import Field, model_validator

from .checked import Settings

LEAST_SPAN_DN = 16.0
LARGEST_OVERRANGE = 4.0


class CameraSettings(Settings):
    """EMVA 1288 (release 4) linear camera: one gain, Poisson electrons, Gaussian read noise, fixed differences of pixels."""

    bit_depth: int = Field(
        8, ge=1, le=16, description="bits per reading: 8, 10 and 12 are sold, 1 to 7 are for studies"
    )
    full_well_e: float = Field(13_500.0, gt=0, description="electrons a pixel holds")
    read_noise_e: float = Field(12.0, ge=0, description="temporal dark noise, electrons rms")
    gain_dn_per_e: float | None = Field(
        None, gt=0, description="system gain K; left out: the range ends four dark noises below the full well"
    )
    black_level_dn: float | None = Field(
        None,
        ge=0,
        description="offset that keeps dark noise from being clipped; left out: 1/128 of the range, 2 of 256 DN",
    )
    quantum_efficiency: float = Field(0.6, gt=0, le=1, description="electrons per photon")
    dark_current_e_per_s: float = Field(125.0, ge=0, description="thermal electrons at dark_reference_c")
    temperature_c: float = Field(25.0, ge=-100, le=100, description="of the sensor")
    dark_reference_c: float = Field(
        25.0, ge=-100, le=100, description="temperature that the dark currents are given at"
    )
    dark_doubling_c: float = Field(
        8.0, ge=1, description="warming that doubles the dark current, 5 to 10 °C for silicon"
    )
    prnu_rms: float = Field(0.0, ge=0, le=0.2, description="photo response non-uniformity, rms over pixels of the mean")
    dsnu_e: float = Field(0.0, ge=0, description="dark signal non-uniformity, electrons rms over pixels")
    hot_fraction: float = Field(0.0, ge=0, le=1, description="of pixels with the hot dark current as well")
    hot_dark_current_e_per_s: float = Field(100_000.0, ge=0, description="of a hot pixel, on top, at dark_reference_c")
    dead_fraction: float = Field(0.0, ge=0, lt=1, description="of pixels that see no light")
    pixel_seed: Annotated[int, Field(ge=0, lt=2**64)] = Field(
        0, description="which camera of its make this is: the pattern of its pixels, never their noise"
    )
    shot_noise: bool = Field(True, description="photons arrive by Poisson's law; false: noiseless light")
    exposure_min_s: float = Field(10e-6, gt=0, description="shortest exposure")
    exposure_max_s: float = Field(10e-3, gt=0, description="longest exposure")
    readout_s: float = Field(450e-6, ge=0, description="time to read one frame out")

    @property
    def max_dn(self) -> int:
        """Largest code."""
        return int(2**self.bit_depth - 1)

    @property
    def black_dn(self) -> float:
        """Black level in DN, given or derived: the same electrons at every bit depth."""
        return 2.0 ** (self.bit_depth - 7) if self.black_level_dn is None else self.black_level_dn

    @property
    def headroom_e(self) -> float:
        """Four times the rms of everything dark, temporal and fixed: how far below the full well it still shows."""
        return 4 * hypot(self.read_noise_e, self.dsnu_e)

    @property
    def gain(self) -> float:
        """System gain in DN per electron, given or derived."""
        if self.gain_dn_per_e is not None:
            return self.gain_dn_per_e
        return (self.max_dn - self.black_dn) / max(self.full_well_e - self.headroom_e, 1.0)

    @property
    def warming(self) -> float:
        """Factor on the dark currents: 2^((temperature - reference) / doubling)."""
        return float(2.0 ** ((self.temperature_c - self.dark_reference_c) / self.dark_doubling_c))

    @property
    def uniform(self) -> bool:
        """Whether all pixels are alike."""
        return not (self.prnu_rms or self.dsnu_e or self.hot_fraction or self.dead_fraction)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.exposure_min_s > self.exposure_max_s:
            raise ValueError(
                f"exposure_min_s = {self.exposure_min_s:g} s exceeds exposure_max_s = {self.exposure_max_s:g} s; swap them"
            )
        if self.black_dn >= self.max_dn / 2:
            raise ValueError(
                f"black_level_dn = {self.black_dn:g} DN leaves less than half of the {self.max_dn} DN range; lower it"
            )
        if self.full_well_e <= 2 * self.headroom_e:
            raise ValueError(
                f"full_well_e = {self.full_well_e:g} is not above 8 dark noises ({self.read_noise_e:g} electrons rms of read "
                f"noise, {self.dsnu_e:g} of dsnu_e): nothing could be told from noise; raise full_well_e or lower "
                "read_noise_e or dsnu_e"
            )
        self._check_gain()
        self._check_dark_current()
        return self

    def _check_gain(self) -> None:
        if self.gain_dn_per_e is None:
            return
        codes_dn = self.max_dn - self.black_dn
        # Few codes must all be reached: with 4 bits or less there are no 16 DN to ask for.
        least_dn = min(LEAST_SPAN_DN, codes_dn)
        span_dn = (self.full_well_e - self.headroom_e) * self.gain_dn_per_e
        if min(span_dn, codes_dn) < least_dn * (1 - 1e-9):
            raise ValueError(
                f"gain_dn_per_e = {self.gain_dn_per_e:g} turns a full well of {self.full_well_e:g} electrons into "
                f"{span_dn:.3g} DN, and {least_dn:.3g} DN is the least that can be exposed for; raise the gain, or leave it out"
            )
        overrange = self.full_well_e * self.gain_dn_per_e / codes_dn
        if overrange > LARGEST_OVERRANGE * 1.001:
            raise ValueError(
                f"gain_dn_per_e = {self.gain_dn_per_e:g} turns a full well of {self.full_well_e:g} electrons into "
                f"{overrange:.3g} times the {codes_dn:g} DN above black: the range ends at {codes_dn / self.gain_dn_per_e:.4g} "
                f"electrons and {1 - 1 / overrange:.0%} of the well is never used; lower the gain to at most "
                f"{LARGEST_OVERRANGE * codes_dn / self.full_well_e:.4g}, leave it out, or set full_well_e to what is used"
            )

    def _check_dark_current(self) -> None:
        usable_e = min(self.full_well_e, (self.max_dn - self.black_dn) / self.gain)
        dark_e_per_s = self.dark_current_e_per_s * self.warming
        longest_s = usable_e / max(dark_e_per_s, 1e-300)
        if longest_s <= self.exposure_max_s:
            raise ValueError(
                f"dark_current_e_per_s = {self.dark_current_e_per_s:g} at {self.dark_reference_c:g} °C is {dark_e_per_s:.4g} "
                f"electrons/s at temperature_c = {self.temperature_c:g} °C: {dark_e_per_s * self.exposure_max_s:.4g} electrons "
                f"in exposure_max_s = {self.exposure_max_s:g} s leave no room for light in the {usable_e:.4g} that a reading "
                f"holds; cool the camera, or shorten exposure_max_s to {longest_s / 2:.2g} s"
            )
