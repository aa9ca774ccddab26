"""The parts of a bench together: opened with the light off, closed in reverse whatever fails on the way."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from opu.errors import DeviceError, OPUError
from opu.parts import Camera, CameraSpec, LaserSpec, Modulator, ModulatorSpec, PowerMeter

from .bench_light import Light
from .bench_settings import BenchSettings, build_part
from .watchdog import Watchdog

SILENCE_S = 5.0
"""A process that says nothing for so long hangs, and the watchdog turns its laser off. Longer than any compilation holds
the interpreter."""


@dataclass(frozen=True)
class PartSpecs:
    """What the open parts say of themselves."""

    modulator: ModulatorSpec
    camera: CameraSpec
    laser: LaserSpec | None


class Parts:
    """Modulator, camera, light and power meter, closed until open()."""

    def __init__(
        self,
        settings: BenchSettings,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.settings = settings
        self.modulator: Modulator = build_part("modulator", settings.modulator)
        self.camera: Camera = build_part("camera", settings.camera)
        laser = None if settings.laser is None else build_part("laser", settings.laser)
        self.light = Light(laser, settings.warm_up_s, settings.settle_s, clock, sleep)
        self.meter: PowerMeter | None = (
            None if settings.power_meter is None else build_part("power_meter", settings.power_meter)
        )
        self._undo: list[Callable[[], None]] = []
        self._watchdog: Watchdog | None = None

    def probe(self) -> PartSpecs:
        """What the parts are: each is opened, dark, and closed again. The laser comes last: if another program runs this
        bench, its camera or panel is refused before its laser would be darkened."""
        try:
            self._open(self.modulator.open, self.modulator.close)
            self._open(self.camera.open, self.camera.close)
            self._open(self.light.open, self.light.close)
            return self._specs()
        finally:
            self.close()

    def open(self) -> PartSpecs:
        """Laser first, which darkens it, then camera, modulator and meter; on failure all are closed again."""
        try:
            if self.light.laser is not None and self.settings.watchdog:
                hook = f"{__package__}.bench_light_off:light_off"
                self._watchdog = Watchdog(hook, {"laser": self.settings.laser}, SILENCE_S)
            self._open(self.light.open, self.light.close)
            self._open(self.camera.open, self.camera.close)
            self._open(self.modulator.open, self.modulator.close)
            if self.meter is not None:
                self._open(self.meter.open, self.meter.close)
            return self._specs()
        except BaseException:
            with suppress(OPUError):  # the error that stopped the opening is the one to tell
                self.close()
            raise

    def close(self) -> None:
        """Light off, then everything in reverse; each step is tried, and the first error raised at the end. Idempotent."""
        trouble: OPUError | None = None
        steps = [self.light.off, *reversed(self._undo)] if self._undo else []
        self._undo = []
        for step in steps:
            try:
                step()
            except OPUError as error:
                if trouble is None or step == self.light.close:  # what it says of the light matters most
                    trouble = error
        if self._watchdog is not None:
            if trouble is None:
                self._watchdog.farewell()
            else:  # its hook tries too
                self._watchdog.alarm()
            self._watchdog = None
        if trouble is not None:
            raise trouble

    @property
    def note(self) -> str:
        """What is wrong with the watchdog, or nothing."""
        if self._watchdog is None or self._watchdog.is_alive:
            return ""
        return "the watchdog process is gone: nobody turns the laser off if this process is killed; close() and open()"

    def _open(self, take: Callable[[], object], release: Callable[[], None]) -> None:
        self._undo.append(release)  # before: a part that fails half-way is released too
        take()

    def _specs(self) -> PartSpecs:
        modulator, camera = self.modulator.spec, self.camera.spec
        laser = None if self.light.laser is None else self.light.laser.spec
        if self.settings.trigger == "camera" and not modulator.triggered:
            raise DeviceError(
                f'modulator {modulator.model} {modulator.serial!r} takes no trigger pulses, and trigger = "camera" needs that; '
                'set trigger = "modulator" or "software"'
            )
        if self.settings.gain_db > camera.gain_max_db:
            raise DeviceError(
                f"camera {camera.model} {camera.serial!r}: gain_db = {self.settings.gain_db:g} dB is above its "
                f"{camera.gain_max_db:g} dB; lower it"
            )
        return PartSpecs(modulator, camera, laser)
