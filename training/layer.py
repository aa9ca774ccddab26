"""What a layer knows: its forward pass, and its local rule from the gradient at its output to those at its parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from opu.arrays import Array

Kept: TypeAlias = tuple[Array, ...]
"""What a forward pass keeps for its local rule; the same array in two layers counts once."""


@dataclass(frozen=True)
class Moment:
    """A training step: all that a random layer may depend on. None in its place: prediction, nothing is random."""

    seed: int
    step: int


class Layer(Protocol):
    """One step of a network on arrays of NumPy's kind; `delta` is the gradient at its output, rows first.

    A class with these members is a layer, wherever it comes from; no derivative is found automatically.
    """

    @property
    def kind(self) -> str:
        """Short name, e.g. 'dense'."""
        ...

    @property
    def n_in(self) -> int | None:
        """Features of a row that it takes; None: any."""
        ...

    @property
    def n_out(self) -> int | None:
        """Features of a row that it returns; None: as many as it took."""
        ...

    @property
    def parameters(self) -> dict[str, Array]:
        """Trainable arrays by name, updated in place; 'weight' is what random feedback may stand in for."""
        ...

    def forward(self, x: Array, moment: Moment | None) -> tuple[Array, Kept]:
        """Return the output and what the two methods below need; x stays as it is."""
        ...

    def gradients(self, kept: Kept, delta: Array) -> list[Array]:
        """Return the gradients of the parameters, in their order, summed over rows."""
        ...

    def input_gradient(self, kept: Kept, delta: Array, weight: Array | None = None) -> Array:
        """Return the gradient at the input; weight: used for the way back instead of the layer's own."""
        ...


def missing_rules(layer: Any) -> list[str]:
    """Return the members that `layer` lacks to be a Layer."""
    members = ("kind", "n_in", "n_out", "parameters", "forward", "gradients", "input_gradient")
    return [name for name in members if not hasattr(layer, name)]
