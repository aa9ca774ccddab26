"""Direct feedback alignment: every hidden block learns from its own slice of one random projection of the error."""

from __future__ import annotations

from collections.abc import Callable

from opu.arrays import Array, namespace
from opu.errors import InputError

from .batch import Batch
from .feedback import Feedback
from .method import Cost, Span
from .network import Gradients, Network


class DFA:
    """delta_i = (e B_i / sqrt(n_i)) * f'(a_i), B_i the block's fixed Gaussian slice, n_i its width. Nøkland 2016.

    The slice is the signal at the block's output; inside a block the layers' own rules are exact. The factor 1/sqrt(n_i)
    belongs to every DFA here, digital or optical: with unit-variance B it gives the last hidden layer the delta size that
    backprop has at W ~ N(0, 1/fan_in), so that one learning rate serves both under SGD (Adam cancels it).

    spread: applied to the errors before the projection. On a graph, the transposed adjacency: a node's error is made by
    its neighbours' features, so they must hear of it. Rows that are zero are then not projected.
    """

    name = "dfa"
    span: Span = "network"

    def __init__(self, feedback: Feedback, spread: Callable[[Array], Array] | None = None) -> None:
        self.feedback = feedback
        self.parameters: list[Array] = []
        self._spread = spread

    def check(self, network: Network) -> None:
        """Raise InputError when the feedback does not fit the network."""
        check_feedback(self.feedback, network)

    def gradients(self, network: Network, batch: Batch) -> Gradients:
        """Return the gradients from ONE projection (B, sum of hidden widths) of the error (B, C)."""
        check_feedback(self.feedback, network)
        signals = slices(self._projected(batch.error), network, batch.scale)
        return network.from_signals(batch.trace, [*signals, batch.error * batch.scale])

    def cost(self) -> Cost:
        """Frames and device time that the feedback has used."""
        return Cost(self.feedback.frames_shown, self.feedback.device_seconds)

    def _projected(self, error: Array) -> Array:
        if self._spread is None:
            return self.feedback.project(error)
        xp = namespace(error)
        spread = self._spread(error)
        (lit,) = xp.nonzero(xp.any(spread != 0, axis=1))
        signal = xp.zeros((error.shape[0], self.feedback.width), dtype=error.dtype)
        if lit.shape[0]:
            signal[lit] = self.feedback.project(spread[lit])
        return signal


def check_feedback(feedback: Feedback, network: Network) -> None:
    """Raise InputError when the feedback's sizes are not those of the network."""
    width = sum(network.hidden)
    if (feedback.n_errors, feedback.width) != (network.sizes[-1], width):
        raise InputError(
            f"feedback maps {feedback.n_errors} errors to {feedback.width} signals, the network "
            f"{network.sizes} needs {network.sizes[-1]} to {width}: make the feedback for these sizes"
        )


def slices(signal: Array, network: Network, scale: float) -> list[Array]:
    """Return a block's columns of a projection (B, sum of hidden widths), times scale / sqrt(width), for each hidden block."""
    result: list[Array] = []
    start = 0
    for size in network.hidden:
        result.append(signal[:, start : start + size] * float(scale / size**0.5))
        start += size
    return result
