"""Exposure and frame time of a bench: what may be asked for, and the shortest that its parts can keep."""

from __future__ import annotations

from math import isfinite

from opu.device import Acquisition, DeviceSpec
from opu.errors import DeviceError

from .bench_parts import PartSpecs
from .bench_settings import BenchSettings


def check_acquisition(acquisition: Acquisition, spec: DeviceSpec, name: str, settings: BenchSettings) -> None:
    """DeviceError for what no bench of this spec can do; `name` is how messages call it."""
    low, high = spec.exposure_min_s, spec.exposure_max_s
    exposure_s, frame_time_s = acquisition.exposure_s, acquisition.frame_time_s
    if not low <= exposure_s <= high:
        raise DeviceError(
            f"{name}: exposure_s = {exposure_s:g} s is outside the camera's {low:g} to {high:g} s; choose one inside, or "
            "change the laser's power"
        )
    if frame_time_s is not None and not (isfinite(frame_time_s) and frame_time_s >= exposure_s):
        raise DeviceError(
            f"{name}: frame_time_s = {frame_time_s} s with exposure_s = {exposure_s:g} s: pass a finite one that holds the "
            "exposure, or None for the shortest"
        )
    if acquisition.reference_rad:
        raise DeviceError(
            f"{name}: reference_rad = {acquisition.reference_rad}: it has no reference arm; use an anchor"
        )
    if not acquisition.light and not spec.can_blank:
        why = "it has no laser of ours" if settings.laser is None else 'dark = "none"'
        raise DeviceError(
            f"{name}: light = False, and it cannot be blanked ({why}); configure a laser, or take frames with all inputs off"
        )


def shortest_s(settings: BenchSettings, parts: PartSpecs, exposure_s: float, camera_s: float | None) -> float:
    """Shortest frame: the slowest of panel, camera and exposure with its gap.

    camera_s: what the camera itself says of the region and exposure in force; None: its largest rate, after the exposure
    unless they overlap.
    """
    readout_s = 1 / parts.camera.frame_rate_max_hz
    if camera_s is None:
        camera_s = max(exposure_s, readout_s) if settings.overlap else exposure_s + readout_s
    return max(parts.modulator.frame_time_min_s, camera_s, exposure_s + settings.frame_gap_s)
