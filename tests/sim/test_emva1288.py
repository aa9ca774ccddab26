"""The standard's own reference analysis (PyPI `emva1288`, release 4) finds our camera's parameters in its images.

Every bound is five standard errors, from the sampling of variances: one pair of images of n pixels gives a temporal variance
s^2 to s^2 sqrt(2 / n), and n pixels give a spatial variance to the same fraction; fits carry them on linearly.
"""

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from opu.sim.camera import Camera
from opu.sim.camera_settings import CameraSettings

pytest.importorskip("emva1288", reason="emva1288 is not installed (pip install emva1288)")

HEIGHT, WIDTH = 250, 400
PIXELS = HEIGHT * WIDTH
STACK = 50
PHOTONS_PER_S = 4e6
EXPOSURES_S = np.linspace(0.5e-3, 10e-3, 30)
SPATIAL_S = 3e-3


@pytest.fixture(scope="module")
def camera() -> Camera:
    settings = CameraSettings(
        bit_depth=12,
        full_well_e=17_000.0,  # the converter ends first, at 16,060
        read_noise_e=8.0,
        gain_dn_per_e=0.25,
        black_level_dn=80.0,
        quantum_efficiency=0.6,
        dark_current_e_per_s=5_000.0,
        temperature_c=41.0,  # two doublings: 20,000 electrons/s
        prnu_rms=0.012,
        dsnu_e=30.0,
    )
    return Camera(settings, noise_seed=11, outputs=range(PIXELS))


@pytest.fixture(scope="module")
def found(camera):
    """What the package computes: constant light, exposures swept; pairs of images, and stacks of 50 at one exposure."""
    frame = 0

    def summed(photons: float, exposure_s: float, n_frames: int) -> dict:
        nonlocal frame
        light = np.full((n_frames, PIXELS), photons, np.float32)
        images = camera.read(light, exposure_s, frame).reshape(n_frames, HEIGHT, WIDTH)
        frame += n_frames
        return routines.get_int_imgs(images)

    def totals(photons: float, exposure_s: float) -> dict:
        pair = summed(photons, exposure_s, 2)
        return {"sum": pair["sum"].sum(), "pvar": pair["pvar"].sum(), "dmean": pair["dmean"]}

    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")
        # The package still calls what NumPy 2 dropped.
        patch.setattr(np, "asfarray", lambda values: np.asarray(values, dtype=float), raising=False)
        from emva1288.process import routines
        from emva1288.process.data import Data1288
        from emva1288.process.results import Results1288

        temporal = {
            1e9 * t: {0.0: totals(0.0, t), PHOTONS_PER_S * t: totals(PHOTONS_PER_S * t, t)} for t in EXPOSURES_S
        }
        light = PHOTONS_PER_S * SPATIAL_S
        spatial = {1e9 * SPATIAL_S: {p: summed(p, SPATIAL_S, STACK) for p in (0.0, light)}}
        data = Data1288({"height": HEIGHT, "width": WIDTH, "temporal": temporal, "spatial": spatial})
        results = Results1288(data.data)
        names = [
            "K",
            "QE",
            "sigma_d",
            "u_I_mean",
            "u_I_var",
            "DSNU1288",
            "PRNU1288",
            "u_e_sat",
            "index_sensitivity_max",
        ]
        values = {name.lower(): getattr(results, name) for name in names}
        return SimpleNamespace(**values, linearity=results.linearity())


def variance_dn2(camera: Camera, electrons: np.ndarray | float) -> np.ndarray | float:
    return camera.settings.gain**2 * (camera.settings.read_noise_e**2 + electrons) + 1 / 12


@pytest.fixture(scope="module")
def gain_error(camera, found) -> float:
    """Relative standard error of K = sum X Y / sum X^2 with Y = variance - dark variance over X = mean - dark mean."""
    t = EXPOSURES_S[: found.index_sensitivity_max + 1]
    light_e, dark_e = 0.6 * PHOTONS_PER_S * t, camera.dark_current_e_per_s * t
    error2 = 2 / PIXELS * (variance_dn2(camera, light_e + dark_e) ** 2 + variance_dn2(camera, dark_e) ** 2)
    x = camera.settings.gain * light_e
    return float(np.sqrt((x**2 * error2).sum()) / (x**2).sum() / camera.settings.gain)


