from __future__ import annotations

from typing import ClassVar

import array_api_strict
import numpy as np
import pytest
from opu.training.activation import Tanh
from opu.training.backprop import Backprop
from opu.training.dense import Dense
from opu.training.dropout import Dropout
from opu.training.embedding import Embedding
from opu.training.layer import Moment
from opu.training.network import Network

from opu.arrays import taken
from opu.errors import InputError

from .batches import batch_of


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
    np.testing.assert_allclose(trace.outputs[0], h, rtol=1e-6)
    np.testing.assert_allclose(trace.logits, h @ w1 - 0.25, rtol=1e-5, atol=1e-6)
    assert trace.logits.dtype == np.float32


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


def test_each_block_learns_from_its_own_signal_and_none_leaves_it() -> None:
    network = Network((4, 3, 2), rng())
    trace = network.forward(np.ones((5, 4), np.float32))
    delta = np.arange(10, dtype=np.float32).reshape(5, 2)
    found = network.from_signals(trace, [None, delta])
    assert found.parameters[:2] == [None, None]
    assert found.deltas[0] is None
    np.testing.assert_allclose(found.parameters[3], delta.sum(axis=0))
    np.testing.assert_allclose(found.parameters[2], trace.outputs[0].T @ delta, rtol=1e-5)


def test_the_delta_is_the_gradient_at_the_sums() -> None:
    network = Network((4, 3, 2), rng(), dropout=0.5)
    trace = network.forward(np.ones((5, 4), np.float32), Moment(0, 1))
    way = network.back(trace, 0, np.ones((5, 3), np.float32))
    h, mask = trace.kept[0][1][0], trace.kept[0][2][0]
    np.testing.assert_allclose(way.delta, mask * (1 - h * h), rtol=1e-6)
    assert way.input is None


def test_dense_blocks_are_normalised_and_dropped_if_asked() -> None:
    network = Network((4, 6, 5, 2), rng(), "relu", dropout=0.2, layer_norm=True)
    assert [layer.kind for layer in network.blocks[0]] == ["dense", "layer norm", "relu", "dropout"]
    assert [layer.kind for layer in network.blocks[2]] == ["dense"]
    assert (network.sizes, network.hidden, network.n_blocks) == ((4, 6, 5, 2), (6, 5), 3)
    assert list(network.state_dict())[:5] == ["weight.0", "bias.0", "gain.1", "shift.1", "weight.2"]
    # the two dropouts draw differently
    a, b = (network.blocks[i][3].forward(np.ones((9, 5)), Moment(0, 0))[0] for i in (0, 1))
    assert not np.array_equal(a, b)


def test_tokens_flow_through_an_embedding() -> None:
    network = Network.of([[Embedding(9, 4, 3, rng()), Dense(12, 5, rng()), Tanh()], [Dense(5, 2, rng())]])
    assert network.sizes == (3, 5, 2)
    assert network.predict(np.array([[0, 8, 1], [2, 2, 2]])).shape == (2,)


class Convolution:
    kind = "convolution"
    n_in = n_out = 4
    parameters: ClassVar[dict[str, np.ndarray]] = {}


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        (
            [[Dense(4, 4, rng()), Convolution()], [Dense(4, 2, rng())]],
            r"layer 2 of block 1 \(Convolution\) has no forward",
        ),
        ([[Dense(4, 3, rng()), Tanh()], [Dense(4, 2, rng())]], "takes 4 features and gets 3"),
        ([[Dense(4, 3, rng()), Tanh()], [Embedding(5, 2, 3, rng())]], "only be the first layer"),
        ([[Dense(4, 3, rng())], [Tanh()]], "block 2 of 2 has no layer with parameters"),
        ([[Dropout(0.5)]], "no layer with parameters"),
        ([], "no blocks"),
    ],
)
def test_networks_without_a_rule_or_a_fit_are_refused(blocks: list[list[object]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Network.of(blocks)  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(4,), (2, 5)])
def test_wrong_input_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"\(samples, 4\)"):
        Network((4, 2), rng()).forward(np.zeros(shape, np.float32))


def test_wrong_sizes_and_signal_counts_are_refused() -> None:
    with pytest.raises(InputError, match="positive layer sizes"):
        Network((4, 0, 2), rng())
    network = Network((4, 2), rng())
    with pytest.raises(InputError, match="2 signals for 1 blocks"):
        network.from_signals(network.forward(np.zeros((1, 4), np.float32)), [None, None])


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


@pytest.mark.parametrize("kind", ["dense", "tokens"])
def test_any_library_will_do(kind: str) -> None:
    """Backprop in array_api_strict, which has the standard's functions and no other, equals NumPy's to rounding."""

    def build() -> Network:
        if kind == "dense":
            return Network((4, 6, 5, 3), rng(), dtype=np.float64, dropout=0.3, layer_norm=True)
        first = [Embedding(9, 2, 4, rng(), "mean", np.float64), Dense(2, 5, rng(), np.float64), Tanh()]
        return Network.of([first, [Dense(5, 3, rng(), np.float64)]])

    ours, theirs = build(), build().to(array_api_strict)
    x = rng().integers(0, 9, (6, 4)) if kind == "tokens" else rng().standard_normal((6, 4))
    labels, moment = np.array([0, 1, 2, 2, 1, 0]), Moment(3, 5)
    want = Backprop().gradients(ours, batch_of(ours, x, labels, moment=moment))
    xp = array_api_strict
    got = Backprop().gradients(theirs, batch_of(theirs, xp.asarray(x), xp.asarray(labels), moment=moment))
    for a, b in zip(got.parameters, want.parameters, strict=True):
        assert type(a) is type(xp.zeros(1))
        np.testing.assert_allclose(taken(a), b, atol=1e-14)
    np.testing.assert_array_equal(taken(theirs.predict(xp.asarray(x))), ours.predict(x))
