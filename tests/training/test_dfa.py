from __future__ import annotations

import numpy as np
import pytest
from opu.training.alignment import measure_alignment
from opu.training.backprop import Backprop
from opu.training.data import Dataset
from opu.training.dfa import DFA
from opu.training.feedback import DigitalFeedback
from opu.training.graph_convolution import GraphConvolution
from opu.training.network import Network
from opu.training.optimiser import Adam
from opu.training.trainer import Plan, fit

from opu.errors import InputError

from .batches import batch_of


def setup(sizes: tuple[int, ...]) -> tuple[Network, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    x = rng.standard_normal((12, sizes[0]), dtype=np.float32)
    return Network(sizes, rng), x, rng.integers(0, sizes[-1], 12)


def test_last_layer_gradient_is_backprops() -> None:
    network, x, labels = setup((5, 7, 6, 3))
    batch = batch_of(network, x, labels)
    mine = DFA(DigitalFeedback(3, 13, 0)).gradients(network, batch).parameters
    exact = Backprop().gradients(network, batch).parameters
    np.testing.assert_array_equal(mine[-2], exact[-2])
    np.testing.assert_array_equal(mine[-1], exact[-1])
    assert not np.allclose(mine[0], exact[0], atol=1e-3)


def test_with_the_transposed_weights_as_feedback_dfa_is_backprop() -> None:
    network, x, labels = setup((5, 8, 3))
    feedback = DigitalFeedback(3, 8, 0)
    feedback.matrix[...] = network.weight(1).T * np.sqrt(np.float32(8))
    batch = batch_of(network, x, labels)
    for mine, exact in zip(
        DFA(feedback).gradients(network, batch).parameters, Backprop().gradients(network, batch).parameters, strict=True
    ):
        np.testing.assert_allclose(mine, exact, rtol=1e-4, atol=1e-7)


def test_each_block_gets_its_slice_of_one_projection() -> None:
    class Counting(DigitalFeedback):
        calls = 0

        def project(self, error: np.ndarray) -> np.ndarray:
            self.calls += 1
            return np.tile(np.arange(13, dtype=np.float32), (len(error), 1))

    network, x, labels = setup((5, 9, 4, 3))
    batch = batch_of(network, x, labels)
    feedback = Counting(3, 13, 0)
    first, second, last = DFA(feedback).gradients(network, batch).deltas
    assert feedback.calls == 1
    slopes = [1 - h * h for h in batch.trace.outputs[:2]]
    np.testing.assert_allclose(first, np.arange(9) / 3 / 12 * slopes[0], rtol=1e-5)
    np.testing.assert_allclose(second, np.arange(9, 13) / 2 / 12 * slopes[1], rtol=1e-5)
    np.testing.assert_allclose(last, batch.error / 12, rtol=1e-6)


def test_feedback_of_another_size_is_refused_before_training(blobs: Dataset) -> None:
    network = Network((5, 8, 3), np.random.default_rng(0))
    before = [p.copy() for p in network.parameters]
    with pytest.raises(InputError, match=r"maps 3 errors to 7 signals, the network .* needs 3 to 8"):
        fit(network, DFA(DigitalFeedback(3, 7, 0)), Adam(network.parameters), blobs, Plan(1, 16, 0, 1e-3))
    assert all(np.array_equal(a, b) for a, b in zip(before, network.parameters, strict=True))


def test_on_a_graph_the_error_reaches_the_neighbours_and_dark_rows_are_not_shown() -> None:
    """Two layers and the transposed weights as feedback: exactly backprop, if the adjacency is on the way."""
    rng = np.random.default_rng(4)
    adjacency = np.zeros((6, 6))
    adjacency[[0, 0, 1, 2, 4], [1, 2, 3, 2, 5]] = 1.0  # an error at node 0 comes from nodes 1 and 2 alone
    last = GraphConvolution(adjacency, 4, 3, rng, np.float64)
    network = Network.of([[GraphConvolution(adjacency, 5, 4, rng, np.float64)], [last]])
    feedback = DigitalFeedback(3, 4, 0)
    feedback.matrix = last.parameters["weight"].T * 2.0  # over sqrt(4)
    shown: list[np.ndarray] = []
    project = feedback.project
    feedback.project = lambda e: shown.append(e) or project(e)  # type: ignore[method-assign,func-returns-value]
    batch = batch_of(network, rng.standard_normal((6, 5)), np.zeros(6, int))
    batch.error[1:] = 0
    mine = DFA(feedback, last.spread).gradients(network, batch)
    for a, b in zip(mine.parameters, Backprop().gradients(network, batch).parameters, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-14)
    assert [e.shape for e in shown] == [(2, 3)]


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
