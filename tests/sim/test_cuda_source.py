"""The CUDA kernels' source, compiled for the CPU and run thread by thread: its arithmetic is NumPy's, GPU or none."""

import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from opu.sim.camera import Camera
from opu.sim.camera_settings import CameraSettings
from opu.sim.hashing import keys, words
from opu.sim.medium import DenseMedium, entries
from opu.sim.noise import NORMAL_POLYNOMIAL

HERE = Path(__file__).parent
SOURCE = HERE.parents[1] / "sim" / "kernels.cu"
LAUNCHERS = """
extern "C" void run_hash(u64 a, u64 b, const u64* c, const u64* g, long long n, long long m, u64* out)
{ EACH((int)(n * m / 32 + 1), 1, 32, hash_words(a, b, c, g, n, m, out)); }
extern "C" void run_tile(u64 a, u64 b, const int* c, int n, u64 first, int groups, short* tile)
{ EACH(groups / 32 + 1, n, 32, dense_tile(a, b, c, first, groups, tile)); }
extern "C" void run_few(u64 a, u64 b, const int* c, const unsigned char* m, const int* l, int n, u64 first, int groups, int frames, double* out)
{ EACH(1, 1, 256, dense_few(a, b, c, m, l, n, first, groups, frames, out)); }
extern "C" void run_mix(const double* t, long long s, float u, const float* on, const float2* a, const float2* l, int n, int frames, float* out)
{ EACH(n / 32 + 1, frames, 32, mix_in_light(t, s, u, on, a, l, n, frames, out)); }
extern "C" void run_camera(const float* p, u64 a, u64 b, u64 f, u64 o, const float* e, const float* d, const float* k, int step, float x, float v, float g, float t, int n, int frames, unsigned short* out)
{ EACH(n / 32 + 1, frames, 32, read_camera_16(p, a, b, f, o, e, d, k, step, x, v, g, t, n, out)); }
extern "C" void run_send(const unsigned char* p, int bytes, const float* on, const float2* yes, const float2* no, int n, int anchor, long long size, int frames, float2* out)
{ EACH((int)(size / 32 + 1), frames, 32, send_columns(p, bytes, on, yes, no, n, anchor, size, out)); }
"""


@pytest.fixture(scope="module")
def kernels(tmp_path_factory):
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("no g++ to compile the CUDA source for the CPU (apt-get install g++)")
    folder = tmp_path_factory.mktemp("cuda")
    code = SOURCE.read_text().replace("#include <cuda_fp16.h>", '#include "cuda_on_cpu.hpp"')
    # One thread after another, each fills the table itself: the loop over threadIdx must not leave gaps.
    code = code.replace("for (int k = threadIdx.x; k < 256; k += blockDim.x)", "for (int k = 0; k < 256; ++k)")
    (folder / "kernels.cpp").write_text(code + LAUNCHERS)
    defines = [f"-DA{2 * k + 1}={value:.10f}f" for k, value in enumerate(NORMAL_POLYNOMIAL)]
    options = ["-O2", "-std=c++17", "-ffp-contract=off", "-shared", "-fPIC", "-w", f"-I{HERE}"]
    library = folder / "kernels.so"
    subprocess.run([compiler, *options, *defines, "-o", library, folder / "kernels.cpp"], check=True)
    return ctypes.CDLL(str(library))


