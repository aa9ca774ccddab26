"""The compiled path against plain NumPy, bit for bit: any size, batch, shard, number of threads, uniform or weighted inputs."""

import os
import platform
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from multiprocessing import get_context

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opu.sim import bytemap, kernels
from opu.sim.device import SimulatedDevice
from opu.sim.laser import brightness
from opu.sim.medium import GAUSSIAN_BYTES, PART_STD, DenseMedium
from opu.sim.settings import SimSettings

import opu.threads
from opu.device import Acquisition

EXPOSURE_S = 1e-3


def numpy_readings(dev: SimulatedDevice, bits: np.ndarray) -> np.ndarray:
    """The whole path in NumPy: integer fields, light in float32, the reference camera."""
    scene, panel, laser = dev.scene, dev.scene.panel, dev.settings.laser
    n, outputs = panel.n_inputs, slice(scene.outputs.start, scene.outputs.stop)
    medium = DenseMedium(scene.seed, n, dev.settings.n_outputs)

    def sums(data):
        return medium.fields(data, panel.levels)[:, outputs].reshape(len(data), -1)

    energy_j = laser.power_w * EXPOSURE_S * laser.coupling
    amplitude = float(np.sqrt(energy_j * laser.wavelength_m / (6.62607015e-34 * 299_792_458)))
    bright, entry = amplitude * (1 - scene.leak), PART_STD * np.sqrt(2)
    anchor = panel.anchor * scene.column(n) if panel.anchor else np.zeros(2 * scene.n_outputs)
    leak = np.zeros(2 * scene.n_outputs)
    if scene.leak:
        everything = panel.unit / entry * sums(np.ones((1, n), bool))[0] + anchor
        leak = scene.leak * (everything + panel.parked * scene.column(n + 1))
    on = (bits[:, n:] if panel.anchor else np.zeros((len(bits), 1))).astype(np.float32)
    field = sums(bits[:, :n]).astype(np.float32) * np.float32(bright * panel.unit / entry)
    field = (field + on * (bright * anchor).astype(np.float32)) + (amplitude * leak).astype(np.float32)
    photons = field[:, ::2] * field[:, ::2] + field[:, 1::2] * field[:, 1::2]
    if not laser.steady:
        times_s = np.arange(len(bits)) * dev.status().acquisition.frame_time_s
        photons *= brightness(laser, dev.camera.noise_seed, 0, times_s).astype(np.float32)[:, None]
    return dev.camera.reference(photons, EXPOSURE_S, 0, scene.outputs.start)


def device(**parameters) -> SimulatedDevice:
    dev = SimulatedDevice(SimSettings(**{"n_inputs": 40, "n_outputs": 300, "seed": 3, **parameters}))
    dev.open()
    dev.configure(Acquisition(EXPOSURE_S))
    return dev


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["ideal", "typical", "harsh"]),
    st.sampled_from([0.0, 0.6]),
    st.integers(1, 70),
    st.integers(1, 300),
    st.integers(1, 9),
    st.sampled_from([0.02, 0.5, 1.0]),
    st.integers(1, 3),
    st.integers(0, 2**64 - 1),
)
def test_readings_equal_numpys(preset, share, n_inputs, n_outputs, n_frames, fill, threads, seed):
    dev = device(preset=preset, anchor_share=share, n_inputs=n_inputs, n_outputs=n_outputs, seed=seed)
    bits = np.random.default_rng(n_frames).random((n_frames, dev.spec.n_inputs)) < fill
    opu.threads.set_num_threads(threads)
    try:
        assert np.array_equal(dev.measure(bits), numpy_readings(dev, bits))
    finally:
        opu.threads.set_num_threads(None)


@pytest.mark.parametrize("preset", ["ideal", "typical"])
def test_long_sums_are_flushed_before_they_overflow(preset):
    """All inputs on, and more columns than an int16, or an int32 of weights, can hold."""
    dev = device(preset=preset, n_inputs=5001, n_outputs=9, dmd={"contrast_ratio": 1e9})
    bits = np.ones((5, dev.spec.n_inputs), bool)
    bits[0] = False
    for frames in (bits, bits[1:2]):
        fresh = device(preset=preset, n_inputs=5001, n_outputs=9, dmd={"contrast_ratio": 1e9})
        assert np.array_equal(fresh.measure(frames), numpy_readings(dev, frames))


