"""What defines each rival of backprop and DFA; one test per claim of its paper that a small network can show."""

from __future__ import annotations

import numpy as np
import pytest
from opu.training.alignment import measure_alignment
from opu.training.backprop import Backprop
from opu.training.batch import Batch
from opu.training.data import Dataset
from opu.training.dithered import DitheredBackprop, dithered
from opu.training.dni import SyntheticGradients
from opu.training.drtp import DRTP
from opu.training.feedback import DigitalFeedback
from opu.training.feedback_alignment import FeedbackAlignment
from opu.training.layer import Moment
from opu.training.local import LocalLosses
from opu.training.loss import softmax_cross_entropy
from opu.training.method import Method, trainable
from opu.training.network import Network
from opu.training.optimiser import Adam
from opu.training.slots import SlotMachines
from opu.training.trainer import Plan, fit

from opu.errors import ConfigError, InputError

from .batches import batch_of
from .differences import ATOL, check_network, gradient

CHANCE = 0.1


def small(dtype: type = np.float64) -> tuple[Network, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    return Network((5, 6, 4, 3), rng, dtype=dtype), rng.standard_normal((9, 5)).astype(dtype), rng.integers(0, 3, 9)


def trained(network: Network, method: Method, digits: Dataset, epochs: int = 4) -> float:
    """Test accuracy on digits."""
    optimiser = Adam(trainable(network, method))
    return fit(network, method, optimiser, digits, Plan(epochs, 16, 0, 3e-3))[-1].test_accuracy


def test_feedback_alignment_over_the_weights_themselves_is_backprop() -> None:
    network, x, labels = small()
    method = FeedbackAlignment(network, 0)
    assert list(method.matrices) == [(1, 0), (2, 0)]
    batch = batch_of(network, x, labels)
    exact = Backprop().gradients(network, batch)
    assert not np.allclose(method.gradients(network, batch).parameters[0], exact.parameters[0], atol=1e-3)
    method.matrices = network.weights()
    for a, b in zip(method.gradients(network, batch).parameters, exact.parameters, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("kind", ["fa", "drtp"])
def test_networks_turn_towards_random_feedback(digits: Dataset, kind: str) -> None:
    """At first the last hidden layer's signal is orthogonal to the gradient; a few epochs turn it (Lillicrap et al. 2016)."""
    network = Network((64, 128, 10), np.random.default_rng(0))
    method: Method = FeedbackAlignment(network, 0) if kind == "fa" else DRTP(DigitalFeedback(10, 128, 0))
    probe = digits.train_x[:256], digits.train_y[:256]
    start = measure_alignment(network, method, *probe)
    assert trained(network, method, digits) > 0.85
    end = measure_alignment(network, method, *probe)
    assert start.sample_angle_deg[0] is not None
    assert end.sample_angle_deg[0] is not None
    assert abs(start.sample_angle_deg[0] - 90) < 12  # 8 directions of 9: a cosine spread of 1/3 / sqrt(classes)
    assert end.sample_angle_deg[0] < 75


def test_drtp_hears_the_label_and_not_the_error() -> None:
    network, x, labels = small()
    feedback = DigitalFeedback(3, 10, 0)
    method = DRTP(feedback)
    batch = batch_of(network, x, labels)
    found = method.gradients(network, batch)
    slope = 1 - batch.trace.outputs[0] ** 2
    np.testing.assert_allclose(found.deltas[0], -feedback.matrix[labels][:, :6] / np.sqrt(6) / 9 * slope, rtol=1e-6)
    louder = Batch(batch.trace, 3 * batch.error, labels, batch.loss, batch.moment)
    np.testing.assert_array_equal(method.gradients(network, louder).deltas[0], found.deltas[0])
    values = Batch(batch.trace, batch.error, batch.error, batch.loss, batch.moment)
    with pytest.raises(InputError, match="class labels"):
        method.gradients(network, values)
    with pytest.raises(InputError, match="needs 3 to 10"):
        DRTP(DigitalFeedback(3, 9, 0)).check(network)


def test_drtp_projects_only_known_labels() -> None:
    network, x, labels = small()
    rows = np.array([1, 4])
    trace = network.forward(x)
    batch = Batch(trace, np.zeros((9, 3)), labels, softmax_cross_entropy, Moment(0, 1), rows)
    delta = DRTP(DigitalFeedback(3, 10, 0)).gradients(network, batch).deltas[0]
    assert np.flatnonzero(np.abs(delta).sum(axis=1)).tolist() == [1, 4]


@pytest.mark.parametrize("kept", [True, False])
def test_local_gradients_are_those_of_the_local_losses(kept: bool) -> None:
    network, x, labels = small()
    method = LocalLosses(network, 0, trained=kept)
    found = method.gradients(network, batch_of(network, x, labels)).parameters

    def local_loss(block: int) -> float:
        h = network.forward(x).outputs[block]
        weight, bias = method.classifiers[block]
        return softmax_cross_entropy(h @ weight + bias, labels)[0]

    for block in (0, 1):
        for i in network.parameters_of(block):
            want = gradient(lambda block=block: local_loss(block), network.parameters[i])  # type: ignore[misc]
            np.testing.assert_allclose(found[i], want, atol=ATOL)
        for j, p in enumerate(method.classifiers[block] if kept else ()):
            want = gradient(lambda block=block: local_loss(block), p)  # type: ignore[misc]
            np.testing.assert_allclose(found[len(network.parameters) + 2 * block + j], want, atol=ATOL)
    assert len(found) == len(network.parameters) + (4 if kept else 0)


@pytest.mark.parametrize("kept", [True, False])
def test_local_losses_learn_digits(digits: Dataset, kept: bool) -> None:
    network = Network((64, 64, 64, 10), np.random.default_rng(0))
    method = LocalLosses(network, 0, trained=kept)
    before = [c.copy() for c, _ in method.classifiers]
    assert trained(network, method, digits) > 0.9
    same = [np.array_equal(a, b) for a, (b, _) in zip(before, method.classifiers, strict=True)]
    assert same == [not kept] * 2


def test_synthetic_gradients_start_at_nothing_and_predict_better_and_better(digits: Dataset) -> None:
    network = Network((64, 64, 64, 10), np.random.default_rng(0))
    method = SyntheticGradients(network)
    first = method.gradients(network, batch_of(network, digits.train_x[:64], digits.train_y[:64]))
    assert not np.any(first.deltas[0])
    assert not np.any(first.parameters[0])

    def miss() -> float:
        """|ĝ - g|^2 / |g|^2 of the last hidden block, whose g is exact."""
        batch = batch_of(network, digits.test_x, digits.test_y)
        way = network.back(batch.trace, 2, batch.error, to_input=True)
        guess = method.predicted(batch, np.eye(10)[digits.test_y])[1]
        return float(((guess - way.input) ** 2).sum() / (way.input**2).sum())

    assert miss() == pytest.approx(1)
    assert trained(network, method, digits) > 0.9
    assert miss() < 0.6


def test_synthetic_gradients_descend_their_squared_miss() -> None:
    network, x, labels = small()
    method = SyntheticGradients(network)
    rng = np.random.default_rng(0)
    for i, p in enumerate(method.parameters):
        method.parameters[i] += 0.1 * rng.standard_normal(p.shape)
    batch = batch_of(network, x, labels)
    guesses = method.predicted(batch, np.eye(3)[labels])
    signals = [guesses[1], batch.error]
    targets = [network.back(batch.trace, b + 1, signals[b], to_input=True).input for b in (0, 1)]

    def value() -> float:
        now = method.predicted(batch, np.eye(3)[labels])
        return sum(float(((g - t) ** 2).sum()) / 2 / 9 for g, t in zip(now, targets, strict=True))

    own = method.gradients(network, batch).parameters[len(network.parameters) :]
    for p, g in zip(method.parameters, own, strict=True):
        np.testing.assert_allclose(g, gradient(value, p), atol=ATOL)
    with pytest.raises(InputError, match="class labels"):
        method.gradients(network, Batch(batch.trace, batch.error, batch.error, batch.loss, batch.moment))


def test_dithered_gradients_are_right_on_average_and_mostly_zero() -> None:
    """n quantisations: the mean is off by at most step/2 / sqrt(n) per standard deviation (variance p(1-p) <= 1/4)."""
    rng, n, dither = np.random.default_rng(0), 4000, 2.0
    delta = rng.standard_normal(200)
    step = dither * delta.std()
    draws = rng.random((n, 200))
    coarse = np.array([dithered(delta, dither, u) for u in draws])
    np.testing.assert_allclose(coarse / step, np.round(coarse / step), atol=1e-12)
    assert np.abs(coarse.mean(axis=0) - delta).max() < 5 * step / 2 / np.sqrt(n)
    near = np.abs(delta) < step
    want = 1 - np.abs(delta[near]) / step  # of a delta within a step of 0, by the definition
    np.testing.assert_allclose((coarse[:, near] == 0).mean(axis=0), want, atol=5 * 0.5 / np.sqrt(n))
    assert dithered(np.zeros(3), dither, np.zeros(3)).tolist() == [0, 0, 0]
    with pytest.raises(ConfigError, match="dither = 0"):
        DitheredBackprop(0)


def test_dithered_backprop_is_unbiased_through_the_network_and_a_function_of_the_step() -> None:
    network, x, labels = small()
    exact = Backprop().gradients(network, batch_of(network, x, labels)).parameters
    method, n = DitheredBackprop(1.0), 3000
    runs = [
        method.gradients(network, batch_of(network, x, labels, moment=Moment(0, step))).parameters for step in range(n)
    ]
    for i, want in enumerate(exact):
        values = np.array([run[i] for run in runs])
        error = values.std(axis=0) / np.sqrt(n)
        assert np.all(np.abs(values.mean(axis=0) - want) < 5 * error + 1e-12)
    again = method.gradients(network, batch_of(network, x, labels, moment=Moment(0, 7))).parameters
    assert all(np.array_equal(a, b) for a, b in zip(again, runs[7], strict=True))
    assert not np.array_equal(runs[7][0], runs[8][0])


def test_dithered_backprop_learns_with_most_deltas_zero(digits: Dataset) -> None:
    network = Network((64, 64, 64, 10), np.random.default_rng(0))
    method = DitheredBackprop(2.0)
    assert trained(network, method, digits) > 0.9
    found = method.gradients(network, batch_of(network, digits.train_x[:256], digits.train_y[:256]))
    zeros = [float((delta == 0).mean()) for delta in found.deltas if delta is not None]
    assert min(zeros) > 0.6  # a normal delta over a grid of two deviations: 1 - sqrt(2/pi)/2 + what lies beyond = .61


def test_slots_choose_among_fixed_values_and_learn(digits: Dataset) -> None:
    network = Network((64, 64, 64, 10), np.random.default_rng(0))
    method = SlotMachines(network, 0, 4)
    values = [v.copy() for v in method.values]
    biases = [p.copy() for p in network.parameters[1::2]]
    first = network.weight(0).copy()
    assert trained(network, method, digits) > 0.8 > 5 * CHANCE
    for weight, fixed, now in zip(network.weights().values(), values, method.values, strict=True):
        np.testing.assert_array_equal(fixed, now)
        assert np.all((weight[None] == fixed).any(axis=0))
    assert not np.array_equal(first, network.weight(0))
    assert all(np.array_equal(a, b) for a, b in zip(biases, network.parameters[1::2], strict=True))


def test_scores_move_by_the_weights_gradient_times_the_value() -> None:
    network, x, labels = small()
    method = SlotMachines(network, 1, 3)
    batch = batch_of(network, x, labels)
    found = method.gradients(network, batch).parameters
    assert found[: len(network.parameters)] == [None] * len(network.parameters)
    exact = Backprop().gradients(network, batch).parameters
    check_network(network, exact, lambda: softmax_cross_entropy(network.forward(x).logits, labels)[0])
    for g, w, values in zip(found[len(network.parameters) :], exact[::2], method.values, strict=True):
        np.testing.assert_allclose(g, w[None] * values)
    method.check(network)
    with pytest.raises(InputError, match="made for weights of shapes"):
        method.check(Network((5, 3), np.random.default_rng(0)))
    with pytest.raises(ConfigError, match="slots = 1"):
        SlotMachines(network, 0, 1)
