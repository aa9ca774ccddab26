"""The simulator's light and camera on a CUDA GPU, through CuPy: arrays stay on the device, readings equal the CPU's.

Dense medium: many frames are products of half-precision tiles on the tensor cores, summed in float32 (exact: integers below
2^24), few frames one fused kernel. Structured medium: cuFFT with a held plan. Imported only for `compute = "cuda"`.
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from importlib.resources import files
from typing import Any

import cupy as cp
import numpy as np
from cupy.cuda import cublas, device
from cupyx.scipy import fft

from .camera import Camera
from .hashing import keys
from .light import DenseLight, Packed, Scene
from .medium import PART_STD
from .noise import NORMAL_POLYNOMIAL
from .structured import StructuredLight

THREADS = 256
FEW_FRAMES = 8
TILE_BYTES = 256 * 2**20
EXACT_SUM = 2**24
LOW_LEVELS = 64
CUDA_R_32F, CUDA_R_16F, CUBLAS_COMPUTE_32F = 0, 2, 68
Array = Any


@lru_cache(maxsize=1)
def module() -> Any:
    """The compiled kernels of kernels.cu; -fmad=false, so that each operation rounds as NumPy's does."""
    code = files(__package__).joinpath("kernels.cu").read_text()
    polynomial = tuple(f"-DA{2 * k + 1}={value:.10f}f" for k, value in enumerate(NORMAL_POLYNOMIAL))
    return cp.RawModule(code=code, options=("-std=c++17", "-fmad=false", *polynomial))


