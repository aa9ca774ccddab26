"""Each layer's forward pass by its formula, and its rules by central differences."""

from __future__ import annotations

import numpy as np
import pytest
from opu.training.activation import ReLU, Tanh, activation
from opu.training.dense import Dense
from opu.training.dropout import Dropout
from opu.training.embedding import Embedding
from opu.training.graph_convolution import GraphConvolution, normalised_adjacency
from opu.training.layer import Moment, missing_rules
from opu.training.layer_norm import LayerNorm
from scipy.sparse import csr_array

from opu.errors import ConfigError, InputError

from .differences import check_layer


def rng() -> np.random.Generator:
    return np.random.default_rng(11)


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(12).standard_normal(shape)


def test_dense() -> None:
    layer = Dense(5, 4, rng(), np.float64)
    layer.parameters["bias"] += normal(4)
    x = normal(6, 5)
    np.testing.assert_allclose(layer.forward(x)[0], x @ layer.parameters["weight"] + layer.parameters["bias"])
    check_layer(layer, x)


def test_dense_on_a_sparse_matrix_is_dense_on_its_values() -> None:
    layer, x = Dense(5, 4, rng(), np.float64), normal(6, 5) * (normal(6, 5) > 0.5)
    (a, kept_a), (b, kept_b) = layer.forward(x), layer.forward(csr_array(x))
    np.testing.assert_allclose(a, b, atol=1e-15)
    for g, h in zip(layer.gradients(kept_a, a), layer.gradients(kept_b, a), strict=True):
        np.testing.assert_allclose(g, h, atol=1e-14)


def test_another_weight_can_stand_in_on_the_way_back() -> None:
    layer, delta, other = Dense(5, 4, rng(), np.float64), normal(6, 4), normal(5, 4)
    _, kept = layer.forward(normal(6, 5))
    np.testing.assert_array_equal(layer.input_gradient(kept, delta, other), delta @ other.T)


@pytest.mark.parametrize("layer", [Tanh(), ReLU()])
def test_activations(layer: Tanh | ReLU) -> None:
    x = normal(6, 5)
    want = np.tanh(x) if layer.kind == "tanh" else np.where(x > 0, x, 0)
    np.testing.assert_allclose(layer.forward(x)[0], want)
    before = x.copy()
    check_layer(layer, x)  # no value lies within 1e-5 of the kink at 0
    np.testing.assert_array_equal(x, before)


def test_activations_by_name() -> None:
    assert (activation("tanh").kind, activation("relu").kind) == ("tanh", "relu")
    with pytest.raises(ConfigError, match="'gelu' is unknown: choose tanh or relu"):
        activation("gelu")


def test_layer_norm() -> None:
    layer = LayerNorm(5, np.float64)
    layer.parameters["gain"] *= normal(5)
    layer.parameters["shift"] += 0.3
    x = normal(6, 5)
    want = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(layer.forward(x)[0], want * layer.parameters["gain"] + 0.3)
    check_layer(layer, x)


def test_dropout_is_a_function_of_seed_step_and_index_and_off_in_prediction() -> None:
    layer, x, moment = Dropout(0.4, 2), np.ones((50, 80)), Moment(5, 7)
    out, _ = layer.forward(x, moment)
    np.testing.assert_array_equal(out, layer.forward(x, moment)[0])
    for other, at in ((layer, Moment(5, 8)), (layer, Moment(6, 7)), (Dropout(0.4, 3), moment)):
        # two independent masks of rate .4 differ in 2 * .4 * .6 = .48 of places, known to sqrt(.25 / 4000)
        share = np.mean(other.forward(x, at)[0] != out)
        assert abs(share - 0.48) < 5 * np.sqrt(0.25 / 4000)
    assert set(np.unique(out)) == {0.0, 1 / 0.6}
    assert abs(out.mean() - 1) < 5 * np.sqrt(0.4 / 0.6 / 4000)  # variance of a kept-or-not value: p / (1 - p)
    assert layer.forward(x, None)[0] is x
    assert Dropout(0.0).forward(x, moment)[0] is x
    check_layer(layer, normal(6, 5), moment)
    check_layer(layer, normal(6, 5), None)


