"""Every physical parameter of the simulator, with its unit, range and default; the presets name sets of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from opu.config import merged

from .hashing import MAX_INDEX

PRESET_NAMES = ("ideal", "typical", "harsh")
Preset = Literal["ideal", "typical", "harsh"]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class CameraSettings(_Settings):
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


class DMDSettings(_Settings):
    """Digital micromirror device; the reference panel has 912 x 1140 mirrors."""

    columns: int = Field(912, ge=1, le=2**14, description="mirrors across")
    rows: int = Field(1140, ge=1, le=2**14, description="mirrors down")
    pitch_m: float = Field(7.6e-6, gt=0, description="distance between mirrors")
    contrast_ratio: float | None = Field(
        1000.0, gt=1, description="intensity on over off, 1/eps^2; None (as in preset ideal): off mirrors are black"
    )
    pattern_time_min_s: float = Field(250e-6, ge=0, description="shortest time a pattern can be shown")

    @property
    def leak(self) -> float:
        """Amplitude eps that an off mirror still sends."""
        return 0.0 if self.contrast_ratio is None else self.contrast_ratio**-0.5


class LaserSettings(_Settings):
    """Laser, beam over the panel, and how much of its light one camera output gets."""

    power_w: float = Field(10e-3, gt=0, description="optical power on the panel")
    wavelength_m: float = Field(532e-9, gt=0, description="vacuum wavelength")
    profile: Literal["gaussian", "flat"] = Field("gaussian", description="beam over the panel")
    beam_radius_m: float = Field(5e-3, gt=0, description="radius at 1/e^2 of the central intensity (gaussian)")
    coupling: float = Field(
        1e-9, gt=0, description="fraction of the panel's light that reaches one output, on average over speckle"
    )


class SimSettings(_Settings):
    """One simulated device."""

    n_inputs: int = Field(ge=1, le=MAX_INDEX, description="data inputs (the anchor comes on top)")
    n_outputs: int = Field(ge=1, le=MAX_INDEX, description="camera outputs")
    preset: Preset = Field("typical", description="set of physical parameters that the others override")
    seed: Annotated[int, Field(ge=0, lt=2**64)] = Field(
        0, description="of the medium: the same seed is the same matrix"
    )
    noise_seed: Annotated[int, Field(ge=0, lt=2**64)] | None = Field(
        None, description="of the camera's noise; left out: derived from seed"
    )
    medium: Literal["dense", "structured"] = Field(
        "dense",
        description="dense: i.i.d. entries, the physics; structured: three FFTs, for the largest sizes, another matrix",
    )
    compute: Literal["cpu", "cuda"] = Field(
        "cpu", description="where the light is simulated; cuda needs CuPy and a GPU"
    )
    outputs: tuple[int, int] | None = Field(
        None, description="read only outputs start to stop - 1 of the n_outputs, start a multiple of 4: a shard"
    )
    anchor_share: float = Field(0.8, ge=0, lt=1, description="fraction of the mirrors that form the anchor; 0: none")
    camera: CameraSettings = CameraSettings()
    dmd: DMDSettings = DMDSettings()
    laser: LaserSettings = LaserSettings()

    @property
    def outputs_read(self) -> range:
        """Absolute indices of the outputs this device reads."""
        return range(self.n_outputs) if self.outputs is None else range(*self.outputs)

    @field_validator("outputs", mode="before")
    @classmethod
    def _pair(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value

    @model_validator(mode="after")
    def _shard_fits(self) -> Self:
        if self.outputs is not None:
            start, stop = self.outputs
            if not 0 <= start < stop <= self.n_outputs or start % 4:
                raise ValueError(
                    f"outputs = {self.outputs} is not a range of the {self.n_outputs} outputs that starts at a multiple of 4"
                )
        return self

    @model_validator(mode="before")
    @classmethod
    def _over_preset(cls, table: Any) -> Any:
        if not isinstance(table, Mapping):
            return table
        preset = table.get("preset", "typical")
        return merged(PRESETS[preset], table) if isinstance(preset, str) and preset in PRESETS else dict(table)


# Sources: "typical" is the first public OPU generation (5.5 um global-shutter CMOS: 13,500 e- full well, 12 e- read noise,
# 8 bits; 400 us exposure in a 500 us frame). "harsh" is a small-pixel camera at a tenth of that full well, a dim laser, a
# beam that underfills the panel, and mirrors of poor contrast. "ideal" removes every imperfection but 16-bit rounding.
PRESETS: dict[str, dict[str, Any]] = {
    "ideal": {
        "camera": {
            "bit_depth": 16,
            "full_well_e": 1e6,
            "read_noise_e": 0.0,
            "black_level_dn": 0.0,
            "quantum_efficiency": 1.0,
            "dark_current_e_per_s": 0.0,
            "shot_noise": False,
        },
        "dmd": {"contrast_ratio": None},
        "laser": {"profile": "flat", "coupling": 1e-7},
    },
    "typical": {},
    "harsh": {
        "camera": {
            "full_well_e": 2000.0,
            "read_noise_e": 15.0,
            "black_level_dn": 8.0,
            "quantum_efficiency": 0.4,
            "dark_current_e_per_s": 1000.0,
        },
        "dmd": {"contrast_ratio": 200.0},
        "laser": {"power_w": 1e-3, "beam_radius_m": 3e-3},
    },
}
