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


def test_readings_stay_what_they_were():
    """Of a camera without a fixed pattern: recorded before there was any, so that old results can be had again."""
    light = np.repeat(np.linspace(0, 22_000, 12, dtype=np.float32)[None], 2, axis=0)
    recorded = [
        [2, 26, 48, 67, 94, 113, 141, 159, 180, 203, 229, 251],
        [2, 25, 45, 71, 93, 116, 137, 162, 180, 203, 227, 249],
    ]
    assert Camera(CameraSettings(), 5).read(light, 4e-4, 3, 1000).tolist() == recorded


@pytest.mark.parametrize("bits", range(1, 17))
def test_every_bit_depth_has_its_range(bits):
    """Black, gain and well in proportion: 2 of 256 DN at 8 bits; a bright pixel reads the largest code."""
    cam = camera(bit_depth=bits)
    s = cam.settings
    assert s.black_dn / 2**bits == 2 / 256
    assert s.gain * (s.full_well_e - s.headroom_e) + s.black_dn == pytest.approx(2**bits - 1)
    assert cam.saturation_dn == 2**bits - 1
    assert not cam.exact
    half_e = (2**bits - 1) / 2 / s.gain
    light = np.array([[0.0, half_e / s.quantum_efficiency, 1e7]] * 500, dtype=np.float32)
    dark, half, top = cam.read(light, 1e-4, 0).astype(float).mean(axis=0)
    assert dark == pytest.approx(s.black_dn, abs=0.5 + 5 * 12 * s.gain / np.sqrt(500))
    assert half == pytest.approx((2**bits - 1) / 2 + s.black_dn, abs=0.5 + 5 * np.sqrt(half_e / 500) * s.gain)
    assert top == 2**bits - 1


@pytest.mark.parametrize(("temperature_c", "factor"), [(25.0, 1.0), (33.0, 2.0), (41.0, 4.0), (17.0, 0.5)])
def test_dark_current_doubles_every_8_degrees(temperature_c, factor):
    """Mean of n dark pixels: K I t to K sqrt((sigma_d^2 + I t) / n); rounding under 0.9 DN of noise leaves 1e-3."""
    cam = camera(**{**LINEAR, "dark_current_e_per_s": 10_000.0}, read_noise_e=6.0, temperature_c=temperature_c)
    assert cam.temperature_c == temperature_c
    assert cam.dark_current_e_per_s == pytest.approx(10_000 * factor)
    n, exposure_s = 200_000, 10e-3
    electrons = 10_000 * factor * exposure_s
    dark = cam.read(np.zeros((1, n), np.float32), exposure_s, 0).mean() - 20
    assert dark == pytest.approx(0.15 * electrons, abs=5 * 0.15 * np.sqrt((36 + electrons) / n) + 1e-3)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"bit_depth": 0}, "greater than or equal to 1"),
        ({"bit_depth": 17}, "less than or equal to 16"),
        ({"black_level_dn": 200.0}, "less than half of the 255 DN"),
        ({"gain_dn_per_e": 1e-3}, "13.5 DN, and 16 DN is the least.*raise the gain"),
        ({"bit_depth": 2, "gain_dn_per_e": 1e-4}, "1.35 DN, and 2.97 DN is the least"),
        ({"gain_dn_per_e": 0.1}, r"5.34 times the 253 DN.*ends at 2530 electrons and 81% .* at most 0.07496"),
        ({"full_well_e": 90.0}, "not above 8 dark noises"),
        ({"full_well_e": 400.0, "dsnu_e": 60.0}, "60 of dsnu_e"),
        ({"dark_current_e_per_s": 2e6}, r"2e\+04 electrons in exposure_max_s = 0.01 s leave no room.*0.0034 s"),
        (
            {"temperature_c": 90.0, "exposure_max_s": 1.0},
            r"125 at 25 °C is 3.49e\+04 electrons/s at temperature_c = 90 °C.*cool the camera",
        ),
        ({"prnu_rms": 0.3}, "less than or equal to 0.2"),
        ({"hot_fraction": 1.1}, "less than or equal to 1"),
        ({"dead_fraction": 1.0}, "less than 1"),
        ({"dark_doubling_c": 0.0}, "greater than or equal to 1"),
        ({"dsnu_e": float("nan")}, "finite number"),
    ],
)
def test_what_physics_forbids_is_refused_with_numbers(parameters, message):
    with pytest.raises(ValueError, match=message):
        CameraSettings(**parameters)


def test_a_gain_that_uses_a_quarter_of_the_well_is_taken():
    assert CameraSettings(gain_dn_per_e=4 * 253 / 13_500).gain == 4 * 253 / 13_500
