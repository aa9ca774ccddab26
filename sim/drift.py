"""Medium drift: A(t) = sum of w_k(t) A_k, still media A_k weighed so that the field's correlation is exp(-dt / drift time).

Each entry of A(t) is an Ornstein-Uhlenbeck process (see wander.py) in steps of 1/128 of the drift time, and A(0) is the medium
of the seed itself. Fields are linear in A, so a frame costs a pass over each of the 12 media at most (hashed entries are
blended first, see blend.py); nothing is stored but the anchor's and the leak's fields of the media last used.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .hashing import MASK, mix
from .wander import epochs, weights

MEDIUM_STREAM = 0x4D454449554D
MEDIA_KEPT = 16
"""A frame needs 12 at most, and the next epochs share most of them."""


class Fields(Protocol):
    """A still medium at work."""

    def add_fields(
        self,
        packed: NDArray[np.uint8],
        anchored: NDArray[np.float32],
        amplitude: float,
        fields: NDArray[np.complex64],
    ) -> None:
        """fields += amplitude E, complex64[n, outputs], for frames as in light.Light.expose."""
        ...


class DriftingMedium:
    """make(node) gives the still medium of a node of the drift, node 0 the undrifted one. drift_time_s None: it is still.

    blend(media, weights, packed, anchored, amplitude, fields): a faster way to several media at once, if there is one.
    """

    def __init__(
        self,
        make: Callable[[int], Fields],
        drift_time_s: float | None = None,
        blend: Callable[..., None] | None = None,
    ) -> None:
        self.make, self.drift_time_s, self.blend = make, drift_time_s, blend
        self._media: OrderedDict[int, Fields] = OrderedDict()

    def add_fields(
        self,
        packed: NDArray[np.uint8],
        anchored: NDArray[np.float32],
        amplitude: float,
        times_s: NDArray[np.float64],
        fields: NDArray[np.complex64],
    ) -> None:
        """fields += amplitude E of each frame at its time; times do not fall."""
        if self.drift_time_s is None:
            self._medium(0).add_fields(packed, anchored, amplitude, fields)
            return
        when = epochs(times_s, self.drift_time_s)
        cuts = [0, *(np.flatnonzero(np.diff(when)) + 1), len(when)]
        for start, stop in pairwise(cuts):
            some = slice(start, stop)
            nodes = weights(int(when[start]))
            media = [self._medium(node) for node, _ in nodes]
            shares = [weight for _, weight in nodes]
            if self.blend is not None and len(media) > 1:
                self.blend(media, shares, packed[some], anchored[some], amplitude, fields[some])
                continue
            for medium, share in zip(media, shares, strict=True):
                medium.add_fields(packed[some], anchored[some], amplitude * share, fields[some])

    def _medium(self, node: int) -> Fields:
        medium = self._media.pop(node, None) or self.make(node)
        self._media[node] = medium
        if len(self._media) > MEDIA_KEPT:
            self._media.popitem(last=False)
        return medium


def medium_seed(seed: int, node: int, polarisation: int) -> int:
    """The seed of a node's medium for one of the two polarisations; node 0 of the first has the device's seed itself."""
    if node == polarisation == 0:
        return seed
    return mix((seed ^ mix((MEDIUM_STREAM ^ mix(2 * node + polarisation)) & MASK)) & MASK)
