"""Independent random streams from one seed, so that every method starts from the same weights and batches."""

from __future__ import annotations

from typing import Literal

import numpy as np

Purpose = Literal["init", "batches", "feedback", "probe"]
_CODES: dict[Purpose, int] = {"init": 1, "batches": 2, "feedback": 3, "probe": 4}


def stream(seed: int, purpose: Purpose, index: int = 0) -> np.random.Generator:
    """Return the generator of (seed, purpose, index); equal arguments give equal numbers, others independent ones.

    seed: 0..2^63-1; index: 0..2^32-1, the epoch for "batches".
    """
    # exactly four 32-bit words: SeedSequence pads shorter entropy with zeros, so [5] and [5, 0] would be one stream
    return np.random.default_rng([seed & 0xFFFFFFFF, seed >> 32, _CODES[purpose], index])
