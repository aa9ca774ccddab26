"""A dense network whose forward pass keeps what any backward rule needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import DTypeLike

from opu.errors import InputError

from .arrays import Array, Labels

Activation = Literal["tanh", "relu"]


@dataclass(frozen=True)
class Trace:
    """One forward pass.

    `inputs[i]` (B, n_i) is what layer i received, `slopes[i]` (B, n_{i+1}) the local derivative f'(a) of hidden layer i
    (one fewer than inputs), `logits` (B, C) the output.
    """

    inputs: list[Array]
    slopes: list[Array]
    logits: Array


class Network:
    """a_i = h_i W_i + b_i, h_{i+1} = f(a_i), the last layer linear; W ~ N(0, 1/fan_in), b = 0.

    sizes: (features, hidden..., classes), e.g. (64, 512, 512, 10). `parameters` is [W0, b0, W1, b1, ...], W (in, out),
    updated in place by optimisers. dtype: float32, or float64 to test gradients. Raises InputError for bad sizes.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        rng: np.random.Generator,
        activation: Activation = "tanh",
        dtype: DTypeLike = np.float32,
    ) -> None:
        if len(sizes) < 2 or min(sizes) < 1:
            raise InputError(f"network sizes {tuple(sizes)}: two or more positive layer sizes are needed")
        self.sizes = tuple(int(n) for n in sizes)
        self.activation: Activation = activation
        self.parameters: list[Array] = []
        for fan_in, fan_out in zip(self.sizes, self.sizes[1:], strict=False):
            weight = rng.standard_normal((fan_in, fan_out), dtype=np.float32) / np.sqrt(np.float32(fan_in))
            self.parameters += [weight.astype(dtype), np.zeros(fan_out, dtype)]

    @property
    def n_layers(self) -> int:
        """Number of weight matrices."""
        return len(self.sizes) - 1

    @property
    def hidden(self) -> tuple[int, ...]:
        """Widths of the hidden layers."""
        return self.sizes[1:-1]

    @property
    def n_parameters(self) -> int:
        """Number of trainable numbers."""
        return sum(p.size for p in self.parameters)

    def weight(self, layer: int) -> Array:
        """Weights of a layer, (in, out); the array itself, not a copy."""
        return self.parameters[2 * layer]

    def forward(self, x: Array) -> Trace:
        """Run the network on x (B, features). Raises InputError for another shape."""
        self._check(x)
        inputs, slopes, h = [x], [], x
        for layer in range(self.n_layers - 1):
            h, slope = self._activate(h @ self.parameters[2 * layer] + self.parameters[2 * layer + 1])
            inputs.append(h)
            slopes.append(slope)
        return Trace(inputs, slopes, h @ self.parameters[-2] + self.parameters[-1])

    def predict(self, x: Array, chunk: int = 2000) -> Labels:
        """Return the most likely class of every row of x (n, features), as int64 (n,)."""
        self._check(x)
        parts = [self.forward(x[i : i + chunk]).logits.argmax(axis=1) for i in range(0, len(x), chunk)]
        return np.concatenate(parts).astype(np.int64) if parts else np.zeros(0, np.int64)

    def gradients(self, trace: Trace, deltas: Sequence[Array | None]) -> list[Array | None]:
        """Return the batch-mean gradients [dW0, db0, ...] from one delta (B, n_out) per layer, None for none.

        Raises InputError when the number of deltas is not the number of layers.
        """
        if len(deltas) != self.n_layers:
            raise InputError(f"{len(deltas)} deltas for {self.n_layers} layers: give one per layer, None to leave it")
        result: list[Array | None] = []
        for h, delta in zip(trace.inputs, deltas, strict=True):
            if delta is None:
                result += [None, None]
            else:
                result += [(h.T @ delta) / len(delta), delta.mean(axis=0)]
        return result

    def state_dict(self) -> dict[str, Array]:
        """Parameters by name, 'weight.0', 'bias.0', ...; the arrays themselves, not copies."""
        return dict(zip(self._names(), self.parameters, strict=True))

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
            own[...] = state[name]

    def _names(self) -> list[str]:
        return [f"{kind}.{layer}" for layer in range(self.n_layers) for kind in ("weight", "bias")]

    def _activate(self, a: Array) -> tuple[Array, Array]:
        if self.activation == "tanh":
            h = np.tanh(a)
            return h, 1 - h * h
        return np.maximum(a, 0), (a > 0).astype(a.dtype)

    def _check(self, x: Array) -> None:
        if x.ndim != 2 or x.shape[1] != self.sizes[0]:
            raise InputError(f"network input has shape {x.shape}, it must be (samples, {self.sizes[0]})")
