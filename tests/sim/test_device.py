import numpy as np
import pytest
from opu.sim.device import SimulatedDevice
from opu.sim.settings import SimSettings
from scipy import stats

from opu.device import Acquisition
from opu.errors import DeviceError
from opu.exposure import auto_exposure


def device(**parameters) -> SimulatedDevice:
    return SimulatedDevice(
        SimSettings(**{"n_inputs": 200, "n_outputs": 4000, "seed": 3, "preset": "ideal", **parameters})
    )


def readings(dev: SimulatedDevice, frames: np.ndarray) -> np.ndarray:
    dev.open()
    auto_exposure(dev, frames, 0.0)
    result = dev.measure(frames).astype(np.float64)
    dev.close()
    return result


def data_frames(n: int, seed: int = 0, n_inputs: int = 200) -> np.ndarray:
    frames = np.random.default_rng(seed).random((n, n_inputs + 1)) < 0.5
    frames[:, -1] = False
    return frames


def test_speckle_is_fully_developed():
    """p(I) = exp(-I/mean)/mean: Kolmogorov-Smirnov at the 0.1 % level, and contrast 1 within its standard error."""
    speckle = readings(device(), data_frames(1))[0]
    assert stats.kstest(speckle / speckle.mean(), "expon").statistic < 1.95 / np.sqrt(4000)
    assert speckle.std() / speckle.mean() == pytest.approx(1.0, abs=5 / np.sqrt(4000))


def test_intensity_kernel_is_k2():
    """Mean over outputs of I(x) I(y) / (sigma^4) = |x|^2 |y|^2 + (x.y)^2."""
    frames = data_frames(6)
    intensity = readings(device(n_outputs=40_000), frames)
    x = frames[:, :-1].astype(np.float64)
    unit = intensity.mean() / x.sum(axis=1).mean()
    measured = (intensity @ intensity.T) / 40_000 / unit**2
    gram = x @ x.T
    norms = np.diag(gram)
    expected = np.outer(norms, norms) + gram**2
    # Relative standard error of a mean of products of exponentials: at most sqrt(E I^4 / (E I^2)^2 - 1) = sqrt(5); unit is
    # itself estimated, to 1/sqrt(40000 * 6) (its square doubles that).
    assert np.abs(measured / expected - 1).max() < 5 * np.sqrt(5 / 40_000)


def test_mirror_contrast_sets_the_light_of_dark_frames():
    dev = device(dmd={"contrast_ratio": 100.0})
    frames = np.zeros((2, 201), dtype=bool)
    frames[1] = True
    off, on = readings(dev, frames)
    seen = on < 65535
    assert seen.mean() > 0.9
    assert np.abs(off * 100 - on)[seen].max() <= 50.5  # half a DN of rounding in off, and in on


def test_photons_per_reading_from_first_principles():
    power_w, exposure_s, coupling, wavelength_m, efficiency = 5e-3, 1e-4, 1e-9, 532e-9, 0.8
    dev = device(
        n_outputs=20_000,
        camera={"quantum_efficiency": efficiency, "full_well_e": 1e7},
        laser={"power_w": power_w, "coupling": coupling, "wavelength_m": wavelength_m},
    )
    dev.open()
    dev.configure(Acquisition(exposure_s))
    mean_dn = dev.measure(np.ones((1, 201), dtype=bool)).mean()
    photons = power_w * exposure_s * coupling * wavelength_m / (6.62607015e-34 * 299_792_458)
    assert mean_dn / (65535 / 1e7) == pytest.approx(photons * efficiency, rel=5 / np.sqrt(20_000))


def test_reports_the_time_a_real_device_would_take():
    dev = device(preset="typical")
    dev.open()
    assert dev.configure(Acquisition(400e-6)).frame_time_s == pytest.approx(500e-6)
    dev.measure(data_frames(4))
    assert dev.configure(Acquisition(1e-3)).frame_time_s == pytest.approx(1.05e-3)
    dev.measure(data_frames(2))
    assert dev.configure(Acquisition(1e-5, frame_time_s=2e-3)).frame_time_s == pytest.approx(2e-3)
    dev.measure(data_frames(1))
    status = dev.status()
    assert (status.frames_shown, status.device_seconds) == (7, pytest.approx(4 * 500e-6 + 2 * 1.05e-3 + 2e-3))


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 4},
        {"n_outputs": 4001},
        {"anchor_share": 0.5},
        {"dmd": {"columns": 900}},
        {"laser": {"profile": "gaussian"}},
    ],
)
def test_fingerprint_tells_another_matrix(change):
    assert device().spec.fingerprint != device(**change).spec.fingerprint


def test_fingerprint_outlives_what_leaves_the_matrix_alone():
    assert device().spec.fingerprint == device(noise_seed=5, camera={"bit_depth": 8}).spec.fingerprint


def test_noise_seed_changes_the_noise_and_not_the_medium():
    frames = data_frames(4)
    first, second = (readings(device(preset="typical", noise_seed=s), frames) for s in (1, 2))
    assert not np.array_equal(first, second)
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] > 0.99


def test_a_missing_gpu_is_told_before_anything_opens():
    dev = device(compute="cuda")
    try:
        import cupy

        if cupy.cuda.is_available():
            pytest.skip("a GPU is here")
    except ImportError:
        pass
    with pytest.raises(DeviceError, match=r'compute = "cuda".*(openopu\[cuda12\]|use compute = "cpu")'):
        dev.open()
    assert not dev.status().is_open
