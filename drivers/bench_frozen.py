"""Is a frame the image of another pattern? Light is never the same twice, to the last code of a thousand pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

SAMPLE = 4096
"""Pixels compared."""
TEXTURE, TEXTURE_DN = 256, 2
"""So many of them must be so far from their median: a dark or a clipped image may well repeat."""


class FrozenCheck:
    """Compares each lit frame with the last one believed that showed another pattern."""

    def __init__(self) -> None:
        self._sample: NDArray[Any] | None = None
        self._pattern = b""

    def forget(self) -> None:
        """Exposure or light changed."""
        self._sample = None

    def is_image_of_another(self, pixels: NDArray[Any], pattern: bytes) -> bool:
        """Whether the same pixels were seen under another pattern; else they are remembered."""
        rows = max(1, SAMPLE // max(1, pixels.shape[1]))
        middle = pixels.shape[0] // 2
        first = max(0, middle - rows // 2)
        sample = pixels[first : first + rows]
        last = self._sample
        if last is not None and pattern != self._pattern and np.array_equal(sample, last):
            off = np.abs(sample.astype(np.int32) - int(np.median(sample))) > TEXTURE_DN
            if int(np.count_nonzero(off)) >= TEXTURE:
                return True
        self._sample, self._pattern = sample.copy(), pattern
        return False
