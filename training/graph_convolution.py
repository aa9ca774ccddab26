"""Graph convolution, and the normalised adjacency that it spreads features by."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from opu.arrays import Array, namespace
from opu.errors import InputError

from .layer import Kept, Moment


class GraphConvolution:
    """y = A x W + b, rows are the nodes of one graph, A (nodes, nodes) given. Kipf & Welling 2017.

    adjacency: an array or a sparse matrix of the library that x comes from; see `normalised_adjacency`. Initial W, b as in
    a dense layer. Raises InputError for an A that is not square.
    """

    kind = "graph convolution"

    def __init__(
        self, adjacency: Any, n_in: int, n_out: int, rng: np.random.Generator, dtype: DTypeLike = np.float32
    ) -> None:
        if len(adjacency.shape) != 2 or adjacency.shape[0] != adjacency.shape[1]:
            raise InputError(f"adjacency has shape {tuple(adjacency.shape)}: it must be (nodes, nodes)")
        self.n_in, self.n_out = n_in, n_out
        self.adjacency = adjacency
        self._back = adjacency.T.tocsr() if hasattr(adjacency, "tocsr") else adjacency.T
        weight = rng.standard_normal((n_in, n_out), dtype=np.float32) / np.sqrt(np.float32(n_in))
        self.parameters: dict[str, Array] = {"weight": weight.astype(dtype), "bias": np.zeros(n_out, dtype)}

    def forward(self, x: Array, moment: Moment | None = None) -> tuple[Array, Kept]:  # noqa: ARG002
        """Keep x (nodes, n_in); return (nodes, n_out)."""
        if x.shape[0] != self.adjacency.shape[0]:
            raise InputError(
                f"graph convolution got {x.shape[0]} rows and its graph has {self.adjacency.shape[0]} nodes: "
                "give all nodes at once"
            )
        sums = self.adjacency @ (x @ self.parameters["weight"])
        sums += self.parameters["bias"]
        return sums, (x,)

    def gradients(self, kept: Kept, delta: Array) -> list[Array]:
        """Return x' A' delta and the column sums of delta."""
        return [kept[0].T @ self.spread(delta), namespace(delta).sum(delta, axis=0)]

    def input_gradient(self, kept: Kept, delta: Array, weight: Array | None = None) -> Array:  # noqa: ARG002
        """Return A' delta W'."""
        return self.spread(delta) @ (self.parameters["weight"] if weight is None else weight).T

    def spread(self, delta: Array) -> Array:
        """Return A' delta: the way of a gradient from nodes to their neighbours."""
        return self._back @ delta


def normalised_adjacency(edges: NDArray[np.integer[Any]], n_nodes: int) -> Any:
    """Return D^-1/2 (A + 1) D^-1/2 as a float32 CSR matrix, D the row sums of A + 1. Kipf & Welling 2017.

    edges: (n, 2) node numbers, undirected, in any order; repeated and reversed ones count once. Raises InputError for
    nodes outside 0..n_nodes-1.
    """
    from scipy.sparse import coo_array, csr_array

    if edges.ndim != 2 or edges.shape[1] != 2 or (edges.size and not 0 <= edges.min() <= edges.max() < n_nodes):
        raise InputError(
            f"edges of shape {edges.shape} among {n_nodes} nodes: give pairs of numbers in 0..{n_nodes - 1}"
        )
    own = np.arange(n_nodes, dtype=np.int64)
    a, b = edges[:, 0].astype(np.int64), edges[:, 1].astype(np.int64)
    pairs = np.unique(np.stack([np.r_[a, b, own], np.r_[b, a, own]]), axis=1)
    root = 1 / np.sqrt(np.bincount(pairs[0], minlength=n_nodes))
    values = (root[pairs[0]] * root[pairs[1]]).astype(np.float32)
    return csr_array(coo_array((values, (pairs[0], pairs[1])), shape=(n_nodes, n_nodes)))
