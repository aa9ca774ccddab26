from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from opu.training.backprop import Backprop
from opu.training.loss import softmax_cross_entropy
from opu.training.method import Cost
from opu.training.network import Network


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_gradients_match_central_differences(activation: Literal["tanh", "relu"]) -> None:
    rng = np.random.default_rng(5)
    network = Network((6, 7, 5, 4), rng, activation, dtype=np.float64)
    for i in (1, 3, 5):
        network.parameters[i] += 0.3 * rng.standard_normal(network.parameters[i].shape)
    x, labels = rng.standard_normal((9, 6)), rng.integers(0, 4, 9)

    def loss() -> float:
        return softmax_cross_entropy(network.forward(x).logits, labels)[0]

    trace = network.forward(x)
    _, error = softmax_cross_entropy(trace.logits, labels)
    gradients = network.gradients(trace, Backprop().deltas(network, trace, error))
    step = 1e-5
    for p, g in zip(network.parameters, gradients, strict=True):
        assert g is not None
        for index in np.ndindex(p.shape):
            kept = p[index]
            p[index] = kept + step
            up = loss()
            p[index] = kept - step
            down = loss()
            p[index] = kept
            # truncation: step^2/6 * third derivative (order 1); rounding: 1e-16/step = 1e-11
            assert g[index] == pytest.approx((up - down) / (2 * step), abs=1e-8)


def test_backprop_costs_no_frames() -> None:
    assert Backprop().cost() == Cost(0, 0.0)
