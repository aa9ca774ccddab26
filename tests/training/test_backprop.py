from __future__ import annotations

import numpy as np
import pytest
from opu.training.activation import ReLU, Tanh
from opu.training.backprop import Backprop
from opu.training.dense import Dense
from opu.training.dropout import Dropout
from opu.training.embedding import Embedding
from opu.training.graph_convolution import GraphConvolution
from opu.training.layer import Moment
from opu.training.layer_norm import LayerNorm
from opu.training.loss import LOSSES
from opu.training.method import Cost
from opu.training.network import Network

from .batches import batch_of
from .differences import check_network

MOMENT = Moment(4, 2)


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def networks() -> dict[str, tuple[Network, np.ndarray]]:
    f8, x = np.float64, np.random.default_rng(6).standard_normal((7, 6))
    graph = np.abs(np.random.default_rng(7).standard_normal((7, 7)))
    return {
        "tanh": (Network((6, 7, 5, 4), rng(), "tanh", f8), x),
        "relu": (Network((6, 7, 5, 4), rng(), "relu", f8), x),
        "normalised and dropped": (Network((6, 7, 5, 4), rng(), "tanh", f8, dropout=0.4, layer_norm=True), x),
        "tokens": (
            Network.of(
                [
                    [Embedding(5, 3, 6, rng(), dtype=f8), LayerNorm(18, f8), Dense(18, 6, rng(), f8), Tanh()],
                    [Dense(6, 4, rng(), f8)],
                ]
            ),
            np.random.default_rng(8).integers(0, 5, (7, 6)),
        ),
        "graph": (
            Network.of(
                [
                    [Dropout(0.3, 1), GraphConvolution(graph, 6, 5, rng(), f8), ReLU()],
                    [Dropout(0.3, 2), GraphConvolution(graph, 5, 4, rng(), f8)],
                ]
            ),
            x,
        ),
    }


@pytest.mark.parametrize("loss", list(LOSSES))
@pytest.mark.parametrize("kind", list(networks()))
def test_gradients_match_central_differences_through_every_layer(kind: str, loss: str) -> None:
    network, x = networks()[kind]
    for i, p in enumerate(network.parameters):
        if p.ndim == 1:
            network.parameters[i] += 0.3 * np.random.default_rng(len(p)).standard_normal(p.shape)
    labels, chosen = np.arange(7) % 4, LOSSES[loss]  # type: ignore[index]
    found = Backprop().gradients(network, batch_of(network, x, labels, chosen, MOMENT))
    check_network(network, found.parameters, lambda: chosen(network.forward(x, MOMENT).logits, labels)[0])


def test_backprop_costs_no_frames_and_trains_any_network() -> None:
    method = Backprop()
    assert (method.cost(), method.parameters) == (Cost(0, 0.0), [])
    method.check(Network((2, 3), rng()))