def at(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def key_words(seed: int) -> tuple[ctypes.c_uint64, ctypes.c_uint64]:
    first, second = keys(seed)
    return ctypes.c_uint64(first), ctypes.c_uint64(second)


def f32(*values: float) -> list[ctypes.c_float]:
    return [ctypes.c_float(np.float32(value)) for value in values]


def u64(value: int) -> ctypes.c_uint64:
    return ctypes.c_uint64(value)


def test_the_hash_is_the_published_one(kernels):
    columns, groups = np.array([12345, 3, 2**32 - 1], np.uint64), np.array([678, 2**31], np.uint64)
    out = np.empty((3, 2), np.uint64)
    sizes = ctypes.c_longlong(3), ctypes.c_longlong(2)
    kernels.run_hash(*key_words(42), at(columns), at(groups), *sizes, at(out))
    assert out[0, 0] == 0x7F2C1476104A7500
    assert np.array_equal(out, words(42, columns, groups))


def test_tiles_are_the_mediums_entries(kernels):
    columns, tile = np.arange(0, 256, 3, dtype=np.int32), np.empty((86, 50 * 8), np.int16)
    kernels.run_tile(*key_words(9), at(columns), 86, u64(7), 50, at(tile))
    assert np.array_equal(tile, entries(9, columns, range(28, 228)).reshape(86, -1))


@pytest.mark.parametrize("largest_level", [1, 4095])
def test_few_frames_are_summed_to_the_same_integers(kernels, largest_level):
    rng = np.random.default_rng(0)
    bits, levels = rng.random((5, 300)) < 0.5, rng.integers(1, largest_level + 1, 300).astype(np.int32)
    masks = np.packbits(bits, axis=0, bitorder="little")[0]
    totals, columns = np.zeros((5, 40 * 8)), np.arange(300, dtype=np.int32)
    kernels.run_few(*key_words(9), at(columns), at(masks), at(levels), 300, u64(0), 40, 5, at(totals))
    assert np.array_equal(totals, DenseMedium(9, 300, 160).fields(bits, levels.astype(np.int64)).reshape(5, -1))


def test_light_is_mixed_as_in_numpy(kernels):
    rng = np.random.default_rng(0)
    totals, anchored = np.rint(rng.standard_normal((4, 2 * 70)) * 1e4), np.array([0, 1, 1, 0], np.float32)
    anchor, leak = rng.standard_normal((2, 2 * 70)).astype(np.float32)
    unit, photons = np.float32(3e-3), np.empty((4, 70), np.float32)
    kernels.run_mix(
        at(totals), ctypes.c_longlong(140), *f32(unit), at(anchored), at(anchor), at(leak), 70, 4, at(photons)
    )
    field = (totals.astype(np.float32) * unit + anchored[:, None] * anchor) + leak
    assert np.array_equal(photons, field[:, ::2] * field[:, ::2] + field[:, 1::2] * field[:, 1::2])


@pytest.mark.parametrize("pixels", [{}, {"prnu_rms": 0.02, "dsnu_e": 20.0, "hot_fraction": 0.1, "dead_fraction": 0.1}])
def test_the_camera_reads_what_numpys_reads(kernels, pixels):
    camera = Camera(CameraSettings(bit_depth=12, **pixels), noise_seed=5)
    photons = np.random.default_rng(0).exponential(3000, (20, 400)).astype(np.float32)
    readings = np.empty((20, 400), np.uint16)
    noise_keys, optics = camera.constants
    pattern = camera.pattern(1000, 400)
    if pattern is None:
        held = [np.full(1, value) for value in camera.uniform_pixel(1e-3)]
    else:
        held = [pattern.efficiency, pattern.dark_current_e_per_s, pattern.black_dn]
    noise = u64(int(noise_keys[0])), u64(int(noise_keys[1])), u64(77), u64(1000)
    each, exposure = (0, 1.0) if pattern is None else (1, 1e-3)
    kernels.run_camera(at(photons), *noise, *map(at, held), each, *f32(exposure, *optics), 400, 20, at(readings))
    assert np.array_equal(readings, camera.reference(photons, 1e-3, 77, 1000))


def test_packed_bits_choose_what_is_sent(kernels):
    rng = np.random.default_rng(0)
    bits, anchored = rng.random((3, 21)) < 0.5, np.array([1, 0, 1], np.float32)
    packed, out = np.packbits(bits, axis=1), np.empty((3, 32), np.complex64)
    on, off = (rng.standard_normal((2, 22)) + 1j * rng.standard_normal((2, 22))).astype(np.complex64)
    kernels.run_send(
        at(packed), packed.shape[1], at(anchored), at(on), at(off), 21, 1, ctypes.c_longlong(32), 3, at(out)
    )
    assert np.array_equal(out[:, :21], np.where(bits, on[:21], off[:21]))
    assert np.array_equal(out[:, 21], np.where(anchored > 0, on[21], off[21]))
    assert not out[:, 22:].any()


def test_the_source_compiles_for_a_gpu(tmp_path):
    nvcc = shutil.which("nvcc")
    if nvcc is None:
        pytest.skip("no nvcc to compile the CUDA source with (CUDA toolkit)")
    defines = [f"-DA{2 * k + 1}={value:.10f}f" for k, value in enumerate(NORMAL_POLYNOMIAL)]
    command = [nvcc, "-arch=sm_90", "-std=c++17", "--fmad=false", *defines, "-ptx", "-o", tmp_path / "k.ptx", SOURCE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
