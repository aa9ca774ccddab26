"""Backpropagation, the exact gradient: the rival that DFA is measured against."""

from __future__ import annotations

from opu.arrays import Array

from .batch import Batch
from .method import Cost, Span
from .network import Gradients, Network


class Backprop:
    """delta_i = (delta_{i+1} W_{i+1}^T) * f'(a_i), and so through every layer. Rumelhart, Hinton & Williams 1986."""

    name = "bp"
    span: Span = "network"

    def __init__(self) -> None:
        self.parameters: list[Array] = []

    def check(self, network: Network) -> None:
        """Any network will do."""

    def gradients(self, network: Network, batch: Batch) -> Gradients:
        """Return the exact gradients of the mean loss."""
        return network.chained(batch.trace, batch.error * batch.scale)

    def cost(self) -> Cost:
        """No device is used."""
        return Cost()
