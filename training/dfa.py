"""Direct feedback alignment: every hidden layer learns from its own slice of one random projection of the error."""

from __future__ import annotations

import numpy as np

from opu.errors import InputError

from .arrays import Array
from .feedback import Feedback
from .method import Cost
from .network import Network, Trace


class DFA:
    """delta_i = (e B_i / sqrt(n_i)) * f'(a_i), B_i the layer's fixed Gaussian slice, n_i its width. Nøkland 2016.

    The factor 1/sqrt(n_i) belongs to every DFA here, digital or optical: with unit-variance B it gives the last hidden
    layer the delta size that backprop has at W ~ N(0, 1/fan_in), so that one learning rate serves both under SGD
    (Adam cancels it). Raises InputError on the first call when the feedback does not fit the network.
    """

    name = "dfa"

    def __init__(self, feedback: Feedback) -> None:
        self.feedback = feedback

    def deltas(self, network: Network, trace: Trace, error: Array) -> list[Array | None]:
        """Return the deltas from ONE projection (B, sum of hidden widths) of the error (B, C)."""
        width = sum(network.hidden)
        if (self.feedback.n_errors, self.feedback.width) != (network.sizes[-1], width):
            raise InputError(
                f"feedback maps {self.feedback.n_errors} errors to {self.feedback.width} signals, the network "
                f"{network.sizes} needs {network.sizes[-1]} to {width}: make the feedback for these sizes"
            )
        signal = self.feedback.project(error)
        result: list[Array | None] = []
        start = 0
        for size, slope in zip(network.hidden, trace.slopes, strict=True):
            result.append(signal[:, start : start + size] * (slope / np.sqrt(slope.dtype.type(size))))
            start += size
        return [*result, error]

    def cost(self) -> Cost:
        """Frames and device time that the feedback has used."""
        return Cost(self.feedback.frames_shown, self.feedback.device_seconds)
