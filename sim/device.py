"""The simulated OPU: frames -> mirrors -> medium -> camera, as a `Device`. Instant; it reports the time light would take."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.constants import c as speed_of_light
from scipy.constants import h as planck

from opu.device import Acquisition, DeviceSpec, DeviceStatus, Frames, Readings
from opu.errors import DeviceClosed, DeviceError, InputError
from opu.frames import checked_packed, packed_width

from .camera import Camera
from .compiling import announce_compilation
from .hashing import MASK, mix
from .light import DenseLight, Light, Packed, Photons, Scene
from .panel import lay_out
from .settings import SimSettings
from .structured import StructuredLight

FRAME_GAP_S = 50e-6
NOISE_OF_SEED = 0x4E4F495345


class SimulatedDevice:
    """E = A diag(g) (b + eps (1 - b)); reading = camera(|E|^2 exposure power). PHYSICS section 1; see SimSettings for units."""

    def __init__(self, settings: SimSettings) -> None:
        self.settings = settings
        panel = lay_out(settings.n_inputs, settings.anchor_share, settings.dmd, settings.laser)
        self.scene = Scene(settings.seed, panel, settings.outputs_read, settings.n_outputs, settings.dmd.leak)
        self._light: Light = (DenseLight if settings.medium == "dense" else StructuredLight)(self.scene)
        noise_seed = settings.noise_seed
        self.camera = Camera(
            settings.camera, mix((settings.seed ^ NOISE_OF_SEED) & MASK) if noise_seed is None else noise_seed
        )
        self._cuda: tuple[Any, Any] | None = None
        self._is_open = False
        self._acquisition: Acquisition | None = None
        self._frames_shown = self._next_frame = self._saturated = 0
        self._device_seconds = 0.0
        camera, has_anchor = settings.camera, settings.anchor_share > 0
        self._spec = DeviceSpec(
            kind="sim",
            model=f"simulator ({settings.preset}, {settings.medium} medium)",
            serial=f"sim-{settings.seed}",
            n_inputs=settings.n_inputs + has_anchor,
            n_outputs=self.scene.n_outputs,
            bit_depth=camera.bit_depth,
            saturation_dn=self.camera.saturation_dn,
            frame_rate_hz=1 / self._shortest_frame_s(camera.exposure_min_s),
            exposure_min_s=camera.exposure_min_s,
            exposure_max_s=camera.exposure_max_s,
            fingerprint=_digest(
                f"{settings.medium} {settings.seed} {settings.n_inputs} {settings.n_outputs} {settings.outputs} "
                f"{settings.anchor_share} {settings.dmd!r} {settings.laser.profile} {settings.laser.beam_radius_m}"
            ),
            response=_digest(f"{settings.laser!r} {camera!r}"),
            anchor_input=settings.n_inputs if has_anchor else None,
            anchor_share=panel.anchor_share,
            medium=settings.medium,
        )

    @property
    def spec(self) -> DeviceSpec:
        """Identity, shape and abilities."""
        return self._spec

    def open(self) -> None:
        """Take the device; counters start at 0."""
        if self._is_open:
            raise DeviceError(f"simulated device {self.spec.serial!r} is already open; close() it first")
        if self.settings.compute == "cuda" and self._cuda is None:
            self._cuda = _cuda_parts(self.settings.medium, self.scene, self.camera)
        self._is_open = True
        self._acquisition = None
        self._frames_shown = self._next_frame = self._saturated = 0
        self._device_seconds = 0.0

    def close(self) -> None:
        """Light off; idempotent."""
        self._is_open = False
        self._acquisition = None

    def configure(self, acquisition: Acquisition) -> Acquisition:
        """Set exposure and frame time; DeviceError outside the camera's limits."""
        self._check_open("configure")
        low, high = self.spec.exposure_min_s, self.spec.exposure_max_s
        if not low <= acquisition.exposure_s <= high:
            raise DeviceError(
                f"simulated device {self.spec.serial!r}: exposure_s = {acquisition.exposure_s:g} s is outside the camera's "
                f"{low:g} to {high:g} s; choose one inside, or change the laser power"
            )
        shortest = self._shortest_frame_s(acquisition.exposure_s)
        asked = acquisition.frame_time_s
        if asked is not None and not asked >= shortest:
            raise DeviceError(
                f"simulated device {self.spec.serial!r}: frame_time_s = {asked:g} s is shorter than {shortest:g} s, the "
                "longest of exposure and readout plus 50 µs, and of the mirrors' pattern time; lengthen it or pass None"
            )
        self._acquisition = replace(acquisition, frame_time_s=shortest if asked is None else asked)
        return self._acquisition

    def measure(self, frames: Frames) -> Readings:
        """Show frames, bool[n, n_inputs] or packed, and read the camera: DN, (n, n_outputs)."""
        self._check_open("measure")
        acquisition = self._acquisition
        if acquisition is None:
            raise DeviceError(f"simulated device {self.spec.serial!r}: configure() an exposure before measure()")
        if self._cuda is not None and not isinstance(frames, np.ndarray):
            return self._measure_on_gpu(frames, acquisition)
        packed, anchored = self._split(checked_packed(frames, self.spec.n_inputs))
        if acquisition.light:
            result = self._lit(packed, anchored, acquisition)
        else:
            dark = np.zeros((len(packed), self.spec.n_outputs), dtype=np.float32)
            result = self.camera.read(dark, acquisition.exposure_s, self._next_frame, self.scene.outputs.start)
        self._count(result, acquisition)
        return result

    def _count(self, readings: Any, acquisition: Acquisition) -> None:
        self._frames_shown += len(readings)
        self._next_frame += len(readings)
        clipped = readings >= self.spec.saturation_dn
        self._saturated += int(np.count_nonzero(clipped) if isinstance(clipped, np.ndarray) else clipped.sum())
        self._device_seconds += len(readings) * (acquisition.frame_time_s or 0.0)

    def seek(self, frame: int) -> None:
        """The next frame shown is number `frame`, which decides its noise; open() starts at 0. For shards and replays."""
        if not 0 <= frame < 2**32:
            raise InputError(f"seek({frame}): frames are numbered from 0 to 2^32 - 1")
        self._next_frame = frame

    def status(self) -> DeviceStatus:
        """State now. device_seconds is what a real device would have taken for the frames shown."""
        return DeviceStatus(
            is_open=self._is_open,
            light_on=self._acquisition is not None and self._acquisition.light,
            frames_shown=self._frames_shown,
            saturated_fraction=self._saturated / max(1, self._frames_shown * self.spec.n_outputs),
            device_seconds=self._device_seconds,
            acquisition=self._acquisition,
        )

    def _lit(self, packed: Packed, anchored: NDArray[np.float32], acquisition: Acquisition) -> Readings:
        first_frame, amplitude = self._next_frame, self._amplitude(acquisition)
        if self._cuda is not None:
            return self._lit_on_gpu(packed, anchored, amplitude, acquisition)
        result = np.empty((len(packed), self.spec.n_outputs), dtype=self.spec.reading_dtype)

        def consume(frames: slice, outputs: slice, photons: Photons) -> None:
            result[frames, outputs] = self.camera.read(
                photons, acquisition.exposure_s, first_frame + frames.start, self.scene.outputs.start + outputs.start
            )

        announce_compilation()
        self._light.expose(packed, anchored, amplitude, consume)
        return result

    def _amplitude(self, acquisition: Acquisition) -> float:
        """Its square, power * exposure * coupling / (h c / wavelength), is the mean photons of the whole panel on."""
        laser = self.settings.laser
        energy_j = laser.power_w * acquisition.exposure_s * laser.coupling
        return float(np.sqrt(energy_j * laser.wavelength_m / (planck * speed_of_light)))

    def _lit_on_gpu(
        self, packed: Packed, anchored: NDArray[np.float32], amplitude: float, acquisition: Acquisition
    ) -> Readings:
        import cupy as cp

        result: Readings = cp.asnumpy(
            self._read_on_gpu(cp.asarray(packed), cp.asarray(anchored), amplitude, acquisition)
        )
        return result

    def _read_on_gpu(self, packed: Any, anchored: Any, amplitude: float, acquisition: Acquisition) -> Any:
        assert self._cuda is not None
        light, camera = self._cuda
        photons = light.photons(packed, anchored, amplitude)
        return camera.read(photons, acquisition.exposure_s, self._next_frame, self.scene.outputs.start)

    def _measure_on_gpu(self, frames: Any, acquisition: Acquisition) -> Any:
        """CuPy frames, bool or packed, in; CuPy readings out: nothing leaves the device."""
        import cupy as cp

        from .cuda import pack

        n = self.spec.n_inputs
        if frames.dtype == cp.bool_ and frames.ndim == 2 and frames.shape[1] == n and len(frames):
            packed = pack(frames)
        elif frames.dtype == cp.uint8 and frames.ndim == 2 and frames.shape[1] == packed_width(n) and len(frames):
            packed = frames
        else:
            raise InputError(
                f"frames of {frames.dtype} with shape {frames.shape}; expected bool[n, {n}] or uint8[n, {packed_width(n)}]"
            )
        packed, anchored = self._split(packed)
        amplitude = self._amplitude(acquisition) if acquisition.light else 0.0
        result = self._read_on_gpu(packed, anchored, amplitude, acquisition)
        self._count(result, acquisition)
        return result

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

    def _shortest_frame_s(self, exposure_s: float) -> float:
        camera = self.settings.camera
        return max(max(camera.readout_s, exposure_s) + FRAME_GAP_S, self.settings.dmd.pattern_time_min_s)

    def _check_open(self, action: str) -> None:
        if not self._is_open:
            raise DeviceClosed(
                f"simulated device {self.spec.serial!r} is not open, so it cannot {action}; use `with`, or call open() first"
            )


def _cuda_parts(medium: str, scene: Scene, camera: Camera) -> tuple[Any, Any]:
    """The GPU's light and camera; DeviceError says what is missing: CuPy, a GPU, or a CUDA library."""
    install = "pip install 'openopu[cuda12]' or 'openopu[cuda13]', after your driver"
    try:
        import cupy as cp
    except ImportError as error:
        raise DeviceError(f'compute = "cuda" needs CuPy, which does not import ({error}): {install}') from None
    if not cp.cuda.is_available():
        raise DeviceError('compute = "cuda": CuPy finds no usable GPU here; use compute = "cpu", or check the driver')
    try:
        from .cuda import CudaCamera, CudaDense, CudaStructured
    except ImportError as error:
        raise DeviceError(
            f'compute = "cuda": a CUDA library is missing ({str(error).splitlines()[0]}): {install}'
        ) from None
    return (CudaDense(scene) if medium == "dense" else CudaStructured(scene)), CudaCamera(camera)


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]
