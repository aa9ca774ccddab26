"""Parameters of the simulated device's clock and mains power."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .checked import Settings


class ClockSettings(Settings):
    """What sets the time of a frame beside exposure, readout and mirrors, and what the device draws meanwhile."""

    rates: Literal["camera", "generation2", "generation3"] = Field(
        "camera",
        description="camera: from exposure, readout and mirrors; generation2, generation3: published rates of real devices",
    )
    gap_s: float = Field(50e-6, ge=0, description="between the end of one exposure or readout and the next trigger")
    link_bytes_per_s: float | None = Field(
        None, gt=0, description="rate at which readings leave the camera; left out: unlimited"
    )
    upload_bytes_per_s: float | None = Field(
        None, gt=0, description="rate at which patterns, one bit a mirror, reach the panel; left out: unlimited"
    )
    power_w: float = Field(30.0, ge=0, description="drawn from the mains; about 30 W is published for the optics")
    real_time: bool = Field(False, description="measure() lasts as long as the device would have taken")
