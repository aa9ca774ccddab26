"""The dense layer."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from opu.arrays import Array, namespace

from .layer import Kept, Moment


class Dense:
    """y = x W + b with W (n_in, n_out) ~ N(0, 1/n_in), b = 0; x may be a sparse matrix (SciPy's, CuPy's)."""

    kind = "dense"

    def __init__(self, n_in: int, n_out: int, rng: np.random.Generator, dtype: DTypeLike = np.float32) -> None:
        self.n_in, self.n_out = n_in, n_out
        weight = rng.standard_normal((n_in, n_out), dtype=np.float32) / np.sqrt(np.float32(n_in))
        self.parameters: dict[str, Array] = {"weight": weight.astype(dtype), "bias": np.zeros(n_out, dtype)}

    def forward(self, x: Array, moment: Moment | None = None) -> tuple[Array, Kept]:  # noqa: ARG002
        """Keep x (B, n_in); return (B, n_out)."""
        sums = x @ self.parameters["weight"]
        sums += self.parameters["bias"]
        return sums, (x,)

    def gradients(self, kept: Kept, delta: Array) -> list[Array]:
        """Return x' delta and the column sums of delta."""
        return [kept[0].T @ delta, namespace(delta).sum(delta, axis=0)]

    def input_gradient(self, kept: Kept, delta: Array, weight: Array | None = None) -> Array:  # noqa: ARG002
        """Return delta W'."""
        return delta @ (self.parameters["weight"] if weight is None else weight).T
