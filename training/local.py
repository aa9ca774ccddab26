"""Layer-wise local losses: each hidden block serves a classifier of its own, and hears nothing from above."""

from __future__ import annotations

import numpy as np

from opu.arrays import Array, namespace

from .batch import Batch
from .method import Cost, Span
from .network import Gradients, Network
from .streams import stream


class LocalLosses:
    """Block i learns from the gradient of loss(h_i C_i + c_i) alone; the last block from the network's own loss.

    trained: C and c learn, too, as the prediction loss of Nøkland & Eidnes 2019 has it. Else they stay random, as in
    Mostafa, Ramesh & Cauwenberghs 2018. C ~ N(0, 1/n_i), a function of (seed, block); c = 0.
    """

    name = "local"
    span: Span = "block"

    def __init__(self, network: Network, seed: int, trained: bool = True) -> None:
        self.trained = trained
        self.classifiers: list[tuple[Array, Array]] = []
        xp = namespace(network.parameters[0])
        dtype = network.parameters[0].dtype
        for block, width in enumerate(network.hidden):
            rng = stream(seed, "feedback", block)
            weight = rng.standard_normal((width, network.sizes[-1]), dtype=np.float32) / np.sqrt(np.float32(width))
            self.classifiers.append((xp.asarray(weight, dtype=dtype), xp.zeros(network.sizes[-1], dtype=dtype)))
        self.parameters: list[Array] = [p for pair in self.classifiers for p in pair] if trained else []

    def check(self, network: Network) -> None:
        """Any network will do."""

    def gradients(self, network: Network, batch: Batch) -> Gradients:
        """Return each block's gradients of its own loss, then those of the classifiers, if they are trained."""
        signals: list[Array] = []
        own: list[Array] = []
        for h, (weight, bias) in zip(batch.trace.outputs[:-1], self.classifiers, strict=True):
            error = batch.error_of(h @ weight + bias) * batch.scale
            signals.append(error @ weight.T)
            if self.trained:
                own += [h.T @ error, namespace(error).sum(error, axis=0)]
        found = network.from_signals(batch.trace, [*signals, batch.error * batch.scale])
        return Gradients([*found.parameters, *own], found.deltas)

    def cost(self) -> Cost:
        """No device is used."""
        return Cost()
