import numpy as np
import pytest
from opu.sim.clock import Pace
from opu.sim.device import SimulatedDevice
from opu.sim.laser import brightness
from opu.sim.settings import SimSettings
from pydantic import ValidationError
from scipy import stats

from opu.device import Acquisition
from opu.errors import ConfigError, DeviceError
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


def configured(exposure_s: float = 400e-6, **parameters) -> SimulatedDevice:
    dev = device(preset="typical", **parameters)
    dev.open()
    dev.configure(Acquisition(exposure_s))
    return dev


def test_energy_is_mains_power_times_time():
    dev = configured(clock={"power_w": 20.0})
    dev.measure(data_frames(8))
    status = dev.status()
    assert dev.spec.power_w == 20.0
    assert status.device_joules == pytest.approx(20.0 * status.device_seconds) == pytest.approx(20.0 * 8 * 500e-6)


def test_a_published_rate_sets_the_frame_time():
    dev = device(preset="typical", clock={"rates": "generation3"})
    dev.open()
    assert dev.configure(Acquisition(1e-5)).frame_time_s == pytest.approx(1 / 8000)
    assert dev.spec.frame_rate_hz == pytest.approx(8000)
    assert dev.configure(Acquisition(1e-3)).frame_time_s == pytest.approx(1.05e-3)


@pytest.mark.parametrize(
    ("frame_time_s", "message"),
    [
        (1e-4, "is shorter than 0.0005 s, set by the readout"),
        (float("inf"), "pass a finite one"),
        (float("nan"), "set by"),
    ],
)
def test_impossible_frame_times_are_refused(frame_time_s, message):
    dev = configured()
    with pytest.raises(DeviceError, match=message):
        dev.configure(Acquisition(1e-5, frame_time_s=frame_time_s))


def test_real_time_lasts_as_long_as_the_device_would_take(monkeypatch):
    dev = configured(clock={"real_time": True})
    now, slept = [100.0], []

    def sleep(seconds):
        slept.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(dev, "_pace", Pace(lambda: now[0], sleep))
    dev.measure(data_frames(5))
    dev.measure(data_frames(3))
    assert slept == pytest.approx([5 * 500e-6, 3 * 500e-6])


def test_the_laser_scales_every_frame():
    """Noiseless light: readings of one frame shown again and again follow brightness(), within half a code."""
    dev = device(n_outputs=50, laser={"rin_rms": 0.05, "power_drift_rms": 0.1, "power_drift_time_s": 0.01})
    dev.open()
    acquisition = dev.configure(Acquisition(2e-4))
    frames = np.repeat(data_frames(1), 40, axis=0)
    light = dev.measure(frames).astype(float)
    times_s = np.arange(40) * acquisition.frame_time_s
    expected = brightness(dev.settings.laser, dev.camera.noise_seed, 0, times_s)
    assert expected.std() > 0.05
    steady = device(n_outputs=50)
    steady.open()
    steady.configure(Acquisition(2e-4))
    still = steady.measure(frames[:1]).astype(float)
    assert still.max() < 40_000
    assert np.abs(light - np.outer(expected, still)).max() < 0.5 + 0.5 * expected.max() + 0.02


def test_duplicated_readings_are_those_of_the_frame_before():
    dev, clean = configured(faults={"duplicated_fraction": 0.4}), configured()
    frames = data_frames(40)
    got, expected = dev.measure(frames), clean.measure(frames)
    same = (got == expected).all(axis=1)
    assert 0.3 < 1 - same.mean() < 0.5  # 16 of 40 expected, standard deviation 3
    for k in np.flatnonzero(~same):
        assert np.array_equal(got[k], got[k - 1])
    assert dev.status().device_seconds == clean.status().device_seconds
    assert dev.status().frames_dropped == 0
    for cuts in ([3], list(range(1, 40))):
        again = configured(faults={"duplicated_fraction": 0.4})
        assert np.array_equal(np.concatenate([again.measure(part) for part in np.split(frames, cuts)]), got)


def test_lost_frames_cost_time_and_no_readings():
    faults = {"dropped_fraction": 0.2, "trigger_loss_fraction": 0.1, "trigger_timeout_s": 0.05}
    dev, clean = configured(faults=faults), configured()
    frames = data_frames(60)
    assert np.array_equal(dev.measure(frames), clean.measure(frames))
    lost, extra = dev.status().frames_dropped, dev.status().device_seconds - 60 * 500e-6
    assert 10 < lost < 50  # 60 x 0.3 / 0.7 = 26 expected
    triggers = extra // 0.05
    assert extra == pytest.approx(triggers * 0.05 + (lost - triggers) * 500e-6)
    assert dev.status().device_joules == pytest.approx(30 * dev.status().device_seconds)


def test_the_first_trigger_after_configure_may_be_lost():
    dev = configured(faults={"first_trigger_lost": True})
    dev.measure(data_frames(2))
    dev.measure(data_frames(2))
    assert dev.status().frames_dropped == 1
    assert dev.status().device_seconds == pytest.approx(4 * 500e-6 + 0.1)
    dev.configure(Acquisition(400e-6))
    dev.measure(data_frames(1))
    assert dev.status().frames_dropped == 2


