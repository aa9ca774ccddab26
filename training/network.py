"""Networks as blocks of layers: a forward pass that keeps what any backward rule needs, and the way back through a block."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from opu.arrays import Array, namespace, taken
from opu.errors import InputError

from .activation import ActivationName
from .blocks import block_sizes, dense_blocks
from .layer import Kept, Layer, Moment

Place = tuple[int, int]
"""Block and layer within it, from 0."""


@dataclass(frozen=True)
class Trace:
    """One forward pass: the input, the output of each block (the last: the network's), and what each layer kept."""

    x: Array
    outputs: list[Array]
    kept: list[list[Kept]]

    @property
    def logits(self) -> Array:
        """Output of the network (B, C)."""
        return self.outputs[-1]


@dataclass(frozen=True)
class Way:
    """One way back through a block: gradients of its parameters in order, the delta, and the gradient at its input.

    `delta` is the gradient at the output of the block's last layer with parameters: of the sums before the activation.
    """

    parameters: list[Array]
    delta: Array | None
    input: Array | None


@dataclass(frozen=True)
class Gradients:
    """What a method hands to the optimiser: one gradient per parameter, None to leave it as it is; and one delta per block.

    `parameters` goes through the network's parameters, then the method's own. Gradients are those of the mean loss.
    """

    parameters: list[Array | None]
    deltas: list[Array | None]


class Network:
    """Blocks of layers; a block ends with a hidden activation, the last one gives the outputs.

    sizes: (features, hidden..., classes), e.g. (64, 512, 512, 10), for dense blocks, with layer normalisation before and
    dropout after each activation if asked; `Network.of` takes any blocks. dtype: float32, or float64 to test gradients.
    `parameters` are updated in place by optimisers. Raises InputError for bad sizes or layers.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        rng: np.random.Generator,
        activation: ActivationName = "tanh",
        dtype: DTypeLike = np.float32,
        *,
        dropout: float = 0.0,
        layer_norm: bool = False,
    ) -> None:
        self._hold(dense_blocks(sizes, rng, activation, dtype, dropout=dropout, layer_norm=layer_norm))

    @classmethod
    def of(cls, blocks: Sequence[Sequence[Layer]]) -> Network:
        """Return the network of these blocks. Raises InputError for what is no layer, or does not fit the one before."""
        network = cls.__new__(cls)
        network._hold(blocks)
        return network

    def _hold(self, blocks: Sequence[Sequence[Layer]]) -> None:
        self.blocks = tuple(tuple(block) for block in blocks)
        self.sizes = block_sizes(self.blocks)
        self.parameters: list[Array] = []
        self._names: list[str] = []
        self._spans: list[tuple[int, int]] = []
        number = 0
        for block in self.blocks:
            start = len(self.parameters)
            for layer in block:
                self.parameters += layer.parameters.values()
                self._names += [f"{name}.{number}" for name in layer.parameters]
                number += bool(layer.parameters)
            self._spans.append((start, len(self.parameters)))

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return len(self.blocks)

    @property
    def hidden(self) -> tuple[int, ...]:
        """Widths of the hidden blocks' outputs."""
        return self.sizes[1:-1]

    @property
    def n_parameters(self) -> int:
        """Number of trainable numbers."""
        return sum(p.size for p in self.parameters)

    def weights(self) -> dict[Place, Array]:
        """Weights by block and layer; the arrays themselves, not copies."""
        return {
            (b, k): layer.parameters["weight"]
            for b, block in enumerate(self.blocks)
            for k, layer in enumerate(block)
            if "weight" in layer.parameters
        }

    def weight(self, number: int) -> Array:
        """The weights of the number-th layer that has some; the array itself, not a copy."""
        return list(self.weights().values())[number]

    def parameters_of(self, block: int) -> range:
        """Where a block's parameters stand in `parameters`."""
        return range(*self._spans[block])

    def forward(self, x: Array, moment: Moment | None = None) -> Trace:
        """Run the network on x (B, features); moment: the training step, None to predict. Raises InputError."""
        if len(x.shape) != 2 or x.shape[1] != self.sizes[0]:
            raise InputError(f"network input has shape {tuple(x.shape)}, it must be (samples, {self.sizes[0]})")
        h, outputs, kept = x, [], []
        for block in self.blocks:
            held: list[Kept] = []
            for layer in block:
                h, own = layer.forward(h, moment)
                held.append(own)
            outputs.append(h)
            kept.append(held)
        return Trace(x, outputs, kept)

    def predict(self, x: Array, chunk: int = 2000) -> Array:
        """Return the most likely class of every row of x (n, features), as int64 (n,)."""
        starts = range(0, max(x.shape[0], 1), chunk)
        outputs = [self.forward(x[i : i + chunk, :] if len(starts) > 1 else x).logits for i in starts]
        xp = namespace(outputs[0])
        return xp.astype(xp.concat([xp.argmax(part, axis=1) for part in outputs]), xp.int64)

    def back(
        self,
        trace: Trace,
        block: int,
        signal: Array,
        *,
        to_input: bool = False,
        weights: Mapping[Place, Array] | None = None,
        at_sums: Callable[[Array, Place], Array] | None = None,
    ) -> Way:
        """Take a signal, the gradient at the block's output, back through the block by each layer's own rule.

        to_input: also find the gradient at the block's input. weights: used on the way in place of the layers' own.
        at_sums(delta, place): replaces the gradient at the output of each layer with parameters.
        """
        layers, gradients, delta, first_delta = self.blocks[block], [], signal, None
        lowest = 0 if to_input else min((k for k, layer in enumerate(layers) if layer.parameters), default=len(layers))
        for k in range(len(layers) - 1, lowest - 1, -1):
            layer, kept = layers[k], trace.kept[block][k]
            if layer.parameters:
                delta = delta if at_sums is None else at_sums(delta, (block, k))
                first_delta = delta if first_delta is None else first_delta
                gradients.append(layer.gradients(kept, delta))
            if k > lowest or to_input:
                weight = None if weights is None else weights.get((block, k))
                delta = layer.input_gradient(kept, delta, weight)
        found = [g for part in reversed(gradients) for g in part]
        return Way(found, first_delta, delta if to_input else None)

    def from_signals(self, trace: Trace, signals: Sequence[Array | None]) -> Gradients:
        """Return the gradients when each block learns from its own signal, None for a block left as it is.

        Raises InputError when there is not one signal per block.
        """
        if len(signals) != self.n_blocks:
            raise InputError(f"{len(signals)} signals for {self.n_blocks} blocks: give one per block, None to leave it")
        parameters: list[Array | None] = []
        deltas: list[Array | None] = []
        for block, signal in enumerate(signals):
            if signal is None:
                parameters += [None] * len(self.parameters_of(block))
                deltas.append(None)
            else:
                way = self.back(trace, block, signal)
                parameters += way.parameters
                deltas.append(way.delta)
        return Gradients(parameters, deltas)

    def chained(
        self,
        trace: Trace,
        signal: Array,
        weights: Mapping[Place, Array] | None = None,
        at_sums: Callable[[Array, Place], Array] | None = None,
    ) -> Gradients:
        """Return the gradients when one signal goes back through all blocks; the options are those of `back`."""
        parameters: list[Array | None] = []
        deltas: list[Array | None] = []
        for block in range(self.n_blocks - 1, -1, -1):
            way = self.back(trace, block, signal, to_input=block > 0, weights=weights, at_sums=at_sums)
            parameters = [*way.parameters, *parameters]
            deltas.insert(0, way.delta)
            signal = way.input
        return Gradients(parameters, deltas)

    def state_dict(self) -> dict[str, Array]:
        """Parameters by name, 'weight.0', 'bias.0', ...; the arrays themselves, not copies."""
        return dict(zip(self._names, self.parameters, strict=True))

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Copy parameters in, in place. Raises InputError for a missing name or another shape, changing nothing."""
        for name, own in self.state_dict().items():
            if name not in state:
                raise InputError(f"parameter '{name}' {own.shape} is missing: the file belongs to another network")
            if state[name].shape != own.shape:
                raise InputError(
                    f"parameter '{name}' has shape {state[name].shape}, the network {self.sizes} needs {own.shape}: "
                    "use the layer sizes that the file was trained with"
                )
        for name, own in self.state_dict().items():
            own[...] = namespace(own).asarray(state[name])

    def to(self, xp: Any) -> Network:
        """Hold the parameters as arrays of the namespace `xp` (NumPy, cupy, ...) from now on; return the network.

        Before an optimiser is made: it keeps the arrays that it was given.
        """
        for block in self.blocks:
            for layer in block:
                layer.parameters.update({name: xp.asarray(taken(p)) for name, p in layer.parameters.items()})
        self._hold(self.blocks)
        return self
