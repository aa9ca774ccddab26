"""Only the last block learns: the control that a method must beat to have taught its hidden layers anything."""

from __future__ import annotations

from opu.arrays import Array

from .batch import Batch
from .method import Cost, Span
from .network import Gradients, Network


class Shallow:
    """The error for the last block and nothing below: hidden layers keep their random weights. Huang, Zhu & Siew 2006.

    Known as an extreme learning machine.
    """

    name = "shallow"
    span: Span = "last"

    def __init__(self) -> None:
        self.parameters: list[Array] = []

    def check(self, network: Network) -> None:
        """Any network will do."""

    def gradients(self, network: Network, batch: Batch) -> Gradients:
        """Return None for every hidden block's parameters and the exact gradients of the last's."""
        return network.from_signals(batch.trace, [*[None] * (network.n_blocks - 1), batch.error * batch.scale])

    def cost(self) -> Cost:
        """No device is used."""
        return Cost()
