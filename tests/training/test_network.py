from __future__ import annotations

import numpy as np
import pytest
from opu.training.network import Network

from opu.errors import InputError


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def test_forward_is_the_formula() -> None:
    network = Network((4, 3, 2), rng())
    x = np.random.default_rng(0).standard_normal((6, 4), dtype=np.float32)
    w0, b0, w1, b1 = network.parameters
    b0 += 0.5
    b1 -= 0.25
    trace = network.forward(x)
    h = np.tanh(x @ w0 + 0.5)
    np.testing.assert_allclose(trace.inputs[1], h, rtol=1e-6)
    np.testing.assert_allclose(trace.slopes[0], 1 / np.cosh(x @ w0 + 0.5) ** 2, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(trace.logits, h @ w1 - 0.25, rtol=1e-5, atol=1e-6)
    assert trace.logits.dtype == np.float32


def test_relu_slope_is_zero_or_one() -> None:
    trace = Network((4, 8, 2), rng(), "relu").forward(np.ones((2, 4), np.float32))
    np.testing.assert_array_equal(trace.slopes[0], (trace.inputs[1] > 0).astype(np.float32))
    assert set(np.unique(trace.slopes[0])) == {0.0, 1.0}


def test_initial_weights_have_variance_one_over_fan_in() -> None:
    weight = Network((400, 500, 10), rng()).weight(0)
    n = weight.size
    assert abs(weight.var() * 400 - 1) < 5 * np.sqrt(2 / n)  # the variance of n normals spreads by sqrt(2/n)
    assert abs(weight.mean()) < 5 / np.sqrt(400 * n)


def test_predict_in_chunks_equals_argmax() -> None:
    network = Network((4, 8, 3), rng())
    x = np.random.default_rng(1).standard_normal((25, 4), dtype=np.float32)
    np.testing.assert_array_equal(network.predict(x, chunk=7), network.forward(x).logits.argmax(axis=1))
    assert network.predict(x[:0]).shape == (0,)


def test_gradients_are_batch_means_and_none_stays_none() -> None:
    network = Network((4, 3, 2), rng())
    trace = network.forward(np.ones((5, 4), np.float32))
    delta = np.arange(10, dtype=np.float32).reshape(5, 2)
    gradients = network.gradients(trace, [None, delta])
    assert gradients[:2] == [None, None]
    np.testing.assert_allclose(gradients[3], delta.sum(axis=0) / 5)  # type: ignore[arg-type]
    np.testing.assert_allclose(
        gradients[2], sum(np.outer(h, d) for h, d in zip(trace.inputs[1], delta, strict=True)) / 5, rtol=1e-5
    )


@pytest.mark.parametrize("shape", [(4,), (2, 5)])
def test_wrong_input_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"\(samples, 4\)"):
        Network((4, 2), rng()).forward(np.zeros(shape, np.float32))


def test_wrong_sizes_and_delta_counts_are_refused() -> None:
    with pytest.raises(InputError, match="positive layer sizes"):
        Network((4, 0, 2), rng())
    network = Network((4, 2), rng())
    with pytest.raises(InputError, match="2 deltas for 1 layers"):
        network.gradients(network.forward(np.zeros((1, 4), np.float32)), [None, None])


def test_state_goes_round_and_bad_states_change_nothing() -> None:
    source, target = Network((4, 3, 2), rng()), Network((4, 3, 2), np.random.default_rng(9))
    before = [p.copy() for p in target.parameters]
    state = source.state_dict()
    with pytest.raises(InputError, match=r"'bias.1' \(2,\) is missing"):
        target.load_state_dict({k: v for k, v in state.items() if k != "bias.1"})
    with pytest.raises(InputError, match=r"'weight.1' has shape \(3, 5\)"):
        target.load_state_dict(state | {"weight.1": np.zeros((3, 5), np.float32)})
    assert all(np.array_equal(a, b) for a, b in zip(before, target.parameters, strict=True))
    target.load_state_dict(state)
    assert all(np.array_equal(a, b) for a, b in zip(source.parameters, target.parameters, strict=True))
    assert all(a is not b for a, b in zip(source.parameters, target.parameters, strict=True))
