"""A bench in a config file: its parts, what its mirrors and pixels stand for, and how patiently frames are taken."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, field_validator, model_validator

from opu.errors import ConfigError
from opu.layout import LayoutName
from opu.part_kinds import ROLES, PartKind, Role, load_part_kind, part_kind_names
from opu.validation import suggestion, validated

from .checked import Settings

Table = dict[str, Any]
Triggering = Literal["software", "modulator", "camera"]
Seconds = Annotated[float, Field(ge=0, le=86400)]
Pixels = tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]


class OutputSettings(Settings):
    """Which pixels are outputs: blocks on a grid over a region of the camera, or a list.

    region: [row, column, rows, columns] of the sensor, left out: all of it. block: [rows, columns] of pixels read as one
    output, or one number for both; about a speckle grain makes a good one. step: from block to block, at least a block;
    left out: blocks touch. reduce: "sum" (the range grows by the pixels of a block) or "mean" (rounded to the camera's own
    codes). pixels_file: .npy of the pixels that are outputs, bool[rows, columns] of the region or int[n, 2] of (row, column)
    in it; then block and step are left out. saturation_dn: where a pixel clips, left out: at its largest code. grain_px:
    diameter of a speckle grain in pixels, where it was measured.
    """

    region: tuple[int, int, int, int] | None = None
    block: Pixels = (1, 1)
    step: Pixels | None = None
    reduce: Literal["sum", "mean"] = "sum"
    pixels_file: str | None = None
    saturation_dn: int | None = Field(default=None, ge=1)
    grain_px: float = Field(default=0.0, ge=0)

    @field_validator("region", mode="before")
    @classmethod
    def _four(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value

    @field_validator("block", "step", mode="before")
    @classmethod
    def _pair(cls, value: Any) -> Any:
        if isinstance(value, int) and not isinstance(value, bool):
            return (value, value)
        return tuple(value) if isinstance(value, list) else value

    @model_validator(mode="after")
    def _blocks_fit(self) -> Self:
        if self.step is not None and (self.step[0] < self.block[0] or self.step[1] < self.block[1]):
            raise ValueError(
                f"step = {list(self.step)} is shorter than block = {list(self.block)}, so blocks would share pixels; make it "
                "at least as long"
            )
        if self.pixels_file is not None and (self.step is not None or self.block != (1, 1)):
            raise ValueError("pixels_file lists single pixels; leave out block and step")
        return self


class BenchSettings(Settings):
    """Settings of the device kind `bench`.

    modulator, camera, laser, power_meter: tables with the part's own `kind` (`opu devices --parts` lists them) and settings.
    Without a laser its light is not ours: nothing can turn it off, and no dark frame is taken.

    n_inputs: data inputs; the anchor comes on top and gets anchor_share of the mirrors. layout, roi: which mirrors serve
    which input, roi = [x, y, width, height] in mirrors. n_outputs: so many of the outputs that `outputs` selects, evenly
    spread; left out: all.

    trigger: who paces the frames. "software": this computer, one by one. "modulator": its clock, with a pulse to the camera
    for each pattern. "camera": its exposure pulses the modulator, lead_frames = 0 at its start, 1 at its end. overlap: the
    camera may expose while it reads out. frame_gap_s: between an exposure's end and the next pattern. timeout_s: how late
    a frame may be. retries: rounds without a new reading before DeviceError.

    warm_up_s: light before the first measurement, and as much again as it was dark (at most warm_up_s); settle_s: after
    every switching on. dark: "laser" blanks it for dark frames, "none" never does. medium: a name of your own for it, part
    of the fingerprint: change it when the medium was moved. power_w: mains. watchdog: a process that turns the laser off if
    this one dies or hangs. light_off: the same for `opu serve`, where it is wanted.
    """

    modulator: Table
    camera: Table
    laser: Table | None = None
    power_meter: Table | None = None
    n_inputs: int = Field(ge=1, le=2**24)
    n_outputs: int | None = Field(default=None, ge=1)
    anchor_share: float = Field(default=0.8, ge=0, lt=1)
    layout: LayoutName = "interleaved"
    roi: tuple[int, int, int, int] | None = None
    outputs: OutputSettings = OutputSettings()
    trigger: Triggering = "software"
    lead_frames: int = Field(default=0, ge=0, le=1)
    overlap: bool = False
    gain_db: float = Field(default=0.0, ge=0)
    frame_gap_s: Seconds = 0.0
    timeout_s: Annotated[float, Field(gt=0, le=3600)] = 1.0
    retries: int = Field(default=5, ge=0, le=1000)
    warm_up_s: Seconds = 0.0
    settle_s: Seconds = 0.05
    dark: Literal["laser", "none"] = "laser"
    medium: str = "unknown"
    power_w: float = Field(default=0.0, ge=0)
    watchdog: bool = True
    light_off: str | None = None

    @field_validator(*ROLES)
    @classmethod
    def _known(cls, table: Table | None, info: Any) -> Table | None:
        if table is not None:
            try:
                _checked(info.field_name, table)
            except ConfigError as error:
                raise ValueError(str(error)) from None
        return table

    @field_validator("roi", mode="before")
    @classmethod
    def _four(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value

    @model_validator(mode="after")
    def _lead_of_a_camera(self) -> Self:
        if self.lead_frames and self.trigger != "camera":
            raise ValueError(
                f'lead_frames = {self.lead_frames} is for trigger = "camera", and trigger = "{self.trigger}"; leave it out'
            )
        return self

    @property
    def can_blank(self) -> bool:
        """Whether dark frames can be taken."""
        return self.laser is not None and self.dark == "laser"

    def text(self, *names: str) -> str:
        """Those settings as one line that differs whenever they do."""
        return json.dumps({name: getattr(self, name) for name in names}, sort_keys=True, default=repr)


def build_part(role: Role, table: Table) -> Any:
    """The closed part that a table describes; ConfigError names the key that is wrong."""
    kind, settings = _checked(role, table)
    return kind.build(settings)


def _checked(role: Role, table: Table) -> tuple[PartKind, BaseModel]:
    rest = dict(table)
    name = rest.pop("kind", None)
    if not isinstance(name, str):
        raise ConfigError(f'{role}.kind: missing; write kind = "..."; {suggestion("", part_kind_names(role))}')
    kind = load_part_kind(role, name)
    return kind, validated(kind.settings, rest, role)
