"""The simulated OPU: frames -> mirrors -> medium -> camera, as a `Device`. Instant, unless asked for real time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import lru_cache
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opu.device import Acquisition, DeviceSpec, DeviceStatus, Frames, Readings
from opu.errors import DeviceClosed, DeviceError, InputError
from opu.frames import checked_packed, packed_width
from opu.physical_constants import PLANCK_J_S, SPEED_OF_LIGHT_M_PER_S

from .assembly import assemble
from .camera_kernel import fast_readings
from .clock import FrameTime, Pace, frame_time, joules, to_ns, to_s
from .compiling import announce_compilation
from .exact_kernel import exact_readings
from .fault_settings import FaultSettings
from .faults import FaultPlan, plan
from .gpu_path import GpuPath
from .kernels import dense_photons
from .laser import brightness
from .light import Packed, Photons
from .optics import Beams
from .reference import frame_phases
from .settings import SimSettings

Expose = Callable[[Any, int, float], Any]
"""expose(packed frames, number of the first, its time in s) -> readings of the frames as they are."""


class SimulatedDevice:
    """E = A diag(g) (b + eps (1 - b)); reading = camera(|E|^2 exposure power). See SimSettings for units."""

    def __init__(self, settings: SimSettings) -> None:
        self.settings = settings
        parts = assemble(settings)
        self.scene, self.camera, self._spec = parts.scene, parts.camera, parts.spec
        self._light, self._optics, self._noise_seed = parts.light, parts.optics, parts.noise_seed
        self._gpu: GpuPath | None = None
        self._pace = Pace()
        self._is_open = False
        self._reset()

    def _reset(self) -> None:
        self._acquisition: Acquisition | None = None
        self._just_configured = False
        self._frames_shown = self._next_frame = self._saturated = self._dropped = 0
        # Whole nanoseconds: sums of integers do not depend on the batches. `_now_ns` follows seek(), `_spent_ns` does not.
        self._now_ns = self._spent_ns = 0
        self._last: Readings | None = None

    @property
    def spec(self) -> DeviceSpec:
        """Identity, shape and abilities."""
        return self._spec

    def open(self) -> None:
        """Take the device; counters and time start at 0."""
        if self._is_open:
            raise DeviceError(f"simulated device {self.spec.serial!r} is already open; close() it first")
        if self.settings.compute == "cuda" and self._gpu is None:
            self._gpu = GpuPath(self.settings.medium, self.scene, self.camera)
        self._reset()
        self._is_open = True

    def close(self) -> None:
        """Light off; idempotent."""
        self._is_open = False
        self._acquisition = None

    def configure(self, acquisition: Acquisition) -> Acquisition:
        """Set exposure, frame time and reference arm; DeviceError outside the limits."""
        self._check_open("configure")
        low, high = self.spec.exposure_min_s, self.spec.exposure_max_s
        if not low <= acquisition.exposure_s <= high:
            raise DeviceError(
                f"simulated device {self.spec.serial!r}: exposure_s = {acquisition.exposure_s:g} s is outside the camera's "
                f"{low:g} to {high:g} s; choose one inside, or change the laser power"
            )
        self._check_reference(acquisition.reference_rad)
        shortest = self._shortest(acquisition.exposure_s)
        asked = acquisition.frame_time_s
        if asked is not None and not asked >= shortest.seconds * (1 - 1e-9):  # for one that was read back from a file
            raise DeviceError(f"simulated device {self.spec.serial!r}: {shortest.refusal(asked)}")
        if asked is not None and not isfinite(asked):
            raise DeviceError(
                f"simulated device {self.spec.serial!r}: frame_time_s = {asked} s; pass a finite one, or None"
            )
        frame_time_s = shortest.seconds if asked is None else to_s(to_ns(asked))
        self._acquisition = replace(acquisition, frame_time_s=frame_time_s)
        self._just_configured = True
        return self._acquisition

    def measure(self, frames: Frames) -> Readings:
        """Show frames, bool[n, n_inputs] or packed, and read the camera: DN, (n, n_outputs).

        With compute = "cuda", CuPy frames give CuPy readings, and nothing leaves the GPU.
        """
        return self.measure_by(self.expose, frames)

    def measure_by(self, expose: Expose, frames: Frames) -> Readings:
        """measure() with the light of `expose`, which may be that of shards elsewhere; time, faults and counts are kept."""
        self._check_open("measure")
        acquisition = self._configured()
        packed = checked_packed(frames, self.spec.n_inputs, self.spec.frame_arrays)
        steps = len(acquisition.reference_rad)
        if steps and len(packed) % steps:
            raise InputError(
                f"{len(packed)} frames under {steps} phases of the reference arm: their number must be a multiple of {steps}"
            )
        faults = self._plan(self._next_frame, len(packed), self._just_configured)
        duration_ns = faults.duration_ns(to_ns(acquisition.frame_time_s or 0.0))
        with self._pace.lasting(to_s(duration_ns)) if self.settings.clock.real_time else nullcontext():
            readings = expose(packed, self._next_frame, to_s(self._now_ns + self._waited_ns()))
        delivered: Readings = self._delivered(readings, faults)
        self._next_frame += len(packed)
        self._frames_shown += len(packed)
        self._dropped += faults.lost
        self._now_ns += duration_ns
        self._spent_ns += duration_ns
        self._just_configured = False
        clipped = delivered >= self.spec.saturation_dn
        self._saturated += int(np.count_nonzero(clipped) if isinstance(clipped, np.ndarray) else clipped.sum())
        return delivered

    def expose(self, packed: Packed, first_frame: int, time_s: float) -> Readings:
        """Readings of packed frames number first_frame onwards, shown from time_s on; a function of these alone.

        The acquisition in force is used; nothing is counted, and no frame goes wrong.
        """
        acquisition = self._configured()
        outputs, laser = self.settings.outputs_read, self.settings.laser
        times_s = np.zeros(0)
        if not laser.steady or self._optics is not None:
            frame_ns = to_ns(acquisition.frame_time_s or 0.0)
            times_s = self._plan(first_frame, len(packed)).times_ns(to_ns(time_s), frame_ns) / 1e9
        bright = None if laser.steady else brightness(laser, self._noise_seed, first_frame, times_s).astype(np.float32)
        data, anchored = self._split(packed)
        amplitude = self._amplitude(acquisition) if acquisition.light else 0.0
        if self._gpu is not None:
            return self._gpu.read(  # type: ignore[no-any-return]
                data, anchored, amplitude, bright, acquisition.exposure_s, first_frame, outputs.start
            )
        result = np.empty((len(packed), len(outputs)), dtype=self.spec.reading_dtype)

        def consume(frames: slice, some: slice, photons: Photons) -> None:
            if bright is not None:
                photons *= bright[frames, None]
            result[frames, some] = self.camera.read(
                photons, acquisition.exposure_s, first_frame + frames.start, outputs.start + some.start
            )

        announce_compilation(dense_photons, exact_readings if self.camera.exact else fast_readings)
        if not acquisition.light:
            consume(slice(0, len(packed)), slice(0, len(outputs)), np.zeros(result.shape, np.float32))
        elif self._light is not None:
            self._light.expose(data, anchored, amplitude, consume)
        elif self._optics is not None:
            beams = Beams(amplitude, times_s, self._phases(acquisition, times_s))
            self._optics.expose(data, anchored, beams, consume)
        return result

    def seek(self, frame: int, time_s: float | None = None) -> None:
        """The next frame shown is number `frame`, which decides its noise, at time_s since open(); counters stay.

        time_s None: after `frame` frames of the frame time in force. For replays.
        """
        if not 0 <= frame < 2**32:
            raise InputError(f"seek({frame}): frames are numbered from 0 to 2^32 - 1")
        frame_time_s = 0.0 if self._acquisition is None else self._acquisition.frame_time_s or 0.0
        self._next_frame = frame
        self._now_ns = frame * to_ns(frame_time_s) if time_s is None else to_ns(time_s)

    def status(self) -> DeviceStatus:
        """State now. device_seconds and device_joules are what a real device would have taken for the frames shown."""
        return DeviceStatus(
            is_open=self._is_open,
            light_on=self._acquisition is not None and self._acquisition.light,
            temperature_c=self.camera.temperature_c,
            frames_shown=self._frames_shown,
            frames_dropped=self._dropped,
            saturated_fraction=self._saturated / max(1, self._frames_shown * self.spec.n_outputs),
            device_seconds=to_s(self._spent_ns),
            device_joules=joules(self.settings.clock, to_s(self._spent_ns)),
            acquisition=self._acquisition,
        )

    def _delivered(self, readings: Any, faults: FaultPlan) -> Any:
        """Readings as the host gets them: where a frame was duplicated, those of the one before again."""
        if not self.settings.faults.duplicated_fraction:
            return readings
        delivered = readings[faults.source]
        if self._last is not None:
            delivered[faults.source < 0] = self._last
        self._last = delivered[-1].copy()
        return delivered

    def _plan(self, first_frame: int, n_frames: int, just_configured: bool = False) -> FaultPlan:
        faults = self.settings.faults
        if not faults.any:
            return _faultless(n_frames)
        return plan(faults, self._noise_seed, first_frame, n_frames, just_configured)

    def _waited_ns(self) -> int:
        """Time lost before the next frame: expose() knows nothing of configure()."""
        faults = self.settings.faults
        return to_ns(faults.trigger_timeout_s) if self._just_configured and faults.first_trigger_lost else 0

    def _phases(self, acquisition: Acquisition, times_s: NDArray[np.float64]) -> NDArray[np.complex64] | None:
        if not acquisition.reference_rad:
            return None
        asked = np.resize(acquisition.reference_rad, len(times_s))
        return frame_phases(self.settings.reference, self._noise_seed, asked, times_s)

    def _check_reference(self, phases: tuple[float, ...]) -> None:
        arm = self.settings.reference.arm
        if not phases or (arm == "static" and phases == (0.0,)) or (arm == "phase" and all(map(isfinite, phases))):
            return
        can = {
            "none": 'has no reference arm; set reference.arm = "phase" (or "static"), or use an anchor',
            "static": 'has a static reference arm, which takes (0.0,) alone; set reference.arm = "phase" to step it',
            "phase": "takes finite phases only",
        }
        raise DeviceError(f"simulated device {self.spec.serial!r}: reference_rad = {phases}: it {can[arm]}")

    def _amplitude(self, acquisition: Acquisition) -> float:
        """Its square, power * exposure * coupling / (h c / wavelength), is the mean photons of the whole panel on."""
        laser = self.settings.laser
        energy_j = laser.power_w * acquisition.exposure_s * laser.coupling
        return float(np.sqrt(energy_j * laser.wavelength_m / (PLANCK_J_S * SPEED_OF_LIGHT_M_PER_S)))

    def _split(self, packed: Packed) -> tuple[Packed, NDArray[np.float32]]:
        """Packed frames -> packed data bits, and 1 where the anchor, the last input, is on."""
        n = self.settings.n_inputs
        if self.spec.anchor_input is None:
            return packed, (packed[:, 0] * 0).astype(np.float32)
        byte, bit = divmod(n, 8)
        anchored = (packed[:, byte] >> (7 - bit) & 1).astype(np.float32)
        data = packed[:, : packed_width(n)].copy()
        if bit:
            data[:, byte] &= 0xFF << (8 - bit) & 0xFF
        return data, anchored

    def _shortest(self, exposure_s: float) -> FrameTime:
        s = self.settings
        return frame_time(s.clock, s.camera, s.dmd, exposure_s, s.n_inputs, s.n_outputs)

    def _configured(self) -> Acquisition:
        if self._acquisition is None:
            raise DeviceError(f"simulated device {self.spec.serial!r}: configure() an exposure before measure()")
        return self._acquisition

    def _check_open(self, action: str) -> None:
        if not self._is_open:
            raise DeviceClosed(
                f"simulated device {self.spec.serial!r} is not open, so it cannot {action}; use `with`, or call open() first"
            )


@lru_cache(maxsize=16)
def _faultless(n_frames: int) -> FaultPlan:
    """Kept, since it would be a sixth of the time of a small call."""
    return plan(FaultSettings(), 0, 0, n_frames)
