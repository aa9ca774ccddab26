"""Layer normalisation."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from opu.arrays import Array, namespace

from .layer import Kept, Moment


class LayerNorm:
    """y = g (x - mean x) / sqrt(var x + epsilon) + b over the features of each row; g = 1, b = 0. Ba, Kiros & Hinton 2016."""

    kind = "layer norm"

    def __init__(self, width: int, dtype: DTypeLike = np.float32, epsilon: float = 1e-5) -> None:
        self.n_in = self.n_out = width
        self.epsilon = epsilon
        self.parameters: dict[str, Array] = {"gain": np.ones(width, dtype), "shift": np.zeros(width, dtype)}

    def forward(self, x: Array, moment: Moment | None = None) -> tuple[Array, Kept]:  # noqa: ARG002
        """Keep the normalised rows and one over their deviations."""
        xp = namespace(x)
        centred = x - xp.mean(x, axis=1, keepdims=True)
        inverse = 1 / xp.sqrt(xp.mean(centred * centred, axis=1, keepdims=True) + self.epsilon)
        normal = centred * inverse
        return normal * self.parameters["gain"] + self.parameters["shift"], (normal, inverse)

    def gradients(self, kept: Kept, delta: Array) -> list[Array]:
        """Return the column sums of delta times the normalised rows, and of delta."""
        xp = namespace(delta)
        return [xp.sum(delta * kept[0], axis=0), xp.sum(delta, axis=0)]

    def input_gradient(self, kept: Kept, delta: Array, weight: Array | None = None) -> Array:  # noqa: ARG002
        """Return (d - mean d - n mean(d n)) / deviation, d = delta g, n the normalised rows."""
        xp = namespace(delta)
        normal, inverse = kept
        d = delta * self.parameters["gain"]
        along = xp.mean(d * normal, axis=1, keepdims=True)
        return (d - xp.mean(d, axis=1, keepdims=True) - normal * along) * inverse
