from __future__ import annotations

import numpy as np
import pytest
from opu.training.feedback import DigitalFeedback, OpticalFeedback

from opu.errors import InputError

from .fakes import FakeOPU

ERROR = np.random.default_rng(0).standard_normal((7, 3), dtype=np.float32)


def test_digital_feedback_is_a_standard_normal_matrix_of_its_seed() -> None:
    feedback = DigitalFeedback(40, 1000, seed=5)
    np.testing.assert_array_equal(feedback.matrix, DigitalFeedback(40, 1000, seed=5).matrix)
    assert not np.array_equal(feedback.matrix, DigitalFeedback(40, 1000, seed=6).matrix)
    n = feedback.matrix.size
    assert abs(feedback.matrix.mean()) < 5 / np.sqrt(n)
    assert abs(feedback.matrix.var() - 1) < 5 * np.sqrt(2 / n)
    assert (feedback.frames_shown, feedback.device_seconds) == (0, 0.0)


def test_digital_projection_is_the_product_in_float32() -> None:
    feedback = DigitalFeedback(3, 11, seed=0)
    projected = feedback.project(ERROR)
    assert projected.dtype == np.float32
    exact = ERROR.astype(np.float64) @ feedback.matrix.astype(np.float64)
    np.testing.assert_allclose(
        projected, exact, atol=3 * 2**-24 * 3 * np.abs(ERROR).max() * np.abs(feedback.matrix).max()
    )


def test_spare_inputs_repeat_the_errors_and_spare_outputs_are_cut() -> None:
    opu = FakeOPU(n_inputs=8, n_outputs=20)
    projected = OpticalFeedback(opu, n_errors=3, width=12).project(ERROR)
    assert projected.shape == (7, 12)
    assert projected.dtype == np.float32
    shown = opu.calls[-1]
    np.testing.assert_array_equal(shown[:, 0:6:2], ERROR)
    np.testing.assert_array_equal(shown[:, 1:6:2], ERROR)
    np.testing.assert_array_equal(shown[:, 6:], 0)
    columns = (opu.matrix[0:6:2, :12] + opu.matrix[1:6:2, :12]) / np.sqrt(2)
    np.testing.assert_allclose(projected, ERROR @ columns, rtol=1e-5, atol=1e-6)


def test_an_opu_of_the_right_size_sees_the_error_itself() -> None:
    opu = FakeOPU(n_inputs=3, n_outputs=12)
    OpticalFeedback(opu, 3, 12).project(ERROR)
    np.testing.assert_array_equal(opu.calls[-1], ERROR)


def test_calibration_happens_once_and_is_not_counted() -> None:
    opu = FakeOPU(3, 12)
    feedback = OpticalFeedback(opu, 3, 12)
    assert opu.calibration is not None
    assert (feedback.frames_shown, feedback.device_seconds) == (0, 0.0)
    feedback.project(ERROR)
    assert feedback.frames_shown == 14
    assert feedback.device_seconds == pytest.approx(0.014)
    OpticalFeedback(opu, 3, 12)
    assert opu.frames == 24


@pytest.mark.parametrize(
    ("inputs", "outputs", "message"),
    [(2, 12, "has 2 inputs, feedback needs 3"), (3, 11, "projects to 11 outputs, feedback needs 12")],
)
def test_an_opu_too_small_is_refused_before_any_light(inputs: int, outputs: int, message: str) -> None:
    opu = FakeOPU(inputs, outputs)
    with pytest.raises(InputError, match=message):
        OpticalFeedback(opu, 3, 12)
    assert opu.frames == 0


def test_sizes_below_one_are_refused() -> None:
    with pytest.raises(InputError, match="1 or more"):
        DigitalFeedback(0, 5, 0)