def test_dropout_of_a_sparse_matrix_drops_stored_values() -> None:
    x = csr_array(normal(30, 40) * (normal(30, 40) > 1))
    out, _ = Dropout(0.5).forward(x, Moment(0, 1))
    ratio = out.data / x.data
    assert set(np.unique(ratio)) == {0.0, 2.0}
    np.testing.assert_array_equal(out.indices, x.indices)


@pytest.mark.parametrize("rate", [-0.1, 1, float("nan")])
def test_impossible_rates_are_refused(rate: float) -> None:
    with pytest.raises(ConfigError, match="dropout = "):
        Dropout(rate)


@pytest.mark.parametrize("pool", ["flatten", "mean"])
def test_embedding(pool: str) -> None:
    layer = Embedding(7, 3, 4, rng(), pool, np.float64)  # type: ignore[arg-type]
    x = np.array([[0, 6, 6, 2], [1, 1, 1, 1]])  # a token twice in a row, and one never
    vectors = layer.parameters["weight"][x]
    want = vectors.reshape(2, 12) if pool == "flatten" else vectors.mean(axis=1)
    np.testing.assert_allclose(layer.forward(x)[0], want)
    assert layer.n_out == want.shape[1]
    check_layer(layer, x, of_input=False)


def test_embedding_refuses_what_has_no_vector() -> None:
    layer = Embedding(7, 3, 2, rng())
    for bad in ([[0, 7]], [[-1, 0]]):
        with pytest.raises(InputError, match=r"they must lie in 0\.\.6"):
            layer.forward(np.array(bad))
    with pytest.raises(InputError, match="must be integers"):
        layer.forward(np.ones((1, 2)))
    with pytest.raises(InputError, match="first layer"):
        layer.input_gradient((), np.ones((1, 6)))
    with pytest.raises(ConfigError, match="pool 'max'"):
        Embedding(7, 3, 2, rng(), "max")  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [np.asarray, csr_array])
def test_graph_convolution(kind: type) -> None:
    a = normal(6, 6) * (normal(6, 6) > 0.3)  # not symmetric: the way back is the transpose
    layer = GraphConvolution(kind(a), 5, 4, rng(), np.float64)
    x = normal(6, 5)
    np.testing.assert_allclose(layer.forward(x)[0], a @ x @ layer.parameters["weight"], atol=1e-14)
    check_layer(layer, x)
    np.testing.assert_allclose(layer.spread(x), a.T @ x, atol=1e-14)


def test_graphs_come_whole_and_square() -> None:
    with pytest.raises(InputError, match=r"\(3, 4\): it must be \(nodes, nodes\)"):
        GraphConvolution(np.ones((3, 4)), 2, 2, rng())
    with pytest.raises(InputError, match="got 2 rows and its graph has 3 nodes"):
        GraphConvolution(np.eye(3), 2, 2, rng()).forward(np.ones((2, 2)))


def test_normalised_adjacency_of_a_path() -> None:
    """0 - 1 - 2, degrees with loops 2, 3, 2; an edge given twice and backwards counts once."""
    a = normalised_adjacency(np.array([[0, 1], [2, 1], [1, 0]]), 3).toarray()
    want = np.array([[1 / 2, 6**-0.5, 0], [6**-0.5, 1 / 3, 6**-0.5], [0, 6**-0.5, 1 / 2]])
    np.testing.assert_allclose(a, want, rtol=1e-6)
    assert a.dtype == np.float32
    with pytest.raises(InputError, match=r"0\.\.2"):
        normalised_adjacency(np.array([[0, 3]]), 3)


def test_missing_members_are_listed() -> None:
    assert missing_rules(Tanh()) == []
    assert missing_rules(object())[-2:] == ["gradients", "input_gradient"]