def test_flush_limits_hold_for_the_largest_entry():
    from opu.sim.light import INT16_STEPS, INT32_STEPS
    from opu.sim.panel import MAX_LEVEL

    largest = int(np.abs(GAUSSIAN_BYTES.astype(int)).max())
    assert largest * kernels.COLUMNS_PER_STEP * INT16_STEPS < 2**15
    assert largest * kernels.COLUMNS_PER_STEP * INT32_STEPS * MAX_LEVEL < 2**31


@pytest.mark.parametrize("medium", ["dense", "structured"])
@pytest.mark.parametrize("preset", ["ideal", "typical"])
def test_shards_side_by_side_are_the_whole(medium, preset):
    bits = np.random.default_rng(0).random((12, 41)) < 0.5
    whole = device(preset=preset, medium=medium, n_outputs=1301).measure(bits)
    cuts = [0, 4, 200, 1300, 1301]
    parts = [
        device(preset=preset, medium=medium, n_outputs=1301, outputs=(a, b)).measure(bits) for a, b in pairwise(cuts)
    ]
    assert np.array_equal(np.concatenate(parts, axis=1), whole)


def test_seek_replays_the_noise_of_a_frame():
    bits = np.random.default_rng(0).random((12, 41)) < 0.5
    whole = device().measure(bits)
    later = device()
    later.seek(7)
    assert np.array_equal(later.measure(bits[7:]), whole[7:])


def test_both_byte_maps_are_the_table():
    source = np.arange(256, dtype=np.uint8).view(np.int8)
    maps = [bytemap.polynomial_bytes] + ([bytemap.lookup_bytes] if bytemap.HAS_TABLE_LOOKUP else [])
    for byte_map in maps:
        target = np.empty(256, np.int8)
        byte_map(source, target)
        assert np.array_equal(target, GAUSSIAN_BYTES)


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="an x86-64 question")
def test_a_plain_cpu_gives_the_same_readings(tmp_path):
    """Compiled for x86-64 without any extension: no AVX, no table look-up, no fused multiply-add."""
    code = (
        "import numpy as np, sys; from opu.sim import bytemap; from opu.sim.device import SimulatedDevice; "
        "from opu.sim.settings import SimSettings; from opu.device import Acquisition; "
        "d = SimulatedDevice(SimSettings(n_inputs=40, n_outputs=300, seed=3)); d.open(); d.configure(Acquisition(1e-3)); "
        "bits = np.random.default_rng(0).random((20, 41)) < 0.5; assert not bytemap.HAS_TABLE_LOOKUP; "
        "np.save(sys.argv[1], np.concatenate([d.measure(bits), d.measure(bits[:1])]))"
    )
    plain = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "", "NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", code, str(tmp_path / "readings.npy")]
    subprocess.run(command, env=os.environ | plain, check=True, capture_output=True)
    bits = np.random.default_rng(0).random((20, 41)) < 0.5
    dev = device()
    assert np.array_equal(
        np.load(tmp_path / "readings.npy"), np.concatenate([dev.measure(bits), dev.measure(bits[:1])])
    )


@pytest.mark.parametrize("n", [0, -1, 1.5, True, 10_000])
def test_impossible_thread_counts_are_refused(n):
    with pytest.raises(opu.InputError, match="integer from 1 to 1024"):
        opu.threads.set_num_threads(n)


def _measured_in_a_child() -> np.ndarray:
    return device().measure(np.random.default_rng(0).random((300, 41)) < 0.5)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_has_threads_of_its_own(monkeypatch):
    monkeypatch.setattr("opu.sim.light.SERIAL_WORK", 0)
    expected = _measured_in_a_child()
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
        assert np.array_equal(pool.submit(_measured_in_a_child).result(timeout=60), expected)


def test_an_error_in_a_thread_arrives():
    def fail(item):
        raise ZeroDivisionError(item)

    with pytest.raises(ZeroDivisionError):
        opu.threads.run_tasks(fail, range(4))
