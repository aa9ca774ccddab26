"""Every physical parameter of one simulated device, with its unit, range and default, over a preset's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from opu.config import merged

from .camera_settings import CameraSettings
from .checked import Settings
from .dmd_settings import DMDSettings
from .hashing import MAX_INDEX
from .laser_settings import LaserSettings
from .presets import PRESETS, Preset


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
