"""Drift read off a known pattern, against phases and brightnesses that are known."""

import numpy as np

from opu.transmission_drift import drift


def known_shows(phase, brightness, snr, rows=400, seed=0):
    rng = np.random.default_rng(seed)
    field = rng.standard_normal((rows, 2)).view(complex)[..., 0]
    noise = rng.standard_normal((*phase.shape, rows, 2)).view(complex)[..., 0]
    return (brightness * np.exp(1j * phase))[..., None] * field + noise / np.sqrt(snr)


def test_phases_come_back_up_to_one_for_all():
    rng = np.random.default_rng(1)
    phase = np.cumsum(rng.normal(0, 0.7, 40)).reshape(20, 2)
    got = drift(known_shows(phase, np.ones((20, 2)), snr=1.0), np.full((20, 2), 50.0))
    error = np.angle(np.exp(1j * (got.phase_rad - phase)) * np.exp(-1j * (got.phase_rad - phase)[0, 0]))
    # One phase against the mean of 40 shows: variance (1 + 1/40 + ...) / (2 snr rows), and the first's own on top
    assert np.sqrt(np.mean((error - error.mean()) ** 2)) < 2 / np.sqrt(2 * 400)


def test_factors_undo_a_linear_drift_exactly():
    phase, light = np.linspace(0, 1.2, 10), np.linspace(40, 60, 10)
    ends = phase[[0, 4, 5, 9]].reshape(2, 2), light[[0, 4, 5, 9]].reshape(2, 2)
    got = drift(known_shows(ends[0], ends[1] / ends[1].mean(), snr=1e12), ends[1])
    for block, some in enumerate((slice(0, 5), slice(5, 10))):
        corrected = got.factors(block, 5) * np.exp(1j * phase[some]) * light[some] / ends[1].mean()
        assert np.allclose(corrected, got.factors(0, 5)[0] * light[0] / ends[1].mean(), atol=1e-5)


def test_a_phase_that_wraps_is_followed_the_short_way():
    phase = np.array([[3.0, 3.4]])
    got = drift(known_shows(phase, np.ones((1, 2)), snr=1e12), np.ones((1, 2)))
    turned = np.angle(got.factors(0, 3) / got.factors(0, 3)[0])
    assert np.allclose(turned, [0, -0.2, -0.4], atol=1e-5)


def test_real_fields_have_no_phase():
    got = drift(np.ones((3, 2, 4), np.float32), np.full((3, 2), 7.0))
    assert not got.phase_rad.any()
    assert np.array_equal(got.factors(1, 6), np.ones(6))
