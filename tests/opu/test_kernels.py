"""The device's kernels against closed forms, and learning with its features against learning with the exact kernel."""

from itertools import pairwise
from math import comb, factorial

import numpy as np
import pytest

import opu

N_INPUTS, N_OUTPUTS = 60, 40_000


def closed_form(s, xx, yy, xy):
    """E |Ax|^2s |Ay|^2s for unit-variance complex Gaussian A: (s!)^2 sum_i C(s, i)^2 (x.y)^2i (|x||y|)^2(s - i)."""
    return factorial(s) ** 2 * sum(comb(s, i) ** 2 * xy ** (2 * i) * (xx * yy) ** (s - i) for i in range(s + 1))


@pytest.fixture(scope="module")
def light():
    """Readings of two overlapping patterns in units of one input's mean light, their squared norms and product."""
    x, y = np.zeros((2, N_INPUTS), bool)
    x[:40], y[20:] = True, True
    one = np.eye(N_INPUTS, dtype=bool)
    flat = {"profile": "flat", "coupling": 1e-7}
    with opu.open("sim", n_inputs=N_INPUTS, n_outputs=N_OUTPUTS, preset="ideal", anchor_share=0.0, laser=flat) as o:
        o.calibrate(fill=0.8)
        i, j = o.transform(np.stack([x, y])).astype(float)
        unit = o.transform(one).astype(float).mean()
    return i / unit, j / unit, float(x.sum()), float(y.sum()), float((x & y).sum())


@pytest.mark.parametrize("s", [1, 2, 3])
def test_moments_of_intensities_give_the_kernels_k2_k4_k6(light, s):
    i, j, xx, yy, xy = light
    product = i**s * j**s
    # the mean's standard error from the sample itself, and 2 s times that of the unit, known to 1 / sqrt(60 * 40 000)
    error = product.std() / np.sqrt(N_OUTPUTS) / product.mean() + 2 * s / np.sqrt(N_INPUTS * N_OUTPUTS)
    assert product.mean() == pytest.approx(closed_form(s, xx, yy, xy), rel=4 * error)


def test_the_cube_is_not_the_square_of_k2():
    assert closed_form(3, 1.0, 1.0, 0.5) != closed_form(1, 1.0, 1.0, 0.5) ** 3


def test_ridge_regression_on_features_approaches_the_exact_kernel_as_features_grow():
    """Saade et al. (arXiv:1510.06664): predictions with m features differ from the kernel's by about 1 / sqrt(m)."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    x = pixels[:600] > 7
    targets = np.eye(10)[labels[:600]] - 0.1
    train, test = slice(0, 400), slice(400, 600)
    dot = x.astype(float) @ x.T
    norm = np.diag(dot)
    kernel = norm[:, None] * norm[None, :] + dot**2
    ridge = 0.1 * np.trace(kernel[train, train]) / 400

    def predicted(gram):
        return gram[test, train] @ np.linalg.solve(gram[train, train] + ridge * np.eye(400), targets[train])

    exact = predicted(kernel)
    flat = {"profile": "flat", "coupling": 1e-7}
    with opu.open("sim", n_inputs=64, n_outputs=16_384, preset="ideal", anchor_share=0.0, laser=flat) as o:
        o.calibrate(fill=0.4)
        features = o.transform(x).astype(float)
    # one scale for all: readings are proportional to intensities, and the mean intensity is the number of inputs on
    features *= norm.mean() / features.mean()
    sizes = np.array([256, 1024, 4096, 16_384])
    errors = [
        np.sqrt(np.mean((predicted(features[:, :m] @ features[:, :m].T / m) - exact) ** 2) / np.mean(exact**2))
        for m in sizes
    ]
    assert all(later < earlier for earlier, later in pairwise(errors))
    slope = np.polyfit(np.log(sizes[1:]), np.log(errors[1:]), 1)[0]
    assert slope == pytest.approx(-0.5, abs=0.15)
    right = labels[:600][test]
    assert np.mean(predicted(features @ features.T / 16_384).argmax(1) == right) == pytest.approx(
        np.mean(exact.argmax(1) == right), abs=0.02
    )
