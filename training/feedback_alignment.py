"""Feedback alignment: backpropagation over fixed random weights."""

from __future__ import annotations

import numpy as np

from opu.arrays import Array, namespace

from .batch import Batch
from .method import Cost, Span
from .network import Gradients, Network
from .streams import stream


class FeedbackAlignment:
    """delta_i = (delta_{i+1} B_{i+1}^T) * f'(a_i), B fixed, of the shape and spread of the weights. Lillicrap et al. 2016.

    B ~ N(0, 1/fan_in), a function of (seed, layer) alone; the other layers of a block keep their own local rule.
    """

    name = "fa"
    span: Span = "network"

    def __init__(self, network: Network, seed: int) -> None:
        self.parameters: list[Array] = []
        self.matrices: dict[tuple[int, int], Array] = {}
        for number, (place, weight) in enumerate(network.weights().items()):
            if place == (0, 0):  # nothing is carried below the first layer
                continue
            rng = stream(seed, "feedback", number)
            matrix = rng.standard_normal(weight.shape, dtype=np.float32) / np.sqrt(np.float32(weight.shape[0]))
            self.matrices[place] = namespace(weight).asarray(matrix, dtype=weight.dtype)

    def check(self, network: Network) -> None:
        """Any network will do."""

    def gradients(self, network: Network, batch: Batch) -> Gradients:
        """Return the gradients when the error returns over the fixed matrices."""
        return network.chained(batch.trace, batch.error * batch.scale, weights=self.matrices)

    def cost(self) -> Cost:
        """No device is used."""
        return Cost()
