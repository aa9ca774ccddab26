"""A forward pass whose update is still to come, as arrays: with a pipeline it was made by weights that are gone by then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from opu.arrays import Array, namespace
from opu.errors import InputError

from .batch import Batch
from .layer import Moment
from .loss import Loss
from .network import Network, Trace
from .sample import Sample

Waiting = Mapping[str, Array]
"""'loss', 'error', 'output.B' and 'kept.B.K.N': what block B returned, and the N-th array that its layer K keeps."""


def waiting_arrays(loss: float, batch: Batch) -> dict[str, Array]:
    """Return the arrays of a forward pass, and its mean loss; the arrays themselves, not copies."""
    trace = batch.trace
    found: dict[str, Array] = {"loss": np.array([loss]), "error": batch.error}
    found |= {f"output.{b}": output for b, output in enumerate(trace.outputs)}
    found |= {
        f"kept.{b}.{k}.{n}": array
        for b, block in enumerate(trace.kept)
        for k, kept in enumerate(block)
        for n, array in enumerate(kept)
    }
    return found


def batch_again(waiting: Waiting, network: Network, sample: Sample, moment: Moment, loss: Loss) -> tuple[float, Batch]:
    """Return the mean loss and the batch whose arrays these are. Raises InputError where they are another network's."""
    xp = namespace(sample.x)
    try:
        outputs = [xp.asarray(waiting[f"output.{b}"]) for b in range(network.n_blocks)]
        kept = [[_kept(waiting, b, k, xp) for k in range(len(block))] for b, block in enumerate(network.blocks)]
        error, value = xp.asarray(waiting["error"]), float(waiting["loss"][0])
    except KeyError as missing:
        raise InputError(f"the update under way lacks {missing}: the file belongs to another network") from missing
    if error.shape != (sample.x.shape[0], network.sizes[-1]):
        raise InputError(
            f"the update under way has errors of shape {tuple(error.shape)}, ({sample.x.shape[0]}, {network.sizes[-1]}) "
            "are needed: the data are not those that the run began with"
        )
    return value, Batch(Trace(sample.x, outputs, kept), error, sample.targets, loss, moment, sample.rows)


def _kept(waiting: Waiting, block: int, layer: int, xp: Any) -> tuple[Array, ...]:
    names = [name for name in waiting if name.startswith(f"kept.{block}.{layer}.")]
    return tuple(xp.asarray(waiting[f"kept.{block}.{layer}.{n}"]) for n in range(len(names)))
