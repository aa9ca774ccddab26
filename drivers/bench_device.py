"""A bench as a `Device`: laser, micromirrors and camera show frames and read them, and nothing doubtful is handed on."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from threading import Event, RLock

import numpy as np
from numpy.typing import NDArray

from opu.device import Acquisition, DeviceSpec, DeviceStatus, Frames, Readings
from opu.errors import DeviceClosed, DeviceError, DeviceLost, OPUError
from opu.frames import checked_packed
from opu.parts import CameraFrame, CameraSettings, PartStatus

from .bench_acquisition import check_acquisition, shortest_s
from .bench_frozen import FrozenCheck
from .bench_parts import Parts
from .bench_sequence import Counts, GaveUp, Indices, Shown, collect
from .bench_settings import BenchSettings
from .bench_spec import Plan, planned
from .bench_status import bench_status
from .bench_trigger import TRIGGERS, Timing

SEQUENCE_BYTES = 64 << 20
"""Patterns made at once."""
CLOSE_S = 5.0
"""How long close() waits for a measurement to notice; the light is off before."""

REMEDIES = {
    "software": "Is the camera's link whole (cable, packet size, bandwidth)? Raise timeout_s, or retries",
    "modulator": "Is the modulator's pulse wired to the camera's trigger line, and the exposure shorter than a frame? Raise "
    "frame_gap_s, or try trigger = 'software'",
    "camera": "Is the camera's line wired to the modulator's trigger, on the edge that lead_frames says? Try "
    "trigger = 'software'",
}


class BenchDevice:
    """|A b|^2 of the medium on the bench, in DN. See BenchSettings; drivers/bench_sequence.py says what is believed.

    open() leaves it dark. The first measurement with light turns the laser on; it stays on until a dark acquisition, an
    error or close(). An error while lit leaves it dark, and the next measurement lights it again. After DeviceLost,
    close() and open(). measure() is for one thread; close() and status() for any.
    """

    def __init__(
        self,
        settings: BenchSettings,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.settings, self._clock, self._sleep = settings, clock, sleep
        self.parts = Parts(settings, clock, sleep)
        self._plan: Plan | None = None
        self._patterns: NDArray[np.uint8] | None = None
        self._busy, self._closing = RLock(), Event()
        self._is_open = False
        self._reset()

    def _reset(self) -> None:
        self._acquisition: Acquisition | None = None
        self._camera_settings: CameraSettings | None = None
        self._paced = False
        self._frozen = FrozenCheck()
        self._shown = self._saturated = 0
        self._counts = Counts()
        self._seconds = 0.0
        self._failure = self._progress = ""
        self._part_status: tuple[PartStatus | None, PartStatus | None] = (None, None)

    @property
    def spec(self) -> DeviceSpec:
        """Identity, shape and abilities; the first use opens the parts, dark, and closes them again."""
        return self._planned().spec

    def open(self) -> None:
        """Take every part, dark. DeviceError if one does not open, or if it is another part than before."""
        if self._is_open:
            raise DeviceError(f"{self._name} is already open; close() it first")
        plan = self._planned()
        found = self.parts.open()
        if found != plan.parts:
            self.parts.close()
            before, now = (f"{p.modulator}, {p.camera}, {p.laser}" for p in (plan.parts, found))
            self._plan = None
            raise DeviceError(
                f"bench {plan.spec.serial!r} has other parts than when it was first asked: {before} before, {now} now. Make a "
                "new device for them, and calibrate"
            )
        self._reset()
        self._closing.clear()
        self._is_open = True

    def close(self) -> None:
        """Light off, at once and from any thread; then modulator, camera and laser are released. Idempotent."""
        self._closing.set()
        with suppress(OPUError):  # parts.close() tries again, and tells
            self.parts.light.off()
        free = self._busy.acquire(timeout=CLOSE_S)
        try:
            self._is_open, self._acquisition, self._progress = False, None, ""
            self.parts.close()
        finally:
            if free:
                self._busy.release()

    def configure(self, acquisition: Acquisition) -> Acquisition:
        """Set exposure and frame time, and turn the light off for dark frames; DeviceError outside the limits."""
        self._check_open("configure")
        plan, settings = self._planned(), self.settings
        check_acquisition(acquisition, plan.spec, self._name, settings)
        asked = CameraSettings(
            plan.outputs.region,
            acquisition.exposure_s,
            settings.gain_db,
            "hardware" if settings.trigger == "modulator" else "software",
        )
        before, with_camera = self._camera_settings, self.parts.camera
        with self._busy:
            try:
                in_force = with_camera.configure(asked)
                shortest = shortest_s(settings, plan.parts, in_force.exposure_s, in_force.frame_time_s)
                frame_time_s = acquisition.frame_time_s
                if frame_time_s is not None and frame_time_s < shortest * (1 - 1e-9):  # for one read back from a file
                    if before is not None:
                        with_camera.configure(replace(before, frame_time_s=None))
                    raise DeviceError(
                        f"{self._name}: frame_time_s = {frame_time_s:g} s is shorter than {shortest:g} s, what panel, camera "
                        f"and exposure_s = {in_force.exposure_s:g} s take; ask for a longer one, or pass None for the shortest"
                    )
                if not acquisition.light:
                    self.parts.light.off()
            except DeviceLost as error:
                self._failure = str(error)
                self._darken()
                raise
            self._camera_settings, self._paced = in_force, frame_time_s is not None
            self._frozen.forget()
            self._acquisition = replace(
                acquisition,
                exposure_s=in_force.exposure_s,
                frame_time_s=shortest if frame_time_s is None else frame_time_s,
            )
            return self._acquisition

    def measure(self, frames: Frames) -> Readings:
        """Show frames, bool[n, n_inputs] or packed, and read the camera: DN, (n, n_outputs).

        DeviceError, with the light off, if frames stay lost or doubtful, or the laser is not as it should be; DeviceLost if
        a part no longer answers.
        """
        self._check_open("measure")
        acquisition = self._acquisition
        if acquisition is None:
            raise DeviceError(f"{self._name}: configure() an exposure before measure()")
        plan = self._planned()
        packed = np.ascontiguousarray(checked_packed(frames, plan.spec.n_inputs))
        readings = np.empty((len(packed), plan.spec.n_outputs), plan.outputs.dtype)
        with self._busy:
            try:
                if acquisition.light:
                    self.parts.light.on(self._wait)
                started_s = self._clock()
                counts = self._shown_all(plan, acquisition, packed, readings)
            except GaveUp as error:
                self._counts += error.counts
                self._darken()
                raise DeviceError(self._gave_up(error, len(packed))) from None
            except BaseException as error:
                if isinstance(error, DeviceLost):
                    self._failure = str(error)
                self._darken()
                raise
            self._counts += counts
            self._shown += len(packed)
            self._seconds += max(self._clock() - started_s, len(packed) * (acquisition.frame_time_s or 0.0))
            self._saturated += int(np.count_nonzero(readings >= plan.spec.saturation_dn))
            return readings

    def status(self) -> DeviceStatus:
        """State now; what the parts say of themselves is asked unless a measurement keeps them busy."""
        if self._is_open and self._busy.acquire(blocking=False):
            try:
                with suppress(Exception):
                    self._part_status = (self.parts.modulator.status(), self.parts.camera.status())
            finally:
                self._busy.release()
        n_outputs = self._plan.spec.n_outputs if self._plan is not None else 1
        return bench_status(
            self._is_open,
            self.parts.light,
            self._part_status,
            self._acquisition,
            self._counts,
            [self._failure, self._progress, self.parts.note],
            frames_shown=self._shown,
            saturated_fraction=self._saturated / max(1, self._shown * n_outputs),
            device_seconds=self._seconds,
            device_joules=self._seconds * self.settings.power_w,
        )

    def _shown_all(self, plan: Plan, acquisition: Acquisition, packed: NDArray[np.uint8], readings: Readings) -> Counts:
        frame_time_s = acquisition.frame_time_s or 0.0
        timing = Timing(frame_time_s, self.settings.timeout_s + frame_time_s, self.settings.lead_frames)
        in_turn = TRIGGERS[self.settings.trigger]
        pace = self._pace(frame_time_s)

        def show(asked: Indices) -> Shown:
            self._check_closing()
            # Room for a whole sequence, kept: pages of memory cost more than the patterns in them.
            if self._patterns is None or len(self._patterns) < len(asked):
                self._patterns = np.zeros((len(asked), *plan.mirrors.shape), np.uint8)
            bits = packed[asked]
            self.parts.modulator.load(plan.mirrors.expand(bits, self._patterns))

            def see(pattern: int, frame: CameraFrame) -> bool:
                wrong = plan.outputs.wrong(frame.pixels)
                if wrong:
                    camera = plan.parts.camera
                    raise DeviceError(
                        f"camera {camera.model} {camera.serial!r} {wrong}; close() and open() the bench, and let no other "
                        "program set the camera"
                    )
                if acquisition.light and self._frozen.is_image_of_another(frame.pixels, bits[pattern].tobytes()):
                    return False
                plan.outputs.read(frame.pixels, readings[asked[pattern]])
                return True

            shown = in_turn(self.parts.modulator, self.parts.camera, len(asked), timing, see, pace)
            self.parts.light.check()
            return shown

        longest = min(plan.parts.modulator.max_patterns, max(1, SEQUENCE_BYTES // plan.mirrors.pattern_bytes))
        return collect(len(packed), longest, self.settings.retries, show)

    def _pace(self, frame_time_s: float) -> Callable[[], None]:
        """Between frames: raises after close(); a frame time that was asked for is kept."""
        due_s = self._clock()
        paced = self._paced and self.settings.trigger != "modulator"

        def pause() -> None:
            nonlocal due_s
            self._check_closing()
            if not paced:
                return
            if (wait_s := due_s - self._clock()) > 0:
                self._sleep(wait_s)
            due_s = max(due_s, self._clock()) + frame_time_s

        return pause

    def _wait(self, progress: str) -> None:
        self._check_closing()
        self._progress = progress

    def _darken(self) -> None:
        """After an error; should even this fail, status() says so and the watchdog is still there."""
        self._progress = ""
        try:
            self.parts.light.off()
        except OPUError as error:
            self._failure = f"{error}; the laser may still be lit: turn it off at its key"

    def _gave_up(self, error: GaveUp, n: int) -> str:
        plan = self._planned()
        names = f"camera {plan.parts.camera.model} and modulator {plan.parts.modulator.model}"
        return (
            f"{self._name}, {names}: {error.missing} of {n} frames have no reading to be believed after {error.rounds} rounds "
            f"in a row without one ({error.counts}; the last: {error.reason}). {REMEDIES[self.settings.trigger]}. "
            "The light is off"
        )

    def _planned(self) -> Plan:
        if self._plan is None:
            self._plan = planned(self.settings, self.parts.probe())
        return self._plan

    def _check_open(self, action: str) -> None:
        if not self._is_open:
            raise DeviceClosed(f"{self._name} is not open, so it cannot {action}; use `with`, or call open() first")
        if self._failure:
            raise DeviceLost(f"{self._name} failed: {self._failure}. close() it and open() it again")

    def _check_closing(self) -> None:
        if self._closing.is_set():
            raise DeviceClosed(f"{self._name} was closed during a measurement")

    @property
    def _name(self) -> str:
        return "bench" if self._plan is None else f"bench {self._plan.spec.serial!r}"
