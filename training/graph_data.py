"""Cora: which of seven subjects a paper has, from its words and its citations."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from opu.arrays import Array
from opu.errors import ConfigError, InputError

from .arrays import Labels
from .graph_convolution import normalised_adjacency
from .sample import Sample

FILE = "cora.npz"
_KEYS = ("feature_indices", "feature_indptr", "n_features", "labels", "edges", "train", "val", "test")


@dataclass(frozen=True)
class GraphData:
    """One graph, shown whole at every step: x (nodes, features), labels of all nodes, rows of the three parts.

    adjacency: normalised, (nodes, nodes). The x and adjacency of Cora are sparse.
    """

    name: str
    x: Array
    adjacency: Any
    labels: Labels
    train: Labels
    validation: Labels
    test: Labels
    n_classes: int

    @property
    def n_features(self) -> int:
        """Width of a node's features."""
        return int(self.x.shape[1])

    @property
    def n_train(self) -> int:
        """Nodes whose labels are known."""
        return len(self.train)

    @property
    def n_test(self) -> int:
        """Nodes to be told."""
        return len(self.test)

    @property
    def probe_every(self) -> int:
        """An epoch is one step here, and angles take as long as one."""
        return 10

    def steps(self, batch_size: int) -> int:  # noqa: ARG002
        """One: neighbours cannot be told apart into batches."""
        return 1

    def batches(self, seed: int, epoch: int, batch_size: int) -> Iterator[Sample]:  # noqa: ARG002
        """The whole graph, once."""
        yield Sample(self.x, self.labels, self.train)

    def probe(self, seed: int, size: int) -> Sample:  # noqa: ARG002
        """The whole graph."""
        return Sample(self.x, self.labels, self.train)

    def parts(self) -> dict[str, Sample]:
        """The test and the validation nodes."""
        return {
            "test": Sample(self.x, self.labels, self.test),
            "validation": Sample(self.x, self.labels, self.validation),
        }


def load_cora(folder: Path | None = None) -> GraphData:
    """Return Cora, 2,708 papers, from `cora.npz` in `folder` or where OPU_DATA points; words scaled to sum 1 per paper.

    The file holds feature_indices and feature_indptr (the words of each paper, as in a CSR matrix), n_features, labels,
    edges (n, 2), and the node numbers train, val, test. Sen et al. 2008; split of Yang, Cohen & Salakhutdinov 2016. Raises
    ConfigError for a missing file, InputError for a damaged one.
    """
    from scipy.sparse import csr_array

    path = _find(folder)
    try:
        with np.load(path) as file:
            data = {key: file[key] for key in _KEYS}
    except (KeyError, ValueError, OSError, BadZipFile) as error:
        raise InputError(f"{path} cannot be read ({error}): it must hold the arrays {', '.join(_KEYS)}") from error
    labels, words, starts = data["labels"].astype(np.int64), data["feature_indices"], data["feature_indptr"]
    n, width = len(labels), int(data["n_features"])
    if len(starts) != n + 1 or starts[-1] != len(words) or (len(words) and not 0 <= words.min() <= words.max() < width):
        raise InputError(f"{path}: feature_indptr and feature_indices do not describe {n} rows of {width} features")
    parts = {key: data[key].astype(np.int64) for key in ("train", "val", "test")}
    for key, rows in parts.items():
        if not len(rows) or not 0 <= rows.min() <= rows.max() < n:
            raise InputError(f"{path}: {key} must hold node numbers in 0..{n - 1}, one or more")
    counts = np.diff(starts)
    values = np.repeat((1 / np.maximum(counts, 1)).astype(np.float32), counts)
    x = csr_array((values, words.astype(np.int32), starts), shape=(n, width))
    adjacency = normalised_adjacency(data["edges"], n)
    return GraphData("cora", x, adjacency, labels, parts["train"], parts["val"], parts["test"], int(labels.max()) + 1)


def _find(folder: Path | None) -> Path:
    named = folder if folder is not None else Path(os.environ.get("OPU_DATA", "").strip() or ".")
    path = named / FILE
    if not path.is_file():
        raise ConfigError(f"{FILE} is not in {named}: point --data or OPU_DATA at the folder with it")
    return path
