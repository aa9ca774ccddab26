import numpy as np
import pytest
from opu.sim.camera import Camera
from opu.sim.camera_settings import CameraSettings


def camera(**parameters) -> Camera:
    return Camera(CameraSettings(**parameters), noise_seed=9)


LINEAR = {
    "bit_depth": 12,
    "full_well_e": 20_000.0,
    "gain_dn_per_e": 0.15,
    "black_level_dn": 20.0,
    "dark_current_e_per_s": 0.0,
}


@pytest.mark.parametrize("photons", [0.0, 100.0, 1000.0, 20_000.0])
@pytest.mark.parametrize("read_noise_e", [0.5, 6.0])  # the exact law, and the fast one
def test_photon_transfer(photons, read_noise_e):
    """EMVA 1288: mean K mu_e + black, variance K^2 (sigma_d^2 + mu_e) + 1/12 DN^2."""
    cam = camera(**LINEAR, read_noise_e=read_noise_e, quantum_efficiency=0.5)
    n = 40_000 if cam.exact else 400_000
    readings = cam.read(np.full((4, n // 4), photons, dtype=np.float32), 1e-3, 0).astype(np.float64)
    electrons, gain = 0.5 * photons, 0.15
    noise = gain**2 * (read_noise_e**2 + electrons)
    variance = noise + 1 / 12
    assert readings.mean() == pytest.approx(gain * electrons + 20, abs=5 * np.sqrt(variance / n) + 0.01)
    if noise > 0.25:  # below half a DN of noise the quantisation error is not uniform, and 1/12 does not hold
        assert readings.var() == pytest.approx(variance, rel=5 * np.sqrt(3 / n))


def test_dark_current_grows_with_exposure():
    cam = camera(**{**LINEAR, "dark_current_e_per_s": 10_000.0}, read_noise_e=6.0)
    dark = np.zeros((1, 200_000), dtype=np.float32)
    short, long = (cam.read(dark, exposure_s, 0).mean() - 20 for exposure_s in (0.01, 0.1))
    assert short == pytest.approx(15, abs=0.05)
    assert long == pytest.approx(150, abs=0.05)


@pytest.mark.parametrize("level", [1 / 8, 1 / 4, 1 / 2])
def test_saturated_fraction_of_speckle(level):
    """exp(-1/f) for exponential intensity with mean f of full scale."""
    cam = camera(
        bit_depth=16, full_well_e=1e6, read_noise_e=0.0, shot_noise=False, black_level_dn=0.0, quantum_efficiency=1.0
    )
    intensity = np.random.default_rng(0).exponential(level * 1e6, (10, 100_000)).astype(np.float32)
    saturated = np.mean(cam.read(intensity, 1e-5, 0) >= cam.saturation_dn)
    expected = np.exp(-1 / level)
    assert saturated == pytest.approx(expected, abs=5 * np.sqrt(expected / 1e6))


@pytest.mark.parametrize(("bits", "dtype", "top"), [(8, np.uint8, 255), (10, np.uint16, 1023), (16, np.uint16, 65535)])
def test_codes_clip_at_the_bit_depth(bits, dtype, top):
    cam = camera(bit_depth=bits)
    readings = cam.read(np.array([[0.0, 1e9]], dtype=np.float32), 1e-4, 0)
    assert readings.dtype == dtype
    assert readings[0, 1] == top == cam.saturation_dn


def test_full_well_below_the_code_range_saturates_there():
    cam = camera(bit_depth=12, full_well_e=10_000.0, gain_dn_per_e=0.1, black_level_dn=10.0)
    assert cam.saturation_dn == 1010 - 5  # four read noises of 12 electrons, 4.8 DN, below the well
    assert cam.exact
    readings = cam.read(np.full((1, 1000), 1e6, dtype=np.float32), 1e-4, 0)
    assert readings.mean() == pytest.approx(1010, abs=5 * 1.2 / np.sqrt(1000) + 0.1)
    assert np.mean(readings >= cam.saturation_dn) > 0.999


def test_typical_cameras_take_the_fast_law():
    assert not camera().exact
    assert camera(read_noise_e=0.9).exact
