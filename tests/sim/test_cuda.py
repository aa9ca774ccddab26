"""The GPU against the CPU: the same integers, and the same readings; skipped where there is no GPU."""

import numpy as np
import pytest
from opu.sim.device import SimulatedDevice
from opu.sim.hashing import words
from opu.sim.medium import GAUSSIAN_BYTES, DenseMedium
from opu.sim.settings import SimSettings

import opu
from opu.device import Acquisition
from opu.errors import InputError

cp = pytest.importorskip("cupy", reason="CuPy is not installed (pip install 'openopu[cuda13]')")
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not cp.cuda.is_available(), reason="no NVIDIA GPU answers"),
    pytest.mark.filterwarnings("default"),
]


def pair(**parameters) -> tuple[SimulatedDevice, SimulatedDevice]:
    devices = [
        SimulatedDevice(SimSettings(**{"n_inputs": 300, "n_outputs": 1301, "seed": 3, **parameters, "compute": where}))
        for where in ("cpu", "cuda")
    ]
    for device in devices:
        device.open()
        device.configure(Acquisition(3e-4))
    return devices[0], devices[1]


def test_the_hash_is_the_published_one():
    from opu.sim.cuda import module
    from opu.sim.hashing import keys

    columns, groups = np.array([12345, 7, 2**20], np.uint64), np.array([678, 0, 2**18], np.uint64)
    out = cp.empty((3, 3), cp.uint64)
    first, second = (np.uint64(key) for key in keys(42))
    shape = (np.int64(3), np.int64(3))
    module().get_function("hash_words")(
        (1,), (32,), (first, second, cp.asarray(columns), cp.asarray(groups), *shape, out)
    )
    assert int(out[0, 0]) == 0x7F2C1476104A7500
    assert np.array_equal(out.get(), words(42, columns, groups))


def test_tiles_are_the_mediums_entries():
    from opu.sim.cuda import CudaDense
    from opu.sim.medium import entries

    device, _ = pair(preset="ideal")
    tile = cp.empty(300 * 326 * 8, cp.float16)
    CudaDense(device.scene)._fill(tile, cp.arange(300, dtype=cp.int32), 0, 326)
    got = tile.get().astype(int).reshape(300, -1)[:, : 2 * 1301]
    assert np.array_equal(got, entries(3, np.arange(300), range(1301)).reshape(300, -1))
    assert set(np.unique(got)) <= set(GAUSSIAN_BYTES.tolist())


@pytest.mark.parametrize("preset", ["ideal", "typical"])
@pytest.mark.parametrize("n_frames", [1, 8, 9, 200])
def test_sums_are_the_same_integers(preset, n_frames):
    from opu.sim.cuda import CudaDense

    device, _ = pair(preset=preset, n_inputs=5000)
    panel = device.scene.panel
    bits = np.random.default_rng(n_frames).random((n_frames, 5000)) < 0.5
    totals = CudaDense(device.scene)._totals(cp.asarray(bits)).get()[:, : 2 * 1301]
    assert np.array_equal(totals, DenseMedium(3, 5000, 1301).fields(bits, panel.levels).reshape(n_frames, -1))


@pytest.mark.parametrize("preset", ["ideal", "typical", "harsh"])
@pytest.mark.parametrize("bit_depth", [8, 12])
@pytest.mark.parametrize("n_frames", [1, 5, 40])
def test_dense_readings_are_equal(preset, bit_depth, n_frames):
    cpu, gpu = pair(preset=preset, camera={"bit_depth": bit_depth})
    bits = np.random.default_rng(0).random((n_frames, 301)) < 0.5
    assert np.array_equal(gpu.measure(bits), cpu.measure(bits))


@pytest.mark.parametrize("preset", ["ideal", "typical"])
def test_structured_readings_agree_to_the_rounding_of_the_transforms(preset):
    """Two FFT libraries differ by some 1e-6 of the root mean square field: now and then a reading rounds the other way."""
    cpu, gpu = pair(preset=preset, medium="structured", n_inputs=3000, n_outputs=4000)
    bits = np.random.default_rng(0).random((20, 3001)) < 0.5
    a, b = cpu.measure(bits).astype(int), gpu.measure(bits).astype(int)
    assert np.abs(a - b).max() <= (1 if preset == "typical" else 2)
    assert np.mean(a != b) < (1e-3 if preset == "typical" else 0.05)


def test_shards_on_the_gpu_are_the_whole():
    bits = np.random.default_rng(0).random((12, 301)) < 0.5
    _, whole = pair()
    parts = [pair(outputs=cut)[1].measure(bits) for cut in ((0, 400), (400, 1301))]
    assert np.array_equal(np.concatenate(parts, axis=1), whole.measure(bits))


def test_arrays_on_the_gpu_stay_there():
    bits = np.random.default_rng(0).random((12, 301)) < 0.5
    expected = pair()[0].measure(bits)
    for frames in (cp.asarray(bits), cp.asarray(np.packbits(bits, axis=1))):
        readings = pair()[1].measure(frames)
        assert isinstance(readings, cp.ndarray)
        assert np.array_equal(readings.get(), expected)


def test_malformed_arrays_on_the_gpu_are_refused_there():
    device = pair()[1]
    for frames, message in (
        (cp.full((1, 38), 255, cp.uint8), "padding bit beyond input 300"),
        (cp.zeros((1, 300), cp.bool_), "shape"),
        (cp.zeros((0, 301), cp.bool_), "0 frames"),
        (cp.zeros((1, 301)), "dtype"),
    ):
        with pytest.raises(InputError, match=message):
            device.measure(frames)


@pytest.mark.parametrize("retrieval", ["anchor4", "anchor2", "difference"])
@pytest.mark.parametrize("encoding", ["bitplanes", "ternary"])
@pytest.mark.parametrize("compute", ["cpu", "cuda"])
def test_opus_give_arrays_on_the_gpu_for_arrays_on_the_gpu(compute, encoding, retrieval):
    settings = {"n_inputs": 300, "n_outputs": 1301, "seed": 3, "encoding": encoding, "retrieval": retrieval}
    e = np.random.default_rng(0).standard_normal((20, 300))
    e[4] = 0
    with opu.open("sim", **settings) as one, opu.open("sim", **settings, compute=compute) as two:
        expected = [one.linear_transform(e), one.transform(e > 0), one.linear_transform(e[0])]
        results = [two.linear_transform(cp.asarray(e)), two.transform(cp.asarray(e > 0))]
        results += [two.linear_transform(cp.asarray(e[0]))]
    for got, wanted in zip(results, expected, strict=True):
        assert isinstance(got, cp.ndarray)
        assert (got.dtype, got.shape) == (wanted.dtype, wanted.shape)
        # The ternary encoding's norm is a sum, whose order differs on the GPU: its float32 scale may round the other way.
        assert np.allclose(got.get(), wanted, rtol=5e-7 if encoding == "ternary" else 0, atol=0)


def test_nothing_but_totals_leaves_the_gpu(monkeypatch):
    """The largest |e|, counts of readings, whether all planes are lit: single numbers. No array."""
    e = cp.asarray(np.random.default_rng(0).standard_normal((20, 300)))
    with opu.open("sim", n_inputs=300, n_outputs=1301, seed=3, compute="cuda") as o:
        o.linear_transform(e)
        o.transform(e > 0)
        monkeypatch.setattr(cp, "asnumpy", lambda *_, **__: pytest.fail("an array left the GPU"))
        o.linear_transform(e)
        o.transform(e > 0)
