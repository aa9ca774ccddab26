"""What differs from pixel to pixel: each effect alone against its closed form, and all of them under any sharding."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opu.sim.camera import Camera
from opu.sim.camera_settings import CameraSettings
from opu.sim.fixed_pattern import fixed_pattern

EVERYTHING = {"prnu_rms": 0.03, "dsnu_e": 25.0, "hot_fraction": 0.2, "dead_fraction": 0.1, "temperature_c": 30.0}
N = 100_000


def camera(outputs=range(0), noise_seed=9, **parameters) -> Camera:
    return Camera(CameraSettings(**{"bit_depth": 12, "full_well_e": 20_000.0, **parameters}), noise_seed, outputs)


def spatial(cam: Camera, photons: float, exposure_s: float = 1e-3, n_frames: int = 40) -> tuple[float, float]:
    """Mean and variance over N pixels of their temporal means, in electrons, the temporal noise that is left taken out."""
    readings = cam.read(np.full((n_frames, N), photons, np.float32), exposure_s, 0).astype(np.float64)
    of_means = readings.mean(axis=0).var() - readings.var(axis=0, ddof=1).mean() / n_frames
    gain = cam.settings.gain
    return (readings.mean() - cam.settings.black_dn) / gain, of_means / gain**2


def test_photo_response_differs_in_proportion_to_the_light():
    """Spatial rms = prnu mean. A variance over N pixels is known to sqrt(2 / N), here with 1 / 1.3 of it from the pattern."""
    for photons in (3_000.0, 12_000.0):
        mean, variance = spatial(camera(range(N), prnu_rms=0.02, dark_current_e_per_s=0.0), photons)
        assert mean == pytest.approx(0.6 * photons, rel=5 * 0.02 / np.sqrt(N) + 2e-4)
        left = (0.6 * photons + 144 + 2) / 40
        expected = (0.02 * 0.6 * photons) ** 2
        assert variance == pytest.approx(expected, abs=5 * np.sqrt(2 / N) * (expected + left))


@pytest.mark.parametrize("exposure_s", [1e-5, 1e-2])
def test_dark_signal_differs_by_an_offset_without_shot_noise(exposure_s):
    cam = camera(range(N), dsnu_e=30.0, dark_current_e_per_s=0.0)
    _, variance = spatial(cam, 0.0, exposure_s)
    assert variance == pytest.approx(900, abs=5 * np.sqrt(2 / N) * (900 + 147 / 40))
    # Temporal noise stays the read noise, and the rounding's 1/12 DN^2.
    readings = cam.read(np.zeros((60, N), np.float32), exposure_s, 0).astype(np.float64)
    temporal = readings.var(axis=0, ddof=1).mean() / cam.settings.gain**2
    assert temporal == pytest.approx(144 + 1 / 12 / cam.settings.gain**2, rel=5 * np.sqrt(2 / (59 * N)) + 5e-4)


def test_hot_pixels_are_as_many_and_as_hot_as_said():
    """Binomial: n p to sqrt(n p (1 - p)). A hot pixel has 500 electrons, doubled once, over 12 of noise: told apart surely."""
    cam = camera(
        range(N), hot_fraction=0.01, hot_dark_current_e_per_s=5e4, temperature_c=33.0, dark_current_e_per_s=0.0
    )
    electrons = (
        cam.read(np.zeros((20, N), np.float32), 1e-2, 0).mean(axis=0) - cam.settings.black_dn
    ) / cam.settings.gain
    hot = electrons > 500
    assert hot.sum() == pytest.approx(1000, abs=5 * np.sqrt(990))
    assert electrons[hot].mean() == pytest.approx(1000, abs=5 * np.sqrt((1000 + 144) / (20 * 900)) + 0.1)
    assert electrons[~hot].mean() == pytest.approx(0, abs=0.1)


def test_dead_pixels_see_no_light():
    cam = camera(range(N), dead_fraction=0.02)
    electrons = (cam.read(np.full((1, N), 1e4, np.float32), 1e-3, 0)[0] - cam.settings.black_dn) / cam.settings.gain
    dead = electrons < 3000
    assert dead.sum() == pytest.approx(2000, abs=5 * np.sqrt(1960))
    assert electrons[dead].mean() == pytest.approx(0.125, abs=5 * 13 / np.sqrt(1900))
    assert electrons[~dead].mean() == pytest.approx(6000, rel=1e-3)


def test_the_four_patterns_are_independent():
    """Correlations of N pairs of independent values have standard deviation 1 / sqrt(N)."""
    p = fixed_pattern(CameraSettings(**{**EVERYTHING, "dead_fraction": 0.0}), range(N))
    for pair in (
        (p.efficiency, p.black_dn),
        (p.efficiency, p.dark_current_e_per_s),
        (p.black_dn, p.dark_current_e_per_s),
    ):
        assert abs(np.corrcoef(*pair)[0, 1]) < 5 / np.sqrt(N)
    dead = fixed_pattern(CameraSettings(**EVERYTHING), range(N)).efficiency == 0
    assert abs(np.corrcoef(dead, p.dark_current_e_per_s)[0, 1]) < 5 / np.sqrt(N)


def test_the_pattern_belongs_to_the_camera_and_not_to_its_noise():
    first, other = (camera(noise_seed=seed, **EVERYTHING).pattern(0, 100) for seed in (1, 2))
    assert np.array_equal(first.efficiency, other.efficiency)
    another = camera(pixel_seed=1, **EVERYTHING).pattern(0, 100)
    assert not np.array_equal(first.efficiency, another.efficiency)
    assert not np.array_equal(first.black_dn, another.black_dn)


def test_pixels_alike_have_no_pattern():
    assert camera(range(100)).pattern(0, 100) is None
    assert camera(range(100), dsnu_e=1.0).pattern(0, 100) is not None


LAWS = {"fast": {}, "exact": {"read_noise_e": 0.5}, "noiseless light": {"shot_noise": False}}


@pytest.mark.parametrize("law", LAWS)
@settings(deadline=None, max_examples=15)
@given(start=st.integers(0, 400), size=st.integers(1, 300), first_frame=st.integers(0, 3))
def test_a_shard_reads_its_part_bit_for_bit(law, start, size, first_frame):
    """Whatever is kept, wherever the block starts: the readings of absolute outputs."""
    outputs, photons = range(40, 740), np.linspace(0, 2e4, 4 * 700, dtype=np.float32).reshape(4, 700)
    whole = camera(outputs, **EVERYTHING, **LAWS[law]).read(photons, 2e-3, 7, 40)
    block, frames = slice(start, start + size), slice(first_frame, 4)
    for kept in (range(0), outputs, range(start, start + 500)):
        cam = camera(kept, **EVERYTHING, **LAWS[law])
        part = cam.read(photons[frames, block], 2e-3, 7 + first_frame, 40 + start)
        assert np.array_equal(part, whole[frames, block])


SMALL_WELL = {"read_noise_e": 0.0, "full_well_e": 400.0, "gain_dn_per_e": 0.5}


@pytest.mark.parametrize("bits", [8, 12])
@pytest.mark.parametrize("effects", [{}, {"prnu_rms": 0.05}, {"dsnu_e": 40.0}, {"hot_fraction": 0.3}, EVERYTHING])
@pytest.mark.parametrize("law", [{}, LAWS["exact"], SMALL_WELL], ids=["fast", "exact", "small well"])
def test_the_compiled_laws_are_numpys_bit_for_bit(bits, effects, law):
    cam = camera(range(5000), bit_depth=bits, **(effects | law))
    assert cam.exact == bool(law)
    photons = np.random.default_rng(0).exponential(6000, (20, 3000)).astype(np.float32)
    photons[::2] /= 300
    assert np.array_equal(cam.read(photons, 3e-3, 5, 1000), cam.reference(photons, 3e-3, 5, 1000))


def test_the_fast_law_agrees_with_the_exact_one():
    """Means of n readings of the same pixels under both laws differ by sqrt(2 s^2 / n), in DN."""
    light = np.full((40, 1000), 4000.0, np.float32)
    fast = camera(range(1000), **EVERYTHING)
    exact = camera(range(1000), **EVERYTHING, gain_dn_per_e=0.19)  # the well fills before the range ends
    assert exact.exact
    assert not fast.exact
    rows = [cam.read(light, 1e-3, 0).mean(axis=0) - cam.settings.black_dn for cam in (fast, exact)]
    electrons = [row / cam.settings.gain for row, cam in zip(rows, (fast, exact), strict=True)]
    bound = 5.5 * np.sqrt(2 * (2600 + 144 + 3) / 40)
    assert np.abs(electrons[0] - electrons[1]).max() < bound
