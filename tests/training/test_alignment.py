from __future__ import annotations

import warnings

import numpy as np
import pytest
from opu.training.alignment import mean_angle_deg, mean_or_none, measure_alignment, warn_if_unaligned
from opu.training.backprop import Backprop
from opu.training.dfa import DFA
from opu.training.feedback import DigitalFeedback
from opu.training.network import Network
from opu.training.record import EpochRecord

from opu.errors import AlignmentWarning


@pytest.mark.parametrize("degrees", [0, 1e-3, 30, 90, 135, 180])
def test_angles_of_known_pairs(degrees: float) -> None:
    a = np.array([[3.0, 0.0]])
    b = 7 * np.array([[np.cos(np.radians(degrees)), np.sin(np.radians(degrees))]])
    assert mean_angle_deg(a, b) == pytest.approx(degrees, abs=1e-9)


def test_equal_float32_rows_are_at_exactly_zero() -> None:
    rows = np.random.default_rng(0).standard_normal((20, 33), dtype=np.float32)
    assert mean_angle_deg(rows, rows) == 0.0


def test_zero_and_non_finite_rows_are_left_out() -> None:
    a = np.array([[0, 0], [1, 0], [1, 0], [np.nan, 1]], np.float32)
    b = np.array([[1, 0], [0, 0], [0, 1], [1, 1]], np.float32)
    assert mean_angle_deg(a, b) == pytest.approx(90)
    assert mean_angle_deg(a[:2], b[:2]) is None
    assert mean_angle_deg(a[:0], b[:0]) is None


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_tiny_and_huge_rows_have_angles(scale: float) -> None:
    assert mean_angle_deg(
        np.array([[scale, 0.0]], np.float32), np.array([[scale, scale]], np.float32)
    ) == pytest.approx(45)


def probe() -> tuple[Network, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    return Network((5, 7, 6, 3), rng), rng.standard_normal((8, 5), dtype=np.float32), rng.integers(0, 3, 8)


def test_backprop_aligns_with_itself() -> None:
    network, x, y = probe()
    alignment = measure_alignment(network, Backprop(), x, y)
    assert alignment.sample_angle_deg == alignment.batch_angle_deg == (0.0, 0.0)


def test_zero_feedback_has_no_angle_and_does_not_crash() -> None:
    network, x, y = probe()
    feedback = DigitalFeedback(3, 13, 0)
    feedback.matrix[...] = 0
    alignment = measure_alignment(network, DFA(feedback), x, y)
    assert alignment.sample_angle_deg == alignment.batch_angle_deg == (None, None)


def test_opposite_feedback_is_at_180_degrees() -> None:
    rng = np.random.default_rng(1)
    network = Network((5, 7, 3), rng)
    feedback = DigitalFeedback(3, 7, 0)
    feedback.matrix[...] = -network.weight(1).T
    alignment = measure_alignment(
        network, DFA(feedback), rng.standard_normal((8, 5), dtype=np.float32), np.zeros(8, int)
    )
    assert alignment.sample_angle_deg[0] == pytest.approx(180, abs=1e-3)
    assert alignment.batch_angle_deg[0] == pytest.approx(180, abs=1e-3)


def test_mean_or_none() -> None:
    assert mean_or_none([None, 60.0, 80.0]) == 70.0
    assert mean_or_none([None, None]) is None


def warned(samples: list[float | None], batches: list[float | None], name: str = "dfa", n_steps: int = 300) -> bool:
    method = DFA(DigitalFeedback(3, 13, 0))
    method.name = name
    records = [
        EpochRecord(k, 1.0, 0.5, 0.5, 1e-3, (60.0, s), (60.0, b), 0, 0.0, 0.0)
        for k, (s, b) in enumerate(zip(samples, batches, strict=True), start=1)
    ]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        told = warn_if_unaligned(method, records, n_steps)
    assert [w.category for w in caught] == [AlignmentWarning] * told
    return told


def test_only_angles_that_stay_near_90_degrees_are_warned_of() -> None:
    assert warned([91.8, 93.4, 87.1], [57.0, 44.3, 113.8])  # batches that point here and there
    assert warned([70.0, 89.9, 89.7, 90.1], [60.0, 89.9, 89.8, 91.2])
    assert warned([89.0, None, 90.0, 89.0], [91.0, None, 90.0, 89.0])
    assert not warned([89.0, 90.0], [91.0, 90.0])
    assert not warned([89.4, 85.5, 84.0], [99.2, 94.0, 92.0])  # turning
    assert not warned([88.0, 88.5, 88.0], [70.0, 69.0, 71.0])  # noise hides it from samples, not from the batch
    assert not warned([90.0] * 3, [90.0] * 3, name="drtp")
    assert not warned([90.0] * 3, [90.0] * 3, n_steps=20)
