"""How far a method's signals point from the true gradient: 90 degrees is no alignment, 0 is backprop."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from opu.arrays import Array, taken
from opu.errors import AlignmentWarning

from .backprop import Backprop
from .batch import Batch
from .layer import Moment
from .loss import Loss, loss_on_rows, softmax_cross_entropy
from .method import Method
from .network import Gradients, Network

if TYPE_CHECKING:
    from .record import EpochRecord

Angles = tuple[float | None, ...]
UNALIGNED_DEG = 86.0
UNALIGNED_TIMES = 3
ALIGNED_BY_STEP = 250


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


def warn_if_unaligned(method: Method, records: Sequence[EpochRecord], n_steps: int) -> bool:
    """Give an AlignmentWarning, and return True, when the last hidden block's angles stay near 90 degrees.

    That is: in the last three epochs measured, each sample's angle is above 86 degrees on average, and the batch gradient
    has no steady part along the true one (mean cosine below 0.05 or two standard errors): noise hides an alignment from
    samples long before it does from batches. records: of all epochs so far, after n_steps updates. Only feedback is
    expected to align: for other rules an angle near 90 degrees need not mean failure.
    """
    ends = [(r.sample_angle_deg[-1], r.batch_angle_deg[-1]) for r in records if r.batch_angle_deg]
    last = [(s, b) for s, b in ends if s is not None and b is not None][-UNALIGNED_TIMES:]
    if method.name not in ("fa", "dfa") or n_steps < ALIGNED_BY_STEP or len(last) < UNALIGNED_TIMES:
        return False
    cosines = np.cos(np.radians([b for _, b in last]))
    steady = float(cosines.mean()) > max(0.05, 2 * float(cosines.std(ddof=1)) / np.sqrt(len(last)))
    if steady or min(s for s, _ in last) <= UNALIGNED_DEG:
        return False
    warnings.warn(
        f"after {records[-1].epoch} epochs the signals of the last hidden layer are {last[-1][0]:.1f} degrees from the true "
        f"gradient, and above {UNALIGNED_DEG:g} nothing is learned there: check that the feedback is the same projection every "
        "time, that its signal stands out of its noise (calibration report), and that the error's rows keep their order; "
        "raise the encoding's threshold where it is under the untrained error",
        AlignmentWarning,
        stacklevel=4,
    )
    return True


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