class CudaDense:
    """DenseLight's law on the GPU. scene: as on the CPU."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._cpu = DenseLight(scene)
        self._keys = tuple(np.uint64(key) for key in keys(scene.seed))
        self._levels = cp.asarray(scene.panel.levels.astype(np.int32))

    @cached_property
    def _static(self) -> tuple[Array, Array]:
        """Fields of the anchor and of the leak at unit amplitude, float64[2 n_outputs]."""
        n, panel, leak = self.scene.n_outputs, self.scene.panel, self.scene.leak
        anchor = cp.asarray(self._cpu.anchor)
        if not leak:
            return anchor, cp.zeros(2 * n)
        everything = self._totals(cp.ones((1, panel.n_inputs), cp.bool_))[0, : 2 * n]
        everything = panel.unit / (PART_STD * np.sqrt(2)) * everything + anchor
        everything += cp.asarray(panel.parked * self.scene.column(panel.n_inputs + 1))
        return anchor, leak * everything

    def photons(self, packed: Packed, anchored: Array, amplitude: float) -> Array:
        """Mean photons, float32[n, n_outputs] on the device; packed, anchored: on the device, as for Light.expose."""
        scene, n = self.scene, self.scene.n_outputs
        bits = cp.unpackbits(packed).reshape(len(packed), -1)[:, : scene.panel.n_inputs].view(cp.bool_)
        totals = self._totals(bits)
        bright = amplitude * (1 - scene.leak)
        anchor, leak = self._static
        photons = cp.empty((len(packed), n), cp.float32)
        module().get_function("mix_in_light")(
            (-(-n // THREADS), len(packed)),
            (THREADS,),
            (
                totals,
                np.int64(totals.shape[1]),
                np.float32(bright * scene.panel.unit / (PART_STD * np.sqrt(2))),
                anchored,
                (bright * anchor).astype(cp.float32),
                (amplitude * leak).astype(cp.float32),
                np.int32(n),
                np.int32(len(packed)),
                photons,
            ),
        )
        return photons

    def _totals(self, bits: Array) -> Array:
        """sum_j level_j bit_j entry_j as exact integers, float64[n, 8 groups]."""
        columns = cp.flatnonzero(bits.any(axis=0)).astype(cp.int32)
        n_groups = -(-self.scene.n_outputs // 4)
        totals = cp.zeros((len(bits), 8 * n_groups), cp.float64)
        if not len(columns):
            return totals
        return (self._few if len(bits) <= FEW_FRAMES else self._many)(bits, columns, totals)

    def _few(self, bits: Array, columns: Array, totals: Array) -> Array:
        n_groups = totals.shape[1] // 8
        weights = (1 << cp.arange(len(bits), dtype=cp.uint8))[:, None]
        masks = (bits[:, columns].view(cp.uint8) * weights).sum(axis=0).astype(cp.uint8)
        blocks = -(-n_groups // THREADS)
        splits = max(1, min(64, -(-1024 // blocks), -(-len(columns) // 256)))
        module().get_function("dense_few")(
            (blocks, splits),
            (THREADS,),
            (
                *self._keys,
                columns,
                masks,
                self._levels[columns],
                np.int32(len(columns)),
                np.uint64(self.scene.outputs.start // 4),
                np.int32(n_groups),
                np.int32(len(bits)),
                totals,
            ),
        )
        return totals

    def _many(self, bits: Array, columns: Array, totals: Array) -> Array:
        levels = self._levels[columns].astype(cp.float32)
        if self.scene.panel.uniform:
            parts = [(1.0, bits[:, columns].astype(cp.float16))]
        else:  # a level up to 4095 is two half-precision integers below 64
            high = cp.floor(levels / LOW_LEVELS)
            parts = [
                (float(LOW_LEVELS), (bits[:, columns] * high).astype(cp.float16)),
                (1.0, (bits[:, columns] * (levels - LOW_LEVELS * high)).astype(cp.float16)),
            ]
        largest = 113 * (1 if self.scene.panel.uniform else LOW_LEVELS)
        n_groups = totals.shape[1] // 8
        step_columns = min(len(columns), EXACT_SUM // largest, 16384)
        step_groups = max(32, min(n_groups, TILE_BYTES // (16 * step_columns)))
        tile = cp.empty(step_columns * step_groups * 8, cp.float16)
        partial = cp.empty((len(bits), step_groups * 8), cp.float32)
        for group in range(0, n_groups, step_groups):
            groups = min(step_groups, n_groups - group)
            for first in range(0, len(columns), step_columns):
                some = columns[first : first + step_columns]
                self._fill(tile, some, group, groups)
                for factor, left in parts:
                    out = partial.ravel()[: len(bits) * groups * 8].reshape(len(bits), groups * 8)
                    _half_product(cp.ascontiguousarray(left[:, first : first + len(some)]), tile, out)
                    block = totals[:, 8 * group : 8 * (group + groups)]
                    block += out.astype(cp.float64) * factor if factor != 1 else out
        return totals

    def _fill(self, tile: Array, columns: Array, group: int, groups: int) -> None:
        start = np.uint64(self.scene.outputs.start // 4 + group)
        module().get_function("dense_tile")(
            (-(-groups // THREADS), len(columns)), (THREADS,), (*self._keys, columns, start, np.int32(groups), tile)
        )


def _half_product(left: Array, tile: Array, out: Array) -> None:
    """out = left @ tile, row-major half x half -> float32 with float32 sums; tile is flat."""
    rows, inner, width = left.shape[0], left.shape[1], out.shape[1]
    one, zero = np.ones(1, np.float32), np.zeros(1, np.float32)
    handle = device.get_cublas_handle()
    # Column-major view: out^T (width, rows) = tile^T (width, inner) left^T (inner, rows).
    cublas.gemmEx(
        handle,
        cublas.CUBLAS_OP_N,
        cublas.CUBLAS_OP_N,
        width,
        rows,
        inner,
        one.ctypes.data,
        tile.data.ptr,
        CUDA_R_16F,
        width,
        left.data.ptr,
        CUDA_R_16F,
        inner,
        zero.ctypes.data,
        out.data.ptr,
        CUDA_R_32F,
        width,
        CUBLAS_COMPUTE_32F,
        cublas.CUBLAS_GEMM_DEFAULT,
    )


class CudaStructured:
    """StructuredLight's law on the GPU, in batches whose work space stays under a gigabyte."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._cpu = StructuredLight(scene)
        self._plans: dict[int, Any] = {}

    @cached_property
    def _held(self) -> tuple[Array, Array, Array, Array]:
        """Columns off and on, second and third diagonal, on the device."""
        return (
            cp.asarray(self._cpu.columns),
            *(cp.asarray(d) for d in self._cpu.diagonals[1:]),
            cp.asarray(self._cpu.parked),
        )

    def photons(self, packed: Packed, anchored: Array, amplitude: float) -> Array:
        """Mean photons, float32[n, n_outputs] on the device; packed, anchored: on the device, as for Light.expose."""
        n_outputs = self.scene.n_outputs
        photons = cp.empty((len(packed), n_outputs), cp.float32)
        step = max(1, 2**29 // (8 * self._cpu.size))
        for first in range(0, len(packed), step):
            rows = slice(first, min(first + step, len(packed)))
            field = self._field(packed[rows], anchored[rows])
            photons[rows] = _intensity(field, np.float32(amplitude**2))
        return photons

    def _field(self, packed: Packed, anchored: Array) -> Array:
        columns, second, third, parked = self._held
        size, n = self._cpu.size, self.scene.panel.n_inputs
        field = cp.empty((len(packed), size), cp.complex64)
        packed = cp.ascontiguousarray(packed)
        module().get_function("send_columns")(
            (-(-size // THREADS), len(packed)),
            (THREADS,),
            (
                packed,
                np.int32(packed.shape[1]),
                anchored,
                columns[1],
                columns[0],
                np.int32(n),
                np.int32(columns.shape[1] > n),
                np.int64(size),
                field,
            ),
        )
        if len(packed) not in self._plans:
            self._plans = {len(packed): fft.get_fft_plan(field, axes=1)}
        plan = self._plans[len(packed)]
        for diagonal in (second, third, None):
            field = fft.fft(field, axis=1, overwrite_x=True, plan=plan)
            if diagonal is not None:
                field *= diagonal
        field = field[:, self.scene.outputs.start : self.scene.outputs.stop]
        return field + parked if self.scene.leak * self.scene.panel.parked else field


_intensity = cp.ElementwiseKernel(
    "complex64 field, float32 power",
    "float32 photons",
    "photons = power * (field.real() * field.real() + field.imag() * field.imag())",
    "opu_intensity",
    options=("-fmad=false",),
)


class CudaCamera:
    """Camera's fast law on the device; the exact and the noiseless ones go through the CPU."""

    def __init__(self, camera: Camera) -> None:
        self._camera = camera
        self._held: tuple[Any, tuple[Array, Array, Array]] | None = None

    def read(self, photons: Array, exposure_s: float, first_frame: int, first_output: int) -> Array:
        """Readings on the device, (n_frames, n_outputs) DN."""
        s = self._camera.settings
        if not s.shot_noise or self._camera.exact:
            return cp.asarray(self._camera.read(cp.asnumpy(photons), exposure_s, first_frame, first_output))
        n_frames, n_outputs = photons.shape
        small = s.bit_depth <= 8
        readings = cp.empty(photons.shape, cp.uint8 if small else cp.uint16)
        noise_keys, optics = self._camera.constants
        module().get_function("read_camera_8" if small else "read_camera_16")(
            (-(-n_outputs // THREADS), n_frames),
            (THREADS,),
            (
                photons,
                *noise_keys,
                np.uint64(first_frame),
                np.uint64(first_output),
                *self._pixels(exposure_s, first_output, n_outputs),
                np.int32(not s.uniform),
                np.float32(1 if s.uniform else exposure_s),
                *optics,
                np.int32(n_outputs),
                readings,
            ),
        )
        return readings

    def _pixels(self, exposure_s: float, first_output: int, n_outputs: int) -> tuple[Array, Array, Array]:
        """Efficiency, dark and black level on the device: of one pixel for all, with its dark electrons, or of each."""
        uniform = self._camera.settings.uniform
        which = exposure_s if uniform else (first_output, n_outputs)
        if self._held is None or self._held[0] != which:
            pattern = self._camera.pattern(first_output, n_outputs)
            if pattern is None:
                efficiency, dark, black = (cp.full(1, value) for value in self._camera.uniform_pixel(exposure_s))
            else:
                each = pattern.efficiency, pattern.dark_current_e_per_s, pattern.black_dn
                efficiency, dark, black = (cp.asarray(value) for value in each)
            self._held = which, (efficiency, dark, black)
        return self._held[1]
