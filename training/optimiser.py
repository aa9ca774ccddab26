"""Adam and SGD: in-place updates of a list of parameters, skipping those without a gradient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from opu.arrays import Array, namespace
from opu.errors import InputError
from opu.threads import get_num_threads, run_tasks

OptimiserName = Literal["adam", "sgd"]
State = dict[str, Array]
_SHARED_SIZE = 1 << 18  # below it waking a second thread costs more than it saves


class Optimiser(Protocol):
    """Moves parameters along gradients; its state can be saved and restored exactly."""

    def step(self, gradients: Sequence[Array | None], learning_rate: float) -> None:
        """Update the parameters in place; None skips one."""
        ...

    def state(self) -> State:
        """Named arrays that restore this optimiser; the arrays themselves, not copies."""
        ...

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Copy a state in. Raises InputError for missing names or other shapes."""
        ...


class Adam:
    """p -= lr m̂ / (sqrt(v̂) + eps), m̂ and v̂ the bias-corrected running means of g and g². Kingma & Ba 2015.

    weight_decay w: g + w p in place of g, the gradient of w |p|² / 2; parameters without a gradient do not decay.
    """

    def __init__(
        self,
        parameters: Sequence[Array],
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        self._parameters = [_whole(p) for p in parameters]
        self._beta1, self._beta2, self._epsilon, self._decay = beta1, beta2, epsilon, weight_decay
        self._mean = [namespace(p).zeros_like(p) for p in self._parameters]
        self._square = [namespace(p).zeros_like(p) for p in self._parameters]
        self._steps = np.zeros(1, np.int64)

    def step(self, gradients: Sequence[Array | None], learning_rate: float) -> None:
        """Update the parameters in place; None skips one and leaves its means as they are."""
        self._steps += 1
        count = int(self._steps[0])
        scale = learning_rate / (1 - self._beta1**count)
        root = (1 - self._beta2**count) ** 0.5
        for i, g in enumerate(gradients):
            if g is not None:
                self._update(i, g, scale, root)

    def _update(self, i: int, g: Array, scale: float, root: float) -> None:
        p, m, v = self._parameters[i], self._mean[i], self._square[i]
        beta1, beta2 = self._beta1, self._beta2
        if self._decay:
            g = g + p * self._decay
        if not isinstance(p, np.ndarray):
            xp = namespace(p)
            m *= beta1
            m += g * (1 - beta1)
            v *= beta2
            v += g * g * (1 - beta2)
            p -= m / (xp.sqrt(v) / root + self._epsilon) * scale
            return
        from .adam_kernel import adam_step  # compiled, so a configuration can be checked without it

        factors = tuple(p.dtype.type(f) for f in (beta1, 1 - beta1, beta2, 1 - beta2, root, self._epsilon, scale))
        flat = [array.reshape(-1) for array in (p, m, v, g.astype(p.dtype, copy=False))]
        if p.size < _SHARED_SIZE:
            adam_step(*flat, factors)
            return
        share = -(-p.size // get_num_threads())
        run_tasks(
            lambda start: adam_step(*(array[start : start + share] for array in flat), factors),
            range(0, p.size, share),
        )

    def state(self) -> State:
        """Named arrays: 'step', 'mean.i', 'square.i'."""
        named: State = {"step": self._steps}
        for i, (m, v) in enumerate(zip(self._mean, self._square, strict=True)):
            named[f"mean.{i}"], named[f"square.{i}"] = m, v
        return named

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Copy a state in. Raises InputError for missing names or other shapes."""
        _copy_into(self.state(), state, "Adam")


class SGD:
    """u = momentum u + g, p -= lr u: heavy-ball descent. Polyak 1964. weight_decay as for Adam."""

    def __init__(self, parameters: Sequence[Array], momentum: float = 0.9, weight_decay: float = 0.0) -> None:
        self._parameters = list(parameters)
        self._momentum, self._decay = momentum, weight_decay
        self._velocity = [namespace(p).zeros_like(p) for p in parameters]

    def step(self, gradients: Sequence[Array | None], learning_rate: float) -> None:
        """Update the parameters in place; None skips one."""
        for i, g in enumerate(gradients):
            if g is not None:
                self._velocity[i] *= self._momentum
                self._velocity[i] += g if not self._decay else g + self._parameters[i] * self._decay
                self._parameters[i] -= learning_rate * self._velocity[i]

    def state(self) -> State:
        """Named arrays: 'velocity.i'."""
        return {f"velocity.{i}": u for i, u in enumerate(self._velocity)}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Copy a state in. Raises InputError for missing names or other shapes."""
        _copy_into(self.state(), state, "SGD")


def make_optimiser(
    name: OptimiserName, parameters: Sequence[Array], momentum: float = 0.9, weight_decay: float = 0.0
) -> Optimiser:
    """Return the optimiser of that name over the parameters; `momentum` is SGD's."""
    if name == "adam":
        return Adam(parameters, weight_decay=weight_decay)
    return SGD(parameters, momentum, weight_decay)


def _copy_into(own: State, given: Mapping[str, NDArray[Any]], kind: str) -> None:
    for name, array in own.items():
        if name not in given or given[name].shape != array.shape:
            found = given[name].shape if name in given else "nothing"
            raise InputError(
                f"{kind} state '{name}' needs shape {array.shape}, found {found}: "
                "the checkpoint was made with another optimiser or network"
            )
    for name, array in own.items():
        array[...] = namespace(array).asarray(given[name])


def _whole(parameter: Array) -> Array:
    if isinstance(parameter, np.ndarray) and not parameter.flags.c_contiguous:
        raise InputError(
            f"a parameter of shape {parameter.shape} is a view with gaps or another order, and Adam updates whole arrays "
            "in place: pass a C-contiguous array (np.ascontiguousarray makes one)"
        )
    return parameter
