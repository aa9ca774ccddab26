"""Blocks of layers: dense ones made by size, and any checked for fit."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import DTypeLike

from opu.errors import InputError

from .activation import ActivationName, activation
from .dense import Dense
from .dropout import Dropout
from .layer import Layer, missing_rules
from .layer_norm import LayerNorm


def dense_blocks(
    sizes: Sequence[int],
    rng: np.random.Generator,
    hidden_activation: ActivationName = "tanh",
    dtype: DTypeLike = np.float32,
    *,
    dropout: float = 0.0,
    layer_norm: bool = False,
) -> list[list[Layer]]:
    """Return dense blocks of these sizes: sums, normalised if asked, activation, dropout if above 0."""
    if len(sizes) < 2 or min(sizes) < 1:
        raise InputError(f"network sizes {tuple(sizes)}: two or more positive layer sizes are needed")
    blocks: list[list[Layer]] = []
    for n_in, n_out in pairwise(sizes):
        blocks.append([Dense(int(n_in), int(n_out), rng, dtype)])
        if len(blocks) < len(sizes) - 1:
            blocks[-1] += [LayerNorm(int(n_out), dtype)] if layer_norm else []
            blocks[-1].append(activation(hidden_activation))
            blocks[-1] += [Dropout(dropout, len(blocks))] if dropout > 0 else []
    return blocks


def block_sizes(blocks: Sequence[Sequence[Layer]]) -> tuple[int, ...]:
    """Return the features of the input and of each block's output; InputError for what is no layer, or does not fit."""
    sizes: list[int] = []
    width: int | None = None
    for b, block in enumerate(blocks):
        for k, layer in enumerate(block):
            where = f"layer {k + 1} of block {b + 1} ({type(layer).__name__})"
            lacking = missing_rules(layer)
            if lacking:
                raise InputError(
                    f"{where} has no {', '.join(lacking)}: no rule is known to train through it; give it the members of "
                    "opu.training.layer.Layer, or use layers that have them (dense, tanh, relu, dropout, layer norm, "
                    "embedding, graph convolution)"
                )
            if width is not None and layer.n_in not in (None, width):
                raise InputError(f"{where} takes {layer.n_in} features and gets {width}: make the two equal")
            if not sizes and layer.n_in is not None:
                sizes.append(layer.n_in)
            width = layer.n_out if layer.n_out is not None else width
            if layer.kind == "embedding" and (b, k) != (0, 0):
                raise InputError(f"{where} has no gradient at its input: it can only be the first layer of a network")
        if width is None or not any(layer.parameters for layer in block):
            raise InputError(f"block {b + 1} of {len(blocks)} has no layer with parameters: nothing in it can learn")
        sizes.append(width)
    if not sizes:
        raise InputError("a network of no blocks: one or more are needed")
    return tuple(sizes)
