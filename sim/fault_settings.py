"""Parameters of what goes wrong with single frames."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from .checked import Settings

MOST_LOST = 0.5
"""Losses are shown again, and those again if lost: beyond one in two, a bench is broken rather than faulty."""


class FaultSettings(Settings):
    """Fractions of frames, each frame by itself."""

    dropped_fraction: float = Field(
        0.0, ge=0, le=MOST_LOST, description="of frames that the camera misses; noticed and shown again"
    )
    trigger_loss_fraction: float = Field(
        0.0,
        ge=0,
        le=MOST_LOST,
        description="of frames whose trigger is lost; noticed after a time-out, and shown again",
    )
    trigger_timeout_s: float = Field(0.1, gt=0, description="wait until a lost trigger is noticed")
    first_trigger_lost: bool = Field(False, description="the first trigger after configure() is always lost")
    duplicated_fraction: float = Field(
        0.0, ge=0, le=MOST_LOST, description="of readings that are the one before over again; not noticed"
    )

    @property
    def any(self) -> bool:
        """Whether anything can go wrong."""
        fractions = self.dropped_fraction, self.trigger_loss_fraction, self.duplicated_fraction
        return self.first_trigger_lost or any(fractions)

    @model_validator(mode="after")
    def _most_arrive(self) -> Self:
        lost = self.dropped_fraction + self.trigger_loss_fraction
        if lost > MOST_LOST:
            raise ValueError(
                f"dropped_fraction + trigger_loss_fraction = {lost:g} of all frames lost exceeds {MOST_LOST:g}; lower one"
            )
        return self
