"""How far a method's signals point from the true gradient: 90 degrees is no alignment, 0 is backprop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from opu.arrays import Array, taken

from .backprop import Backprop
from .batch import Batch
from .layer import Moment
from .loss import Loss, loss_on_rows, softmax_cross_entropy
from .method import Method
from .network import Gradients, Network

Angles = tuple[float | None, ...]


@dataclass(frozen=True)
class Alignment:
    """Angles in degrees, one per hidden block; None where no angle exists (block untouched, or only zero vectors).

    `sample_angle_deg`: mean over samples of the angle between the method's delta and backprop's.
    `batch_angle_deg`: angle between the two gradients of all the block's matrices for the whole batch, which noise spoils
    far less.
    """

    sample_angle_deg: Angles
    batch_angle_deg: Angles


def measure_alignment(
    network: Network,
    method: Method,
    x: Array,
    targets: Array,
    *,
    loss: Loss = softmax_cross_entropy,
    rows: Array | None = None,
    moment: Moment | None = None,
) -> Alignment:
    """Return the angles of a method to the exact gradient on one probe batch; the network stays as it is.

    x: (B, features); targets: as the loss takes them; rows: those that count, None for all. Nothing is dropped out; moment
    is the method's (default: seed 0, step 0). Optical methods show the frames of B errors for it. Nøkland 2016.
    """
    trace = network.forward(x)
    _, error = loss_on_rows(loss, trace.logits, targets, rows)
    batch = Batch(trace, error, targets, loss, moment or Moment(0, 0), rows)
    theirs, exact = method.gradients(network, batch), Backprop().gradients(network, batch)
    samples: list[float | None] = []
    batches: list[float | None] = []
    for block in range(network.n_blocks - 1):
        a, b = theirs.deltas[block], exact.deltas[block]
        samples.append(None if a is None or b is None else mean_angle_deg(taken(a), taken(b)))
        u, v = (_matrices(g, network, block) for g in (theirs, exact))
        batches.append(None if u is None or v is None else mean_angle_deg(u, v))
    return Alignment(tuple(samples), tuple(batches))


def _matrices(gradients: Gradients, network: Network, block: int) -> NDArray[np.float64] | None:
    """The gradients of a block's matrices as one row, None if one is None."""
    parts = [gradients.parameters[i] for i in network.parameters_of(block) if network.parameters[i].ndim == 2]
    if not parts or any(part is None for part in parts):
        return None
    row: NDArray[np.float64] = np.concatenate([taken(part).ravel() for part in parts])[None].astype(np.float64)
    return row


def mean_angle_deg(a: Array, b: Array) -> float | None:
    """Return the mean angle in degrees between rows of a and b (n, width), leaving out rows where either is zero.

    None when no row is left. Kahan's 2 atan2(|u - v|, |u + v|) on unit vectors: exact 0 for equal rows, which
    arccos of a rounded cosine is not.
    """
    u, v = _unit(a), _unit(b)
    usable = np.isfinite(u).all(axis=1) & np.isfinite(v).all(axis=1) & u.any(axis=1) & v.any(axis=1)
    if not usable.any():
        return None
    u, v = u[usable], v[usable]
    angles = 2 * np.arctan2(np.linalg.norm(u - v, axis=1), np.linalg.norm(u + v, axis=1))
    return float(np.degrees(angles.mean()))


def mean_or_none(angles: Sequence[float | None]) -> float | None:
    """Return the mean of the angles that exist, None when none does."""
    present = [a for a in angles if a is not None]
    return float(np.mean(present)) if present else None


def _unit(rows: Array) -> NDArray[np.float64]:
    wide = rows.astype(np.float64)
    largest = np.abs(wide).max(axis=1, keepdims=True, initial=0.0)
    wide = np.divide(wide, largest, out=np.zeros_like(wide), where=largest > 0)  # tiny rows must not underflow
    norms = np.linalg.norm(wide, axis=1, keepdims=True)
    unit: NDArray[np.float64] = np.divide(wide, norms, out=np.zeros_like(wide), where=norms > 0)
    return unit
