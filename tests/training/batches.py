"""Batches made in one line."""

from __future__ import annotations

import numpy as np
from opu.training.batch import Batch
from opu.training.layer import Moment
from opu.training.loss import softmax_cross_entropy
from opu.training.network import Network


def batch_of(network: Network, x: np.ndarray, targets: np.ndarray, loss=softmax_cross_entropy, moment=None) -> Batch:
    """The batch that a step of training would make; moment: with dropout."""
    trace = network.forward(x, moment)
    return Batch(trace, loss(trace.logits, targets)[1], targets, loss, moment or Moment(0, 1))
