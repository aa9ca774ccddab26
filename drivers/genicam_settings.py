"""What every GenICam camera is told, whichever library speaks to it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .checked import Settings
from .pixel_formats import PixelFormat


class GenicamSettings(Settings):
    """Settings of every GenICam camera.

    pixel_format: bits per reading and their packing. trigger_line: the camera's input that hardware pulses arrive at.
    gain_db_per_step: for a camera whose gain has steps (GainRaw) and no dB; left out, such a camera keeps its least gain.
    first_block: where this camera's block ids begin at each start, if not where the standard says; "any" if they run on
    through. features: further GenICam features set at open, by their names in the camera's manual, in order.
    """

    pixel_format: PixelFormat = "Mono8"
    trigger_line: str = Field("Line1", min_length=1)
    gain_db_per_step: float | None = Field(None, gt=0)
    first_block: Annotated[int, Field(ge=0)] | Literal["any"] | None = None
    features: dict[str, bool | int | float | str] = Field(default_factory=dict)
