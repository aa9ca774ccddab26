"""Losses: the mean over rows, and the error at the output that feedback carries to every layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

from opu.arrays import Array, namespace
from opu.errors import InputError

Loss: TypeAlias = Callable[[Array, Array], tuple[float, Array]]
LossName = Literal["cross-entropy", "mse", "bce"]


def softmax_cross_entropy(logits: Array, labels: Array) -> tuple[float, Array]:
    """Return the mean of -log softmax(logits)[label] and the error e = softmax(logits) - onehot(labels).

    logits: (B, C); labels: (B,) in 0..C-1. Returns loss in nats and the error (B, C), row by row: the gradient of the
    summed, not the mean, loss with respect to the logits. Bridle 1990.
    """
    xp = namespace(logits)
    hot = one_hot(labels, logits) > 0
    shifted = logits - xp.max(logits, axis=1, keepdims=True)
    exponentials = xp.exp(shifted)
    totals = xp.sum(exponentials, axis=1, keepdims=True)
    picked = xp.sum(xp.where(hot, shifted, xp.zeros_like(shifted)), axis=1)
    loss = float(xp.mean(xp.log(totals[:, 0]) - picked))
    error = exponentials / totals
    error -= xp.astype(hot, error.dtype)
    return loss, error


def mean_squared_error(outputs: Array, targets: Array) -> tuple[float, Array]:
    """Return the mean over rows of |y - t|^2 / 2 and the error y - t, row by row.

    outputs: (B, C); targets: (B, C), or labels (B,) for one-hot rows. Raises InputError for other shapes.
    """
    xp = namespace(outputs)
    error = outputs - _values(targets, outputs)
    return float(xp.mean(xp.sum(error * error, axis=1))) / 2, error


def binary_cross_entropy(logits: Array, targets: Array) -> tuple[float, Array]:
    """Return the mean over rows of sum_c log(1 + exp z) - t z, in nats, and the error logistic(z) - t, row by row.

    logits: (B, C); targets: (B, C) in [0, 1], or labels (B,) for one-hot rows. Raises InputError for other shapes.
    """
    xp = namespace(logits)
    t = _values(targets, logits)
    small = xp.exp(-xp.abs(logits))  # never overflows
    softplus = xp.maximum(logits, xp.zeros_like(logits)) + xp.log1p(small)
    loss = float(xp.mean(xp.sum(softplus - t * logits, axis=1)))
    logistic = xp.where(logits >= 0, xp.ones_like(small), small) / (1 + small)
    return loss, logistic - t


LOSSES: dict[LossName, Loss] = {
    "cross-entropy": softmax_cross_entropy,
    "mse": mean_squared_error,
    "bce": binary_cross_entropy,
}


def one_hot(labels: Array, like: Array) -> Array:
    """Return 1 at each label and 0 elsewhere, in the shape (B, C) and type of `like`."""
    xp = namespace(like)
    classes = xp.arange(like.shape[1], dtype=labels.dtype, device=getattr(labels, "device", None))
    return xp.astype(labels[:, None] == classes[None, :], like.dtype)


def loss_on_rows(loss: Loss, outputs: Array, targets: Array, rows: Array | None) -> tuple[float, Array]:
    """Return the loss over some rows and the error, zero on all others; rows: their numbers, None for all."""
    if rows is None:
        return loss(outputs, targets)
    value, part = loss(outputs[rows], targets[rows])
    error = namespace(outputs).zeros_like(outputs)
    error[rows] = part
    return value, error


def _values(targets: Array, outputs: Array) -> Array:
    if targets.ndim == 1 and targets.shape[0] == outputs.shape[0]:
        if not namespace(targets).isdtype(targets.dtype, "integral"):
            raise InputError(f"targets of type {targets.dtype} and shape {targets.shape}: labels must be integers")
        return one_hot(targets, outputs)
    if targets.shape != outputs.shape:
        raise InputError(
            f"targets have shape {targets.shape}, outputs {outputs.shape}: they must be equal, or labels (B,)"
        )
    return targets
