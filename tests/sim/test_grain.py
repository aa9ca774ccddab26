"""The grain against Goodman's closed forms: correlation of a circular pupil, and contrast behind a square pixel."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opu.sim.grain import Grain
from scipy import integrate, stats
from scipy.special import j1

SHAPE = (24, 32)


def modes(grain: Grain, n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    parts = rng.standard_normal((n, grain.n_modes, 2)) / np.sqrt(2)
    return parts.astype(np.float32).view(np.complex64)[..., 0]


def airy(d):
    """Intensity correlation at distance d in grains."""
    x = np.pi * np.maximum(np.abs(d), 1e-9)
    return (2 * j1(x) / x) ** 2


def integrated_contrast(grain_px: float) -> float:
    """1 / sqrt(M): the double integral over two points of a pixel, as one over their distance (Goodman, section 4.4)."""

    def integrand(y, x):
        return 4 * (1 - x) * (1 - y) * airy(np.hypot(x, y) / grain_px)

    return np.sqrt(integrate.dblquad(integrand, 0, 1, 0, 1, epsabs=1e-6)[0])


@pytest.mark.parametrize("grain_px", [0.5, 1.0, 2.0, 4.0])
def test_contrast_is_that_of_integrated_speckle(grain_px):
    grain = Grain(SHAPE, grain_px)
    light = np.array([grain.light(each) for each in modes(grain, 200)])
    # Independent cells: as many as grains fit. The relative error of a variance is at most sqrt(8 / cells) (exponential law).
    cells = 200 * np.prod(SHAPE) / max(1.0, 2 * grain_px) ** 2
    assert light.mean() == pytest.approx(1, abs=5 / np.sqrt(cells))
    # The jagged rim of the pupil changes the grain by up to 1 %, and the contrast by less.
    assert light.std() == pytest.approx(integrated_contrast(grain_px), rel=0.01 + 5 * np.sqrt(8 / cells) / 2)


def test_integrated_light_is_nearly_gamma_and_its_skewness_exact():
    """A pixel's light is a sum of exponentials weighed by the eigenvalues of the field's correlation (Goodman, section 4.4)."""
    grain = Grain(SHAPE, 0.5)
    light = np.array([grain.light(each) for each in modes(grain, 200)]).ravel()
    points = np.stack(np.meshgrid(*[(np.arange(16) + 0.5) / 16] * 2), axis=-1).reshape(-1, 1, 2)
    distance = np.pi / 0.5 * np.maximum(np.linalg.norm(points - points.transpose(1, 0, 2), axis=-1), 1e-9)
    eigenvalues = np.linalg.eigvalsh(2 * j1(distance) / distance / len(points))
    expected = 2 * np.sum(eigenvalues**3) / np.sum(eigenvalues**2) ** 1.5
    # Of n independent Gamma(5)-like values the skewness has a standard error of about sqrt(6 / n) (1 + skewness^2)^2.
    assert stats.skew(light) == pytest.approx(expected, abs=5 * np.sqrt(6 / len(light)) * (1 + expected**2) ** 2)
    cells = 1 / integrated_contrast(0.5) ** 2
    assert stats.kstest(light, stats.gamma(cells, scale=1 / cells).cdf).statistic < 0.04


@pytest.mark.parametrize("grain_px", [2.0, 3.5])
def test_neighbours_correlate_as_a_circular_pupil_makes_them(grain_px):
    grain = Grain(SHAPE, grain_px)
    light = np.array([np.abs(grain.field(each)) ** 2 for each in modes(grain, 300)]).reshape(300, *SHAPE)
    cells = 300 * np.prod(SHAPE) / (2 * grain_px) ** 2
    for d in (1, 2, 3, 5):
        down = np.mean((light[:, d:] - 1) * (light[:, :-d] - 1))
        across = np.mean((light[:, :, d:] - 1) * (light[:, :, :-d] - 1))
        for measured in (down, across):
            assert measured == pytest.approx(airy(d / grain_px), abs=0.01 + 5 * np.sqrt(9 / cells))


@settings(max_examples=15, deadline=None)
@given(
    st.integers(1, 9),
    st.integers(1, 9),
    st.floats(0.4, 5),
    st.floats(-0.5, 0.5),
    st.floats(-0.5, 0.5),
    st.integers(0, 99),
)
def test_a_pixels_mean_is_the_mean_over_its_square(rows, columns, grain_px, down, across, seed):
    """light() and the tapered field against a sum over 16 x 16 points of the pixel, of the modes' plane waves themselves."""
    grain = Grain((rows, columns), grain_px)
    (some,) = modes(grain, 1, seed)
    row, column = rows - 1, columns // 2
    # The midpoint rule errs by (pi f / 16)^2 / 6 of each frequency f: below 1 % up to 1/0.4 cycles per pixel, squared light.
    offsets = (np.arange(16) + 0.5) / 16 - 0.5
    y, x = np.meshgrid(row + offsets, column + offsets, indexing="ij")
    waves = np.exp(
        2j * np.pi * np.einsum("mk,kyx->myx", grain.frequencies / np.array(grain.periods_px), np.stack([y, x]))
    )
    field = np.einsum("m,myx->yx", some, waves) / np.sqrt(grain.n_modes)
    at = row * columns + column
    light = np.mean(np.abs(field) ** 2)
    assert grain.light(some)[at] == pytest.approx(light, rel=0.05, abs=0.01)
    fringed = np.mean(field * np.exp(-2j * np.pi * (down * (y - row) + across * (x - column))))
    assert abs(grain.field(some, grain.taper((down, across)))[at] - fringed) < 0.02
    assert np.all(grain.light(some) >= 0)


def test_edges_do_not_see_each_other():
    grain = Grain((8, 8), 4.0)
    rows, columns = grain.periods_px
    assert min(rows, columns) - 8 >= 4 * 4
    assert grain.n_modes > 750
