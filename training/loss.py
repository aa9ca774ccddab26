"""Softmax cross-entropy: the loss, and the error that feedback carries to every layer."""

from __future__ import annotations

import numpy as np

from .arrays import Array, Labels


def softmax_cross_entropy(logits: Array, labels: Labels) -> tuple[float, Array]:
    """Return the mean of -log softmax(logits)[label] and the error e = softmax(logits) - onehot(labels).

    logits: (B, C); labels: (B,) in 0..C-1. Returns loss in nats and the error (B, C), row by row: the gradient of the
    summed, not the mean, loss with respect to the logits. Bridle 1990.
    """
    rows = np.arange(len(labels))
    shifted = logits - logits.max(axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    totals = exponentials.sum(axis=1, keepdims=True)
    loss = float(np.mean(np.log(totals[:, 0]) - shifted[rows, labels]))
    error = exponentials / totals
    error[rows, labels] -= 1
    return loss, error
