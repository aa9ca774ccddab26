"""Parameters of the simulated micromirror device."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from .checked import Settings


class DMDSettings(Settings):
    """Digital micromirror device; the reference panel has 912 x 1140 mirrors."""

    columns: int = Field(912, ge=1, le=2**14, description="mirrors across")
    rows: int = Field(1140, ge=1, le=2**14, description="mirrors down")
    pitch_m: float = Field(7.6e-6, gt=0, description="distance between mirrors")
    contrast_ratio: float | None = Field(
        1000.0, gt=1, description="intensity on over off, 1/eps^2; None (as in preset ideal): off mirrors are black"
    )
    pattern_time_min_s: float = Field(250e-6, ge=0, description="shortest time a pattern can be shown")
    layout: Literal["interleaved", "blocks", "rows"] = Field(
        "interleaved",
        description="mirrors of one input: scattered over the panel, a rectangle, or a run along the rows",
    )
    roi: tuple[int, int, int, int] | None = Field(
        None, description="[x, y, width, height] of the mirrors used; those outside are parked; left out: all"
    )

    @property
    def leak(self) -> float:
        """Amplitude eps that an off mirror still sends."""
        return 0.0 if self.contrast_ratio is None else self.contrast_ratio**-0.5

    @property
    def region(self) -> tuple[int, int, int, int]:
        """(x, y, width, height) of the mirrors used."""
        return (0, 0, self.columns, self.rows) if self.roi is None else self.roi

    @field_validator("roi", mode="before")
    @classmethod
    def _four(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value

    @model_validator(mode="after")
    def _region_fits(self) -> Self:
        x, y, width, height = self.region
        inside = 0 <= x < x + width <= self.columns and 0 <= y < y + height <= self.rows
        if not inside:
            raise ValueError(
                f"roi = [{x}, {y}, {width}, {height}] (x, y, width, height, in mirrors) is not inside the panel of "
                f"{self.columns} x {self.rows} mirrors; shrink or move it"
            )
        return self
