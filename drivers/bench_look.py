"""Patterns on the mirrors, whole frames from the camera: the bench as `opu bench` uses it, one frame at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from opu.config import Config
from opu.errors import ConfigError, DeviceError, DeviceLost
from opu.exposure import target_level
from opu.factory import build_profile
from opu.parts import CameraFrame, CameraSettings, Region

from .bench_device import BenchDevice
from .bench_parts import Parts
from .bench_settings import BenchSettings
from .bench_spec import Plan, planned

Source: TypeAlias = Literal["laser", "external", "none"]
Patterns = NDArray[np.uint8]


class Table:
    """An open bench. Frames are taken by software trigger, whatever the profile's is."""

    def __init__(self, settings: BenchSettings, parts: Parts, plan: Plan, source: Source) -> None:
        self.settings, self.parts, self.plan, self.source = settings, parts, plan, source
        self.exposure_s = plan.spec.exposure_min_s
        self._region = plan.outputs.region

    @property
    def saturation_dn(self) -> int:
        """Of one pixel."""
        return self.plan.outputs.pixel_saturation_dn

    @property
    def n_mirrors(self) -> tuple[int, int]:
        """(rows, columns) of the panel."""
        return self.plan.parts.modulator.rows, self.plan.parts.modulator.columns

    def expose(self, exposure_s: float, region: Region | None = None) -> float:
        """Set the exposure, clipped to the camera's limits, and the region (None: the profile's); returns what was set."""
        spec = self.plan.spec
        self._region = region or self.plan.outputs.region
        wanted = min(max(exposure_s, spec.exposure_min_s), spec.exposure_max_s)
        self.exposure_s = self.parts.camera.configure(
            CameraSettings(self._region, wanted, self.settings.gain_db)
        ).exposure_s
        return self.exposure_s

    def light(self, on: bool, say: Callable[[str], object] = str) -> None:
        """The laser on, warm, or off; nothing where the light is not ours. say: told how far the warm-up is."""
        if self.source != "laser":
            return
        if on:
            self.parts.light.on(say)
        else:
            self.parts.light.off()

    def check(self) -> None:
        """DeviceError if the laser is not as it was switched: what was taken is of no use."""
        if self.source == "laser":
            self.parts.light.check()

    def mirrors(self, on: NDArray[np.bool_]) -> Patterns:
        """bool[rows, columns] of the panel as one pattern."""
        return np.packbits(on, axis=1)[None]

    def frames(self, frames: NDArray[np.bool_]) -> Patterns:
        """bool[n, n_inputs], the anchor last where there is one, as patterns."""
        return self.plan.mirrors.expand(np.packbits(frames, axis=1))

    def take(self, patterns: Patterns) -> Iterator[NDArray[Any]]:
        """One whole frame of each pattern; the pixels are the caller's only until the next."""
        most = self.plan.parts.modulator.max_patterns
        modulator, camera = self.parts.modulator, self.parts.camera
        for start in range(0, len(patterns), most):
            some = patterns[start : start + most]
            modulator.load(some)
            for index in range(len(some)):
                modulator.show(index)
                yield self._frame().pixels
        modulator.stop()
        camera.stop()

    def _frame(self) -> CameraFrame:
        camera, late_s = self.parts.camera, self.settings.timeout_s + self.exposure_s
        trouble = ""
        for _ in range(self.settings.retries + 1):
            camera.start()
            try:
                camera.trigger()
                frame = camera.grab(late_s)
                if frame.complete and frame.number == 0:
                    return frame
                trouble = "packets are missing" if not frame.complete else f"it has number {frame.number}, not 0"
            except DeviceLost:
                raise
            except DeviceError as error:
                trouble = str(error)
            finally:
                camera.stop()
        spec = self.plan.parts.camera
        raise DeviceError(
            f"camera {spec.model} {spec.serial!r}: no good frame in {self.settings.retries + 1} tries ({trouble}); look at its "
            "cable and packet size, or raise timeout_s"
        )

    def level(self, patterns: Patterns) -> tuple[float, float]:
        """(mean in DN, saturated fraction) over the frames of the patterns."""
        means, clipped = [], []
        for pixels in self.take(patterns):
            means.append(float(pixels.mean()))
            clipped.append(float(np.mean(pixels >= self.saturation_dn)))
        return float(np.mean(means)), float(np.mean(clipped))

    def dark_dn(self, pattern: Patterns) -> float:
        """Mean level now without light, or with all mirrors off where the light is not ours; the light is left off."""
        self.light(False)
        off = pattern[:1] if self.source == "laser" else np.zeros_like(pattern[:1])
        return self.level(off)[0]

    def find_exposure(self, patterns: Patterns) -> float:
        """Expose so that the patterns read about target_level() of the range on average, as far as the camera can."""
        exposure_s = float(np.sqrt(self.plan.spec.exposure_min_s * self.plan.spec.exposure_max_s))
        for _ in range(12):
            exposure_s = self.expose(exposure_s, self._region)
            mean, clipped = self.level(patterns)
            target = target_level(self.saturation_dn) * self.saturation_dn
            factor = 0.25 if clipped > 0.1 else min(32.0, target / max(mean, target / 32))
            if abs(factor - 1) < 0.1:
                break
            before, exposure_s = exposure_s, exposure_s * factor
            if self.expose(exposure_s, self._region) == before:
                break
        return self.exposure_s


@contextmanager
def opened(config: Config, source: Source, say: Callable[[str], None]) -> Iterator[Table]:
    """The chosen profile's bench, open and dark; closed, dark, at the end, whatever it is."""
    device = build_profile(config).device
    if not isinstance(device, BenchDevice):
        kind = config.profile().get("kind")
        raise ConfigError(
            f'{config.where}.kind = "{kind}": `opu bench` looks at the parts of a bench; choose a profile of kind = "bench"'
        )
    settings = device.settings
    if source == "laser" and settings.laser is None:
        raise ConfigError(
            f"{config.where}: there is no [devices.{config.device}.laser], so nothing here can turn the light on or off; "
            "configure it, or mind it yourself and pass --light external"
        )
    parts = Parts(settings, time.monotonic, time.sleep)
    try:
        plan = planned(settings, parts.open())
        _announce(plan, settings, source, say)
        yield Table(settings, parts, plan, source)
    finally:
        parts.close()
        say("light off, bench closed" if source == "laser" else "bench closed")


def _announce(plan: Plan, settings: BenchSettings, source: Source, say: Callable[[str], None]) -> None:
    modulator, camera, laser = plan.parts.modulator, plan.parts.camera, plan.parts.laser
    say(f"panel   {modulator.model} {modulator.serial}, {modulator.columns} x {modulator.rows} mirrors")
    say(f"camera  {camera.model} {camera.serial}, region {plan.outputs.region}, {camera.bit_depth} bits")
    if source == "laser" and laser is not None:
        wavelength = "" if laser.wavelength_m is None else f", {laser.wavelength_m * 1e9:.0f} nm"
        power = (settings.laser or {}).get("power_w")
        amount = f"up to {laser.power_max_w:g} W" if power is None else f"{power:g} W"
        say(f"laser   {laser.model} {laser.serial}{wavelength}, {amount}: IT WILL BE LIT. Ctrl-C turns it off")
    else:
        say("laser   not touched")
