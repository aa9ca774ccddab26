"""What the trainer asks of a learning rule: a gradient for every parameter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from opu.arrays import Array, taken

from .batch import Batch
from .layer import Moment
from .network import Gradients, Network

Span = Literal["network", "pair", "block", "last"]
"""What of a forward pass a rule cannot do without until it may update a block; see `stored_bytes`."""


@dataclass(frozen=True)
class Cost:
    """What a method has asked of a device so far: frames shown and device time in seconds (0 where there is none)."""

    frames: int = 0
    device_seconds: float = 0.0


class Method(Protocol):
    """A rule that gives each parameter its gradient; the update that follows is the same for all rules."""

    @property
    def name(self) -> str:
        """Short name, e.g. 'dfa'."""
        ...

    @property
    def span(self) -> Span:
        """What it keeps of a forward pass: all blocks, two neighbours, one, or the last alone."""
        ...

    @property
    def parameters(self) -> list[Array]:
        """Trainable arrays of its own, trained by the same optimiser after the network's; updated in place."""
        ...

    def check(self, network: Network) -> None:
        """Raise InputError, before any training, when it cannot train that network."""
        ...

    def gradients(self, network: Network, batch: Batch) -> Gradients:
        """Return one gradient per parameter, the network's and then its own; changes nothing."""
        ...

    def cost(self) -> Cost:
        """What was asked of a device since the method was made."""
        ...


@runtime_checkable
class Settles(Protocol):
    """A method with something to do after each update, such as choosing weights by their scores."""

    def settle(self, network: Network) -> None:
        """Bring the network in line with the method's parameters."""
        ...


def trainable(network: Network, method: Method) -> list[Array]:
    """Return what an optimiser must be made for: the network's parameters, then the method's own."""
    return [*network.parameters, *method.parameters]


def stored_bytes(network: Network, x: Array, span: Span) -> int:
    """Return the bytes per row of x that a rule must keep from the forward pass until it can update.

    Counted are the arrays that the layers' local rules need, inputs and masks with them, each once; parameters are not.
    'network': of all blocks, because the error is known last. 'pair', 'block': of the neighbouring pair, or the one
    block, that needs most, because each is updated as soon as its signal is known. 'last': of the last block. It is what
    the rule requires: the trainer here runs the whole forward pass first, whatever the rule.
    """
    kept = network.forward(x, Moment(0, 0)).kept
    n = len(kept)
    groups = {
        "network": [range(n)],
        "pair": [range(b, min(b + 2, n)) for b in range(max(n - 1, 1))],
        "block": [range(b, b + 1) for b in range(n)],
        "last": [range(n - 1, n)],
    }[span]
    totals = []
    for group in groups:
        arrays = {id(a): a for b in group for own in kept[b] for a in own}
        totals.append(sum(_bytes(a) for a in arrays.values()))
    return round(max(totals) / int(x.shape[0]))


def _bytes(a: Array) -> int:
    parts = (a.data, a.indices, a.indptr) if hasattr(a, "indptr") else (a,)
    return sum(taken(part[:1, ...]).itemsize * int(part.size) for part in parts)
