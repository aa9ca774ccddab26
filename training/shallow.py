"""Only the last layer learns: the control that a method must beat to have taught its hidden layers anything."""

from __future__ import annotations

from .arrays import Array
from .method import Cost
from .network import Network, Trace


class Shallow:
    """delta_last = e and nothing below: the hidden layers keep their random weights (an extreme learning machine)."""

    name = "shallow"

    def deltas(self, network: Network, trace: Trace, error: Array) -> list[Array | None]:  # noqa: ARG002
        """Return None for every hidden layer and the error for the last."""
        return [*[None] * (network.n_layers - 1), error]

    def cost(self) -> Cost:
        """No device is used."""
        return Cost()
