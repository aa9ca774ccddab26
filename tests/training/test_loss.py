from __future__ import annotations

import numpy as np
import pytest
from opu.training.loss import softmax_cross_entropy


def test_equal_logits_cost_log_c_and_share_the_error() -> None:
    loss, error = softmax_cross_entropy(np.zeros((2, 4), np.float32), np.array([0, 3]))
    assert loss == pytest.approx(np.log(4), rel=1e-6)
    np.testing.assert_allclose(error, [[-0.75, 0.25, 0.25, 0.25], [0.25, 0.25, 0.25, -0.75]], rtol=1e-6)
    assert error.dtype == np.float32


def test_error_is_the_gradient_of_the_summed_loss() -> None:
    rng = np.random.default_rng(1)
    logits, labels = rng.standard_normal((3, 5)), np.array([1, 0, 4])
    _, error = softmax_cross_entropy(logits, labels)
    step = 1e-5
    for i in range(3):
        for j in range(5):
            bump = np.zeros_like(logits)
            bump[i, j] = step
            up, down = (softmax_cross_entropy(logits + s * bump, labels)[0] * 3 for s in (1, -1))
            assert error[i, j] == pytest.approx((up - down) / (2 * step), abs=1e-8)  # truncation ~ step^2 = 1e-10


def test_huge_logits_do_not_overflow() -> None:
    loss, error = softmax_cross_entropy(np.array([[1e4, -1e4]], np.float32), np.array([1]))
    assert loss == pytest.approx(2e4)
    np.testing.assert_array_equal(error, [[1, -1]])
