from __future__ import annotations

import array_api_strict
import numpy as np
import pytest
from opu.training.loss import (
    LOSSES,
    binary_cross_entropy,
    loss_on_rows,
    mean_squared_error,
    one_hot,
    softmax_cross_entropy,
)

from opu.errors import InputError

from .differences import ATOL, gradient

LABELS = np.array([1, 0, 4])


def test_equal_logits_cost_log_c_and_share_the_error() -> None:
    loss, error = softmax_cross_entropy(np.zeros((2, 4), np.float32), np.array([0, 3]))
    assert loss == pytest.approx(np.log(4), rel=1e-6)
    np.testing.assert_allclose(error, [[-0.75, 0.25, 0.25, 0.25], [0.25, 0.25, 0.25, -0.75]], rtol=1e-6)
    assert error.dtype == np.float32


@pytest.mark.parametrize("name", list(LOSSES))
@pytest.mark.parametrize("kind", ["labels", "values"])
def test_error_is_the_gradient_of_the_summed_loss(name: str, kind: str) -> None:
    rng = np.random.default_rng(1)
    outputs = rng.standard_normal((3, 5))
    targets = LABELS if kind == "labels" else rng.random((3, 5))
    if name == "cross-entropy" and kind == "values":
        return
    loss = LOSSES[name]  # type: ignore[index]
    np.testing.assert_allclose(
        loss(outputs, targets)[1], gradient(lambda: 3 * loss(outputs, targets)[0], outputs), atol=ATOL
    )


def test_huge_logits_do_not_overflow() -> None:
    loss, error = softmax_cross_entropy(np.array([[1e4, -1e4]], np.float32), np.array([1]))
    assert loss == pytest.approx(2e4)
    np.testing.assert_array_equal(error, [[1, -1]])
    loss, error = binary_cross_entropy(np.array([[1e4, -1e4]], np.float32), np.array([[0.0, 1.0]], np.float32))
    assert loss == pytest.approx(2e4)
    np.testing.assert_array_equal(error, [[1, -1]])


def test_closed_forms() -> None:
    assert mean_squared_error(np.array([[3.0, 0], [0, 0]]), np.array([[0.0, 4], [0, 0]]))[0] == 25 / 2 / 2
    assert binary_cross_entropy(np.zeros((2, 3)), np.ones((2, 3)))[0] == pytest.approx(3 * np.log(2))
    np.testing.assert_array_equal(one_hot(np.array([2, 0]), np.zeros((2, 3))), [[0, 0, 1], [1, 0, 0]])


def test_rows_that_do_not_count_have_no_error() -> None:
    outputs, labels, rows = np.random.default_rng(0).standard_normal((4, 3)), np.array([0, 1, 2, 0]), np.array([3, 1])
    value, error = loss_on_rows(softmax_cross_entropy, outputs, labels, rows)
    want, part = softmax_cross_entropy(outputs[rows], labels[rows])
    assert value == want
    np.testing.assert_array_equal(error[rows], part)
    np.testing.assert_array_equal(error[[0, 2]], 0)


@pytest.mark.parametrize("name", list(LOSSES))
def test_any_library_will_do(name: str) -> None:
    outputs = np.random.default_rng(1).standard_normal((3, 5))
    xp = array_api_strict
    loss = LOSSES[name]  # type: ignore[index]
    value, error = loss(xp.asarray(outputs), xp.asarray(LABELS))
    want, want_error = loss(outputs, LABELS)
    assert value == pytest.approx(want, rel=1e-12)
    np.testing.assert_allclose(np.asarray(error), want_error, atol=1e-12)


def test_targets_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match=r"\(3, 4\), outputs \(3, 5\)"):
        mean_squared_error(np.zeros((3, 5)), np.zeros((3, 4)))
    with pytest.raises(InputError, match="labels must be integers"):
        binary_cross_entropy(np.zeros((3, 5)), np.zeros(3))
