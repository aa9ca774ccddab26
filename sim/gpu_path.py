"""The GPU's part of a simulated device: what is loaded for `compute = "cuda"`, and what arrays it takes and gives."""

from __future__ import annotations

from typing import Any

import numpy as np

from opu.errors import DeviceError

from .camera import Camera
from .light import Scene


class GpuPath:
    """Light and camera on the GPU. DeviceError says what is missing: CuPy, a GPU, or a CUDA library."""

    def __init__(self, medium: str, scene: Scene, camera: Camera) -> None:
        install = "pip install 'openopu[cuda12]' or 'openopu[cuda13]', after your driver"
        try:
            import cupy as cp
        except ImportError as error:
            raise DeviceError(f'compute = "cuda" needs CuPy, which does not import ({error}): {install}') from None
        if not cp.cuda.is_available():
            raise DeviceError(
                'compute = "cuda": CuPy finds no usable GPU here; use compute = "cpu", or check the driver'
            )
        try:
            from .cuda import CudaCamera, CudaDense, CudaStructured
        except ImportError as error:
            raise DeviceError(
                f'compute = "cuda": a CUDA library is missing ({str(error).splitlines()[0]}): {install}'
            ) from None
        self._light = CudaDense(scene) if medium == "dense" else CudaStructured(scene)
        self._camera = CudaCamera(camera)

    def read(
        self,
        packed: Any,
        anchored: Any,
        amplitude: float,
        brightness: Any,
        exposure_s: float,
        first_frame: int,
        first_output: int,
    ) -> Any:
        """Readings of frames as split by the device: NumPy's in, NumPy's out, and CuPy arrays stay on the GPU.

        brightness: float32[n] of the laser in each frame, or None.
        """
        import cupy as cp

        photons = self._light.photons(cp.asarray(packed), cp.asarray(anchored), amplitude)
        if brightness is not None:
            photons *= cp.asarray(brightness)[:, None]
        readings = self._camera.read(photons, exposure_s, first_frame, first_output)
        return cp.asnumpy(readings) if isinstance(packed, np.ndarray) else readings
