"""Backpropagation, the exact gradient: the rival that DFA is measured against."""

from __future__ import annotations

from .arrays import Array
from .method import Cost
from .network import Network, Trace


class Backprop:
    """delta_i = (delta_{i+1} W_{i+1}^T) * f'(a_i). Rumelhart, Hinton & Williams 1986."""

    name = "bp"

    def deltas(self, network: Network, trace: Trace, error: Array) -> list[Array | None]:
        """Return the exact deltas, one (B, n_out) per layer."""
        delta = error
        result: list[Array | None] = [delta]
        for layer in range(network.n_layers - 1, 0, -1):
            delta = (delta @ network.weight(layer).T) * trace.slopes[layer - 1]
            result.insert(0, delta)
        return result

    def cost(self) -> Cost:
        """No device is used."""
        return Cost()
