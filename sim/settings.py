"""Every physical parameter of one simulated device, with its unit, range and default, over a preset's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from opu.config import merged

from .camera_settings import CameraSettings
from .checked import Settings
from .clock_settings import ClockSettings
from .dmd_settings import DMDSettings
from .fault_settings import FaultSettings
from .hashing import MAX_INDEX
from .laser_settings import LaserSettings
from .presets import PRESETS, Preset
from .reference_settings import ReferenceSettings
from .speckle_settings import SpeckleSettings


class SimSettings(Settings):
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
    medium: Literal["dense", "structured", "matrix"] = Field(
        "dense",
        description="dense: i.i.d. entries, the physics; structured: three FFTs, for the largest sizes, another matrix; "
        "matrix: one that was measured, from matrix_file",
    )
    matrix_file: str | None = Field(
        None,
        description="complex [n_outputs, n_inputs], or with the anchor's column last; .npy, .safetensors, .h5 or .hdf5",
    )
    matrix_scale: float | None = Field(
        None,
        gt=0,
        description="factor on its entries; left out: their root mean square becomes 1, and coupling means what it says",
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
    clock: ClockSettings = ClockSettings()
    faults: FaultSettings = FaultSettings()
    speckle: SpeckleSettings = SpeckleSettings()
    reference: ReferenceSettings = ReferenceSettings()

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

    @model_validator(mode="after")
    def _region_fits(self) -> Self:
        speckle, tilt = self.speckle, self.reference.tilt_cycles_per_px
        if speckle.region is None and (speckle.grain_px is not None or any(tilt)):
            what = "speckle.grain_px" if speckle.grain_px is not None else "reference.tilt_cycles_per_px"
            raise ValueError(
                f"{what} is set, but the outputs are no pixels of a region; set speckle.region = [rows, columns] with rows x "
                f"columns = n_outputs = {self.n_outputs}"
            )
        if speckle.region is not None and speckle.region[0] * speckle.region[1] != self.n_outputs:
            rows, columns = speckle.region
            raise ValueError(
                f"speckle.region = [{rows}, {columns}] has {rows * columns} pixels, and n_outputs = {self.n_outputs}; "
                "every pixel is an output, so set n_outputs to that number"
            )
        return self

    @model_validator(mode="after")
    def _matrix_is_named(self) -> Self:
        if self.medium != "matrix":
            given = [name for name in ("matrix_file", "matrix_scale") if getattr(self, name) is not None]
            if given:
                raise ValueError(
                    f'{given[0]} is set, but medium = "{self.medium}"; set medium = "matrix", or leave it out'
                )
            return self
        if self.matrix_file is None:
            raise ValueError('medium = "matrix" needs matrix_file, the file that holds it')
        for name, value, still in (
            ("grain_px", self.speckle.grain_px, None),
            ("polarisation", self.speckle.polarisation, 1.0),
        ):
            if value != still:
                raise ValueError(
                    f'speckle.{name} = {value} with medium = "matrix": the fields at the outputs were measured as they are, '
                    "in one polarisation; leave it out"
                )
        return self

    @model_validator(mode="after")
    def _gpu_can(self) -> Self:
        cpu_only = {
            'medium = "matrix"': self.medium == "matrix",
            "speckle.grain_px": self.speckle.grain_px is not None,
            "speckle.polarisation": self.speckle.polarisation != 1,
            "speckle.drift_time_s": self.speckle.drift_time_s is not None,
            "reference.arm": self.reference.arm != "none",
            "faults.duplicated_fraction": self.faults.duplicated_fraction != 0,
        }
        wanted = [name for name, there in cpu_only.items() if there]
        if self.compute == "cuda" and wanted:
            raise ValueError(
                f'compute = "cuda" does not simulate {", ".join(wanted)}; use compute = "cpu", or leave it out'
            )
        return self

    @model_validator(mode="before")
    @classmethod
    def _over_preset(cls, table: Any) -> Any:
        if not isinstance(table, Mapping):
            return table
        preset = table.get("preset", "typical")
        return merged(PRESETS[preset], table) if isinstance(preset, str) and preset in PRESETS else dict(table)
