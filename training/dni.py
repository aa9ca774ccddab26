"""Decoupled neural interfaces: each hidden block learns from a predicted gradient, and the prediction from its neighbour."""

from __future__ import annotations

from opu.arrays import Array, namespace
from opu.errors import InputError

from .batch import Batch
from .loss import one_hot
from .method import Cost, Span
from .network import Gradients, Network


class SyntheticGradients:
    """The signal of hidden block i is ĝ_i = h_i P_i + t Q_i + q_i, linear in its output and the one-hot label t.

    P, Q, q start at 0 and descend |ĝ_i - g_i|^2 / 2, the mean over rows, where g_i is what block i+1 sends back when its
    own signal is ĝ_{i+1}, or the true error for the last. Jaderberg et al. 2017 (their conditional, linear variant).
    Classification only: InputError for targets that are not labels.
    """

    name = "dni"
    span: Span = "pair"

    def __init__(self, network: Network) -> None:
        xp = namespace(network.parameters[0])
        dtype, n_classes = network.parameters[0].dtype, network.sizes[-1]
        self.parameters: list[Array] = [
            xp.zeros(shape, dtype=dtype) for n in network.hidden for shape in ((n, n), (n_classes, n), (n,))
        ]

    def check(self, network: Network) -> None:
        """Any network will do."""

    def gradients(self, network: Network, batch: Batch) -> Gradients:
        """Return the gradients from predicted signals, then those of the predictors."""
        if batch.targets.ndim != 1:
            raise InputError(f"dni got targets of shape {batch.targets.shape}: it predicts from class labels (B,)")
        labels = one_hot(batch.targets, batch.error)
        predicted = self.predicted(batch, labels)
        parameters: list[Array | None] = []
        own: list[Array] = []
        deltas: list[Array | None] = []
        signal = batch.error
        for block in range(network.n_blocks - 1, -1, -1):
            way = network.back(batch.trace, block, signal * batch.scale, to_input=block > 0)
            parameters = [*way.parameters, *parameters]
            deltas.insert(0, way.delta)
            if block > 0:
                signal = predicted[block - 1]
                off = signal * batch.scale - way.input
                h = batch.trace.outputs[block - 1]
                own = [h.T @ off, labels.T @ off, namespace(off).sum(off, axis=0), *own]
        return Gradients([*parameters, *own], deltas)

    def predicted(self, batch: Batch, labels: Array) -> list[Array]:
        """Return the predicted row gradients at the output of every hidden block; labels: one-hot (B, C)."""
        triples = zip(*(self.parameters[i::3] for i in range(3)), strict=True)
        return [h @ p + labels @ q + c for h, (p, q, c) in zip(batch.trace.outputs[:-1], triples, strict=True)]

    def cost(self) -> Cost:
        """No device is used."""
        return Cost()
