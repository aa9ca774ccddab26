"""Parameters of the simulated micromirror device."""

from __future__ import annotations

from pydantic import Field

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

    @property
    def leak(self) -> float:
        """Amplitude eps that an off mirror still sends."""
        return 0.0 if self.contrast_ratio is None else self.contrast_ratio**-0.5
