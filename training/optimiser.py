"""Adam and SGD: in-place updates of a list of parameters, skipping those without a gradient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from opu.errors import InputError

from .arrays import Array

OptimiserName = Literal["adam", "sgd"]
State = dict[str, NDArray[Any]]


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
    """p -= lr m̂ / (sqrt(v̂) + eps), m̂ and v̂ the bias-corrected running means of g and g². Kingma & Ba 2015."""

    def __init__(
        self, parameters: Sequence[Array], beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8
    ) -> None:
        self._parameters = list(parameters)
        self._beta1, self._beta2, self._epsilon = beta1, beta2, epsilon
        self._mean = [np.zeros_like(p) for p in parameters]
        self._square = [np.zeros_like(p) for p in parameters]
        self._scratch = [np.empty_like(p) for p in parameters]
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
        p, m, v, work = self._parameters[i], self._mean[i], self._square[i], self._scratch[i]
        np.multiply(g, 1 - self._beta1, out=work)
        m *= self._beta1
        m += work
        np.multiply(g, g, out=work)
        work *= 1 - self._beta2
        v *= self._beta2
        v += work
        np.sqrt(v, out=work)
        work /= root
        work += self._epsilon
        np.divide(m, work, out=work)
        work *= scale
        p -= work

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
    """u = momentum u + g, p -= lr u: heavy-ball descent. Polyak 1964."""

    def __init__(self, parameters: Sequence[Array], momentum: float = 0.9) -> None:
        self._parameters = list(parameters)
        self._momentum = momentum
        self._velocity = [np.zeros_like(p) for p in parameters]

    def step(self, gradients: Sequence[Array | None], learning_rate: float) -> None:
        """Update the parameters in place; None skips one."""
        for i, g in enumerate(gradients):
            if g is not None:
                self._velocity[i] *= self._momentum
                self._velocity[i] += g
                self._parameters[i] -= learning_rate * self._velocity[i]

    def state(self) -> State:
        """Named arrays: 'velocity.i'."""
        return {f"velocity.{i}": u for i, u in enumerate(self._velocity)}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Copy a state in. Raises InputError for missing names or other shapes."""
        _copy_into(self.state(), state, "SGD")


def make_optimiser(name: OptimiserName, parameters: Sequence[Array], momentum: float = 0.9) -> Optimiser:
    """Return the optimiser of that name over the parameters; `momentum` is SGD's."""
    return Adam(parameters) if name == "adam" else SGD(parameters, momentum)


def _copy_into(own: State, given: Mapping[str, NDArray[Any]], kind: str) -> None:
    for name, array in own.items():
        if name not in given or given[name].shape != array.shape:
            found = given[name].shape if name in given else "nothing"
            raise InputError(
                f"{kind} state '{name}' needs shape {array.shape}, found {found}: "
                "the checkpoint was made with another optimiser or network"
            )
    for name, array in own.items():
        array[...] = given[name]