def test_status_tells_the_cameras_temperature():
    assert configured(camera={"temperature_c": 31.0}).status().temperature_c == 31.0


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({"speckle": {"drift_time_s": 1.0}}, "speckle.drift_time_s"),
        ({"speckle": {"polarisation": 0.0}}, "speckle.polarisation"),
        ({"speckle": {"region": [40, 100], "grain_px": 2.0}}, "speckle.grain_px"),
        ({"reference": {"arm": "static"}}, "reference.arm"),
        ({"medium": "matrix", "matrix_file": "a.npy"}, "medium"),
    ],
)
def test_what_the_gpu_does_not_simulate_is_named(parameters, name):
    with pytest.raises(ValidationError, match=rf'compute = "cuda" does not simulate {name}.*use compute = "cpu"'):
        device(compute="cuda", **parameters)


class TestMeasuredMatrix:
    """medium = "matrix" against the same matrix in NumPy."""

    @staticmethod
    def matrix(n_columns: int = 200, n_outputs: int = 300) -> np.ndarray:
        rng = np.random.default_rng(8)
        parts = rng.standard_normal((n_outputs, n_columns, 2)) * np.sqrt(2.0)  # mean square 4
        return (parts[..., 0] + 1j * parts[..., 1]).astype(np.complex64)

    def made(self, folder, matrix, **parameters) -> SimulatedDevice:
        np.save(folder / "matrix.npy", matrix)
        table = {"medium": "matrix", "matrix_file": str(folder / "matrix.npy"), "n_outputs": len(matrix)}
        dev = device(**table | parameters)
        dev.open()
        dev.configure(Acquisition(1e-4))
        return dev

    @pytest.mark.parametrize("n_columns", [200, 201])
    @pytest.mark.parametrize("scale", [None, 0.5])
    def test_readings_are_the_matrix_times_the_mirrors(self, tmp_path, n_columns, scale):
        matrix = self.matrix(n_columns)
        dev = self.made(tmp_path, matrix, matrix_scale=scale, dmd={"contrast_ratio": 50.0})
        frames = np.random.default_rng(0).random((20, 201)) < 0.5
        panel, eps, n = dev.scene.panel, 50.0**-0.5, 200
        factor = 0.5 if scale else np.mean(np.abs(matrix) ** 2) ** -0.5
        columns = np.empty((300, 201), np.complex128)
        columns[:, :n] = factor * matrix[:, :n]
        columns[:, n] = factor * matrix[:, n] if n_columns == 201 else dev.scene.column(n).view(np.complex128)
        weights = np.append(panel.levels * panel.unit, panel.anchor)
        field = (np.where(frames, 1.0, eps) * weights) @ columns.T
        dn = dev._amplitude(dev.status().acquisition) ** 2 * dev.settings.camera.gain
        light = dn * np.abs(field + eps * panel.parked * dev.scene.column(n + 1).view(np.complex128)) ** 2
        got = dev.measure(frames).astype(float)
        seen = light < 60_000
        assert seen.mean() > 0.97
        assert np.abs(got - light)[seen].max() < 0.5 + 0.05

    def test_scale_sets_the_light_and_content_the_fingerprint(self, tmp_path):
        matrix = self.matrix()
        frames = data_frames(5)
        one = self.made(tmp_path, matrix)
        light = one.measure(frames)
        assert light.mean() == pytest.approx(
            self.made(tmp_path, 10 * matrix).measure(frames).mean(), rel=1e-3
        )  # scaled to mean square 1
        assert self.made(tmp_path, matrix).spec.fingerprint == one.spec.fingerprint
        matrix[0, 0] += 0.1
        assert self.made(tmp_path, matrix).spec.fingerprint != one.spec.fingerprint

    def test_shards_and_batches_do_not_matter(self, tmp_path):
        matrix = self.matrix()
        frames = np.random.default_rng(0).random((9, 201)) < 0.5
        whole = self.made(tmp_path, matrix, preset="typical").measure(frames)
        dev = self.made(tmp_path, matrix, preset="typical")
        assert np.array_equal(np.concatenate([dev.measure(frames[:4]), dev.measure(frames[4:])]), whole)
        parts = [
            self.made(tmp_path, matrix, preset="typical", outputs=cut).measure(frames) for cut in ((0, 8), (8, 300))
        ]
        assert np.array_equal(np.concatenate(parts, axis=1), whole)

    def test_it_drifts_from_what_was_measured_towards_an_iid_medium(self, tmp_path):
        frames = np.repeat(data_frames(1), 2, axis=0)
        still = self.made(tmp_path, self.matrix(n_outputs=3000)).measure(frames)
        dev = self.made(tmp_path, self.matrix(n_outputs=3000), speckle={"drift_time_s": 1.0})
        assert np.array_equal(dev.measure(frames[:1]), still[:1])
        dev.seek(1, 0.5)
        later = dev.measure(frames[:1])[0].astype(float)
        # Correlation of intensities rho^2 = exp(-1); standard error of about 3 / sqrt(n).
        assert np.corrcoef(later, still[0])[0, 1] == pytest.approx(np.exp(-1), abs=5 * 3 / np.sqrt(3000))

    def test_an_anchor_column_needs_an_anchor(self, tmp_path):
        with pytest.raises(ConfigError, match="201 columns, the last for the anchor, and anchor_share = 0"):
            self.made(tmp_path, self.matrix(201), anchor_share=0.0)