@pytest.fixture(scope="module")
def dark_fit_errors(camera) -> tuple[float, float]:
    """Standard errors of slope (DN^2/s) and intercept (DN^2) of the dark variance over the exposure, by least squares."""
    error2 = 2 / PIXELS * variance_dn2(camera, camera.dark_current_e_per_s * EXPOSURES_S) ** 2
    slope, intercept = np.linalg.pinv(np.stack([EXPOSURES_S, np.ones_like(EXPOSURES_S)], axis=1))
    return float(np.sqrt((slope**2 * error2).sum())), float(np.sqrt((intercept**2 * error2).sum()))


def test_system_gain(found, gain_error):
    assert gain_error < 0.002
    assert found.k == pytest.approx(0.25, rel=5 * gain_error)


def test_quantum_efficiency(found, gain_error):
    """Responsivity over K; the responsivity of n pixels of prnu 1.2 % is known to 4e-5."""
    assert found.qe == pytest.approx(60.0, rel=5 * (gain_error + 4e-5))


def test_temporal_dark_noise(found, gain_error, dark_fit_errors, camera):
    relative = dark_fit_errors[1] / (2 * (0.25 * 8) ** 2) + gain_error
    assert relative < 0.005
    assert found.sigma_d == pytest.approx(8.0, rel=5 * relative)


def test_dark_current_doubles_as_said_by_mean_and_by_variance(found, gain_error, dark_fit_errors, camera):
    """The mean's slope: each exposure's dark mean, of two images, is known to sqrt(s^2 / 2 n)."""
    spread = np.sqrt(((EXPOSURES_S - EXPOSURES_S.mean()) ** 2).sum())
    mean_error = np.sqrt(variance_dn2(camera, 200.0) / (2 * PIXELS)) / spread / (0.25 * 20_000)
    assert found.u_i_mean == pytest.approx(20_000, rel=5 * (mean_error + gain_error))
    variance_error = dark_fit_errors[0] / (0.25**2 * 20_000)
    assert found.u_i_var == pytest.approx(20_000, rel=5 * (variance_error + 2 * gain_error))


def test_dark_signal_non_uniformity(found, gain_error, camera):
    residue = variance_dn2(camera, 60.0) / STACK / (0.25 * 30) ** 2
    relative = (1 + residue) / np.sqrt(2 * PIXELS)
    assert found.dsnu1288 == pytest.approx(30.0, rel=5 * (relative + gain_error))


def test_photo_response_non_uniformity(found, camera):
    """sqrt(bright - dark spatial variance) over the difference of means; both variances hold the stack's residual noise."""
    light_e = 0.6 * PHOTONS_PER_S * SPATIAL_S
    prnu2, dsnu2 = (0.25 * light_e * 0.012) ** 2, (0.25 * 30) ** 2
    bright = prnu2 + dsnu2 + variance_dn2(camera, light_e + 60) / STACK
    dark = dsnu2 + variance_dn2(camera, 60.0) / STACK
    relative = np.sqrt(2 / PIXELS * (bright**2 + dark**2)) / (2 * prnu2)
    assert relative < 0.005
    assert found.prnu1288 == pytest.approx(1.2, rel=5 * relative)


def test_saturation_and_linearity(found, camera):
    """The range ends at (4095 - 80) / 0.25 = 16,060 electrons; the package takes the brightest step of full variance."""
    end_e = 4015 / 0.25
    step_e = 0.6 * PHOTONS_PER_S * (EXPOSURES_S[1] - EXPOSURES_S[0])
    assert end_e - 2 * step_e < found.u_e_sat < end_e + step_e
    assert abs(found.linearity["linearity_error_min"]) < 0.1  # percent
    assert abs(found.linearity["linearity_error_max"]) < 0.1
