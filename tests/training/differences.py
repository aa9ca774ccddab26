"""Central differences, the judge of every local rule."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

STEP = 1e-5
# truncation: STEP^2/6 times a third derivative of order 1 to 10, so 1e-9; rounding: 1e-15/STEP = 1e-10
ATOL = 1e-8


def gradient(value: Callable[[], float], array: np.ndarray) -> np.ndarray:
    """d value / d array, `array` changed in place and restored."""
    result = np.zeros_like(array)
    for index in np.ndindex(array.shape):
        kept = array[index]
        array[index] = kept + STEP
        up = value()
        array[index] = kept - STEP
        down = value()
        array[index] = kept
        result[index] = (up - down) / (2 * STEP)
    return result


def check_layer(layer, x: np.ndarray, moment=None, *, of_input: bool = True) -> None:
    """A layer's two rules against differences of sum(output * R), R random."""
    rng = np.random.default_rng(99)
    out, kept = layer.forward(x, moment)
    weight = rng.standard_normal(out.shape)

    def value() -> float:
        return float((layer.forward(x, moment)[0] * weight).sum())

    found = layer.gradients(kept, weight)
    assert len(found) == len(layer.parameters)
    for parameter, g in zip(layer.parameters.values(), found, strict=True):
        assert g.shape == parameter.shape
        np.testing.assert_allclose(g, gradient(value, parameter), atol=ATOL)
    if of_input:
        np.testing.assert_allclose(layer.input_gradient(kept, weight), gradient(value, x), atol=ATOL)


def check_network(network, gradients, value: Callable[[], float]) -> None:
    """Gradients of all of a network's parameters against differences of `value`."""
    for parameter, g in zip(network.parameters, gradients, strict=True):
        np.testing.assert_allclose(g, gradient(value, parameter), atol=ATOL)
