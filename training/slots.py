"""Slot machines: weights are never changed, only chosen among a few random ones."""

from __future__ import annotations

import numpy as np

from opu.arrays import Array
from opu.errors import ConfigError, InputError

from .batch import Batch
from .method import Cost, Span
from .network import Gradients, Network
from .streams import stream


class SlotMachines:
    """Each weight is the one of its K fixed random values that has the highest score. Aladago & Torresani 2021.

    Values ~ N(0, mean square of the layer's first weights), functions of (seed, layer, slot); biases and other parameters
    keep their first values. The gradient of every score is that of the weight times the score's value, straight through
    the choice. Scores start uniform in [0, 0.1): Adam at 1e-3 takes tens of steps from one choice to the next. Choosing
    overwrites the network's weights. Raises ConfigError for fewer than 2 slots, InputError for a network not of NumPy's.
    """

    name = "slots"
    span: Span = "network"

    def __init__(self, network: Network, seed: int, n_slots: int = 8) -> None:
        if n_slots < 2:
            raise ConfigError(f"slots = {n_slots}: a choice needs 2 values or more")
        weights = network.weights()
        if not all(isinstance(w, np.ndarray) for w in weights.values()):
            raise InputError("slots choose among NumPy arrays only: train on NumPy, or by another method")
        self.values: list[Array] = []
        self.parameters: list[Array] = []
        for number, weight in enumerate(weights.values()):
            rng = stream(seed, "feedback", number)
            values = rng.standard_normal((n_slots, *weight.shape), dtype=np.float32)
            self.values.append((values * np.sqrt(np.mean(weight * weight))).astype(weight.dtype))
            scores = rng.random((n_slots, *weight.shape), dtype=np.float32) * np.float32(0.1)
            self.parameters.append(scores.astype(weight.dtype))
        self.settle(network)

    def check(self, network: Network) -> None:
        """Raise InputError for another network than the one it chooses for."""
        shapes = [v.shape[1:] for v in self.values]
        if [w.shape for w in network.weights().values()] != shapes:
            raise InputError(f"slots were made for weights of shapes {shapes}: make them for the network to be trained")

    def settle(self, network: Network) -> None:
        """Choose: write the value with the highest score into every weight of the network."""
        for weight, values, scores in zip(network.weights().values(), self.values, self.parameters, strict=True):
            choice = np.argmax(scores, axis=0)[None]
            weight[...] = np.take_along_axis(values, choice, axis=0)[0]

    def gradients(self, network: Network, batch: Batch) -> Gradients:
        """Return None for the network's parameters and the straight-through gradients of the scores; deltas are exact."""
        exact = network.chained(batch.trace, batch.error * batch.scale)
        weights = {id(w) for w in network.weights().values()}
        own = [g for p, g in zip(network.parameters, exact.parameters, strict=True) if id(p) in weights]
        scores = [g[None] * values for g, values in zip(own, self.values, strict=True) if g is not None]
        return Gradients([*[None] * len(network.parameters), *scores], exact.deltas)

    def cost(self) -> Cost:
        """No device is used."""
        return Cost()
