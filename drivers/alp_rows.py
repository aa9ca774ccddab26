"""How patterns are laid out in the data that ViALUX's library takes."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

DataFormat: TypeAlias = Literal["auto", "packed", "bytes"]
RowBytes: TypeAlias = tuple[int, int]
"""Of a row of packed data: all its bytes, and those that stand before the first mirror's."""

_PACKED: dict[int, RowBytes] = {
    **dict.fromkeys((1, 4, 5, 6), (128, 0)),
    2: (176, 1),
    **dict.fromkeys((3, 7, 255), (256, 0)),
}
"""By DMD type, as alp.h says for XGA, for SXGA+, and for 1080p and WUXGA. Of others it says nothing: they get a byte per
mirror, which is 8 times as much to upload and cannot go wrong."""


def row_bytes_of(dmd_type: int, columns: int, data_format: DataFormat) -> RowBytes | None:
    """How a row of this DMD type is packed; None: a byte per mirror. "packed" packs unknown types without padding."""
    if data_format == "bytes":
        return None
    return _PACKED.get(dmd_type) or ((-(-columns // 8), 0) if data_format == "packed" else None)


def encode(patterns: NDArray[np.uint8], columns: int, row_bytes: RowBytes | None) -> NDArray[np.uint8]:
    """uint8[n, rows, ceil(columns / 8)] as the library takes it, uint8[n, rows, bytes of a row]; not copied if it is that.

    In a byte per mirror the most significant bit counts: 1 would be off.
    """
    if row_bytes is None:
        return np.unpackbits(patterns, axis=2, count=columns) * np.uint8(255)
    n, rows, wide = patterns.shape
    total, before = row_bytes
    if row_bytes == (wide, 0):
        return np.ascontiguousarray(patterns)
    padded = np.zeros((n, rows, total), np.uint8)
    padded[:, :, before : before + wide] = patterns
    return padded
