"""How far a method's signals point from the true gradient: 90 degrees is no alignment, 0 is backprop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .arrays import Array, Labels
from .backprop import Backprop
from .loss import softmax_cross_entropy
from .method import Method
from .network import Network

Angles = tuple[float | None, ...]


@dataclass(frozen=True)
class Alignment:
    """Angles in degrees, one per hidden layer; None where no angle exists (layer untouched, or only zero vectors).

    `sample_angle_deg`: mean over samples of the angle between the method's delta and backprop's.
    `batch_angle_deg`: angle between the two weight gradients of the whole batch, which noise spoils far less.
    """

    sample_angle_deg: Angles
    batch_angle_deg: Angles


def measure_alignment(network: Network, method: Method, x: Array, labels: Labels) -> Alignment:
    """Return the angles of a method to the exact gradient on one probe batch; the network stays as it is.

    x: (B, features); labels: (B,). Optical methods show the frames of B errors for it. Nøkland 2016.
    """
    trace = network.forward(x)
    _, error = softmax_cross_entropy(trace.logits, labels)
    theirs = method.deltas(network, trace, error)
    exact = Backprop().deltas(network, trace, error)
    samples: list[float | None] = []
    batches: list[float | None] = []
    for h, a, b in zip(trace.inputs[:-1], theirs[:-1], exact[:-1], strict=True):
        if a is None or b is None:
            samples.append(None)
            batches.append(None)
        else:
            samples.append(mean_angle_deg(a, b))
            batches.append(mean_angle_deg((h.T @ a).reshape(1, -1), (h.T @ b).reshape(1, -1)))
    return Alignment(tuple(samples), tuple(batches))


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
