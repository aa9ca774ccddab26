from __future__ import annotations

import numpy as np
import pytest
from opu.training.alignment import measure_alignment
from opu.training.backprop import Backprop
from opu.training.data import Dataset
from opu.training.dfa import DFA
from opu.training.feedback import DigitalFeedback
from opu.training.loss import softmax_cross_entropy
from opu.training.network import Network
from opu.training.optimiser import Adam
from opu.training.trainer import Plan, fit

from opu.errors import InputError


def setup(sizes: tuple[int, ...]) -> tuple[Network, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    x = rng.standard_normal((12, sizes[0]), dtype=np.float32)
    return Network(sizes, rng), x, rng.integers(0, sizes[-1], 12)


def test_last_layer_gradient_is_backprops() -> None:
    network, x, labels = setup((5, 7, 6, 3))
    trace = network.forward(x)
    _, error = softmax_cross_entropy(trace.logits, labels)
    mine = network.gradients(trace, DFA(DigitalFeedback(3, 13, 0)).deltas(network, trace, error))
    exact = network.gradients(trace, Backprop().deltas(network, trace, error))
    np.testing.assert_array_equal(mine[-2], exact[-2])  # type: ignore[arg-type]
    np.testing.assert_array_equal(mine[-1], exact[-1])  # type: ignore[arg-type]
    assert not np.allclose(mine[0], exact[0], atol=1e-3)  # type: ignore[arg-type]


def test_with_the_transposed_weights_as_feedback_dfa_is_backprop() -> None:
    network, x, labels = setup((5, 8, 3))
    feedback = DigitalFeedback(3, 8, 0)
    feedback.matrix[...] = network.weight(1).T * np.sqrt(np.float32(8))
    trace = network.forward(x)
    _, error = softmax_cross_entropy(trace.logits, labels)
    mine, exact = DFA(feedback).deltas(network, trace, error), Backprop().deltas(network, trace, error)
    np.testing.assert_allclose(mine[0], exact[0], rtol=1e-4, atol=1e-6)  # type: ignore[arg-type]


def test_each_layer_gets_its_slice_of_one_projection() -> None:
    class Counting(DigitalFeedback):
        calls = 0

        def project(self, error: np.ndarray) -> np.ndarray:  # type: ignore[override]
            self.calls += 1
            return np.tile(np.arange(13, dtype=np.float32), (len(error), 1))

    network, x, labels = setup((5, 9, 4, 3))
    trace = network.forward(x)
    _, error = softmax_cross_entropy(trace.logits, labels)
    feedback = Counting(3, 13, 0)
    first, second, last = DFA(feedback).deltas(network, trace, error)
    assert feedback.calls == 1
    np.testing.assert_allclose(first, np.arange(9) / 3 * trace.slopes[0], rtol=1e-6)  # type: ignore[arg-type]
    np.testing.assert_allclose(second, np.arange(9, 13) / 2 * trace.slopes[1], rtol=1e-6)  # type: ignore[arg-type]
    assert last is error


def test_feedback_of_another_size_is_refused() -> None:
    network, x, _ = setup((5, 8, 3))
    trace = network.forward(x)
    with pytest.raises(InputError, match="maps 3 errors to 9 signals"):
        DFA(DigitalFeedback(3, 9, 0)).deltas(network, trace, trace.logits)


def test_the_network_turns_towards_its_feedback(digits: Dataset) -> None:
    """Before training random feedback is orthogonal to the gradient; a few epochs align them (Nøkland 2016)."""
    network = Network((64, 256, 256, 10), np.random.default_rng(0))
    method = DFA(DigitalFeedback(10, 512, 0))
    probe = digits.train_x[:256], digits.train_y[:256]
    start = measure_alignment(network, method, *probe)
    fit(network, method, Adam(network.parameters), digits, Plan(5, 32, 0, 1e-3))
    end = measure_alignment(network, method, *probe)
    for before, after in ((start.sample_angle_deg, end.sample_angle_deg), (start.batch_angle_deg, end.batch_angle_deg)):
        assert all(a is not None and abs(a - 90) < 12 for a in before)
        assert after[-1] is not None
        assert after[-1] < 80
