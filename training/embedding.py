"""Embedding: integer tokens in, vectors out."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import DTypeLike

from opu.arrays import Array, namespace
from opu.errors import ConfigError, InputError

from .layer import Kept, Moment

Pool = Literal["flatten", "mean"]


class Embedding:
    """Row t of W (vocabulary, width) ~ N(0, 1) for token t; of a row of tokens, all side by side or their mean.

    Takes integers (B, positions) in 0..vocabulary-1, so it must be a network's first layer. Raises ConfigError for sizes
    below 1, InputError for tokens outside.
    """

    kind = "embedding"

    def __init__(
        self,
        vocabulary: int,
        width: int,
        positions: int,
        rng: np.random.Generator,
        pool: Pool = "flatten",
        dtype: DTypeLike = np.float32,
    ) -> None:
        if min(vocabulary, width, positions) < 1 or pool not in ("flatten", "mean"):
            raise ConfigError(
                f"embedding of {vocabulary} tokens in {width} dimensions, {positions} positions, pool '{pool}': sizes must be "
                "1 or more and pool flatten or mean"
            )
        self.vocabulary, self.width, self.pool = vocabulary, width, pool
        self.n_in = positions
        self.n_out = width * positions if pool == "flatten" else width
        self.parameters: dict[str, Array] = {
            "weight": rng.standard_normal((vocabulary, width), dtype=np.float32).astype(dtype)
        }

    def forward(self, x: Array, moment: Moment | None = None) -> tuple[Array, Kept]:  # noqa: ARG002
        """Keep the tokens; return (B, positions width) or, pooled, (B, width)."""
        weight = self.parameters["weight"]
        xp = namespace(x)
        if not xp.isdtype(x.dtype, "integral"):
            raise InputError(f"embedding got tokens of type {x.dtype}: they must be integers")
        if x.shape[0] and not 0 <= int(xp.min(x)) <= int(xp.max(x)) < self.vocabulary:
            raise InputError(
                f"embedding got tokens {int(xp.min(x))} to {int(xp.max(x))}: they must lie in 0..{self.vocabulary - 1}, "
                "so enlarge the vocabulary or map the others to one token"
            )
        vectors = xp.take(weight, xp.reshape(x, (-1,)), axis=0)
        if self.pool == "flatten":
            return xp.reshape(vectors, (x.shape[0], self.n_out)), (x,)
        return xp.mean(xp.reshape(vectors, (*x.shape, self.width)), axis=1), (x,)

    def gradients(self, kept: Kept, delta: Array) -> list[Array]:
        """Return, for each token, the sum of the deltas at its places."""
        (x,) = kept
        xp = namespace(delta)
        if self.pool == "mean":
            delta = xp.broadcast_to((delta / self.n_in)[:, None, :], (*x.shape, self.width))
        rows, tokens = xp.reshape(delta, (-1, self.width)), xp.reshape(x, (-1,))
        if isinstance(rows, np.ndarray):
            sums = np.zeros((self.vocabulary, self.width), rows.dtype)
            np.add.at(sums, tokens, rows)
            return [sums]
        # a product with one-hot rows adds in a fixed order, which scattered atomic additions on a GPU do not
        numbers = xp.arange(self.vocabulary, dtype=tokens.dtype, device=tokens.device)
        return [xp.astype(numbers[:, None] == tokens[None, :], rows.dtype) @ rows]

    def input_gradient(self, kept: Kept, delta: Array, weight: Array | None = None) -> Array:  # noqa: ARG002
        """Integers have no gradient: always InputError."""
        raise InputError(
            "an embedding has no gradient at its input, which are integers: make it the network's first layer"
        )
