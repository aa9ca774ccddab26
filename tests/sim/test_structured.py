"""The structured medium against the laws of an i.i.d. one, and against its own definition written out as matrices."""

import numpy as np
import pytest
from opu.sim.device import SimulatedDevice
from opu.sim.diagonals import diagonals
from opu.sim.settings import SimSettings
from opu.sim.structured import transform_size
from scipy import stats

from opu.device import Acquisition


def matrix(seed: int, size: int) -> np.ndarray:
    """sqrt(N) F D3 F (Sigma D2) F D1, from dense DFT matrices."""
    f = np.exp(-2j * np.pi * np.outer(np.arange(size), np.arange(size)) / size)  # the third diagonal holds the factors
    d1, d2, d3 = (d.astype(np.complex128) for d in diagonals(seed, size))
    return f @ (d3[:, None] * f) @ (d2[:, None] * f) * d1[None, :]


@pytest.fixture(scope="module")
def a() -> np.ndarray:
    return matrix(5, 512)


def test_readings_are_those_of_the_matrix(a):
    settings = SimSettings(n_inputs=300, n_outputs=400, seed=5, preset="ideal", medium="structured", anchor_share=0.0)
    device = SimulatedDevice(settings)
    device.open()
    device.configure(Acquisition(2e-5))
    bits = np.random.default_rng(0).random((3, 300)) < 0.5
    light = np.abs(bits @ a[:400, :300].T) ** 2
    readings = device.measure(bits).astype(float)
    scale = (readings * light).sum() / (light**2).sum()
    assert transform_size(300, 400) == 512
    # Rounding to 1 DN, and float32 transforms: 1e-6 of a field that reaches a few thousand DN.
    assert np.abs(readings - scale * light).max() < 0.5 + 1e-5 * readings.max()


def test_entries_have_gaussian_moments(a):
    n = a.size
    assert abs((np.abs(a) ** 2).mean() - 1) < 5 / np.sqrt(n)
    assert abs((np.abs(a) ** 4).mean() - 2) < 5 * np.sqrt(20 / n) + 2 / 512  # columns have exactly equal norms


def test_projections_of_random_vectors_are_gaussian(a):
    x = np.random.default_rng(0).random((40, 512)) < 0.5
    y = (x @ a.T) / np.sqrt(x.sum(axis=1, keepdims=True))
    assert stats.kstest((y.real * np.sqrt(2)).ravel()[::7], "norm").statistic < 1.95 / np.sqrt(y.size / 7)


def kernel_error(b: np.ndarray, x: np.ndarray) -> float:
    """Relative error of |x.y|^2 / N as an estimate of the kernel of an i.i.d. medium, over pairs of inputs."""
    y = x @ b.T
    estimate = (np.abs(y) ** 2) @ (np.abs(y) ** 2).T / b.shape[0]
    gram = x @ x.T
    exact = np.outer(np.diag(gram), np.diag(gram)) + gram**2
    upper = np.triu_indices(len(x), 1)
    return float(np.sqrt(np.mean((estimate / exact - 1)[upper] ** 2)))


def test_kernel_error_is_that_of_an_iid_medium():
    rng = np.random.default_rng(1)
    x = (rng.random((30, 512)) < 0.5).astype(float)
    structured = [kernel_error(matrix(seed, 512), x) for seed in range(8)]
    iid = [
        kernel_error((rng.standard_normal((512, 512)) + 1j * rng.standard_normal((512, 512))) / np.sqrt(2), x)
        for _ in range(8)
    ]
    spread = np.std(structured + iid, ddof=1) / np.sqrt(8)
    assert abs(np.mean(structured) - np.mean(iid)) < 4 * np.sqrt(2) * spread


def test_shifted_inputs_are_as_uncorrelated_as_iid_ones(a):
    """|<A x, A shift(x)>| / |A x| |A shift(x)| beyond the inputs' own inner product: of order 1/sqrt(N)."""
    x = np.random.default_rng(2).choice([-1.0, 1.0], (200, 512))
    y, shifted = x @ a.T, np.roll(x, 1, axis=1) @ a.T
    inner = (y * shifted.conj()).sum(axis=1) / (np.linalg.norm(y, axis=1) * np.linalg.norm(shifted, axis=1))
    own = (x * np.roll(x, 1, axis=1)).sum(axis=1) / 512
    assert np.sqrt(np.mean(np.abs(inner - own) ** 2)) < 1.5 / np.sqrt(512)


@pytest.mark.parametrize("n", [296, 300])  # the anchor's bit in a byte of its own, or after the data's
@pytest.mark.parametrize("leak_ratio", [None, 300.0])
def test_inputs_leak_parked_mirrors_and_windows_are_in_the_light(leak_ratio, n):
    """The whole law in float64, one frame at a time: levels of a Gaussian beam, anchor, leak, and a shard's outputs."""
    device = SimulatedDevice(
        SimSettings(
            n_inputs=n,
            n_outputs=700,
            outputs=(200, 650),
            seed=5,
            medium="structured",
            laser={"profile": "gaussian"},
            dmd={"contrast_ratio": leak_ratio},
        )
    )
    light, scene, panel = device._light, device.scene, device.scene.panel
    bits = np.random.default_rng(0).random((9, n + 1)) < 0.5
    photons = np.empty((9, 450), np.float32)

    def keep(frames, outputs, some):
        photons[frames, outputs] = some

    light.expose(np.packbits(bits[:, :n], axis=1), bits[:, n].astype(np.float32), 3.0, keep)
    weights = np.append(panel.levels * panel.unit, panel.anchor)
    field = np.where(bits, 1.0, scene.leak) * weights @ matrix(5, 1024)[200:650, : n + 1].T
    parked = scene.leak * panel.parked * scene.column(n + 1)
    expected = 9 * np.abs(field + parked[::2] + 1j * parked[1::2]) ** 2
    assert scene.leak == (0.0 if leak_ratio is None else 300**-0.5)
    assert np.abs(photons - expected).max() < 1e-5 * expected.max()


def test_it_is_labelled_and_another_matrix_than_the_dense_one():
    def make(medium):
        return SimulatedDevice(SimSettings(n_inputs=30, n_outputs=40, seed=1, medium=medium))

    assert make("structured").spec.medium == "structured"
    assert "structured" in make("structured").spec.model
    assert make("structured").spec.fingerprint != make("dense").spec.fingerprint
