"""Acceptance limits and expected figures: the table [hil] of a config, or [devices.NAME.hil]."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]


class Limits(BaseModel):
    """What a device must do to be fit to train on. Defaults are what DFA was found to need (`opu budget`)."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    significance: Annotated[float, Field(gt=0, lt=0.1)] = Field(
        0.005, description="chance that a healthy device fails anything at all; divided among the tests"
    )
    serial: str | None = Field(None, description="the device must be this one")
    fingerprint: str | None = Field(None, description="its medium must be this one")
    gain_dn_per_e: Positive | None = Field(
        None, description="data sheet's or an earlier measurement's; None: not judged"
    )
    gain_tolerance: Fraction = Field(0.1, description="of the gain from that, relative, at most")
    read_noise_e: Positive | None = Field(None, description="at most; None: not judged")
    full_well_e: Positive | None = Field(None, description="at least; None: not judged")
    dark_level: Fraction = Field(0.25, description="of the range, at most")
    dark_noise_dn: Positive | None = Field(None, description="at most; None: not judged")
    dead_outputs: Fraction = Field(0.01, description="of all outputs, at most")
    hot_outputs: Fraction = Field(0.01, description="of all outputs, at most")
    saturated: Fraction = Field(0.02, description="of readings at the calibrated exposure, at most")
    dead_inputs: Fraction = Field(0.0, description="of the inputs tried, at most")
    crosstalk: Fraction = Field(0.05, description="light of one input that the next gives too, at most")
    row_correlation: Fraction = Field(0.05, description="squared correlation of any two outputs, beyond grain, at most")
    speckle_contrast: tuple[float, float] = Field((0.6, 1.1), description="least and most of std / mean of the light")
    drift_time_s: Positive | None = Field(None, description="1/e time of the medium, at least; None: from drift_steps")
    drift_steps: Positive = Field(100.0, description="training steps in one 1/e time, at least")
    batch_size: int = Field(128, ge=1, description="samples in a training step, for drift_steps")
    snr_per_frame: Positive = Field(0.3, description="signal over noise power of one frame, at least")
    projection_snr: Positive = Field(0.3, description="of one linear projection, at least")
    nonlinear_power: Fraction = Field(0.05, description="of additivity and homogeneity, at most")
    kernel_error: Fraction = Field(0.1, description="relative error of the kernel beyond its sampling error, at most")
    frame_rate: Fraction = Field(0.5, description="measured frame rate over the one in the spec, at least")
    latency_s: Positive = Field(1.0, description="one frame from call to reading, median, at most")
    jitter: Positive = Field(5.0, description="medians (and 0.1 s) that at most one call in a hundred may exceed")
    lost_frames: Fraction = Field(0.0, description="of frames shown, at most")
    medium_correlation: Fraction = Field(0.8, description="of readings with those of the baseline's medium, at least")
    alignment_deg: Annotated[float, Field(gt=0, le=90)] = Field(
        80.0, description="angle of a sample's errors to backprop's after a short training, at most"
    )
    accuracy: Fraction = Field(0.8, description="of a short training on handwritten digits, at least")
    thermal_drift: Fraction = Field(0.05, description="change of the bright level while settling, at most")
    dead_man_s: Positive = Field(5.0, description="light off after the controller falls silent, at most")
