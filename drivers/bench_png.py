"""A grey picture as a PNG file, with nothing but the standard library."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opu.files import write_atomic


def write_png(path: Path, grey: NDArray[Any]) -> None:
    """grey: uint8 or uint16 [rows, columns], 0 black; floats are scaled from their least to their largest value to 8 bits."""
    if grey.dtype.kind == "f":
        low, high = float(grey.min()), float(grey.max())
        grey = np.rint((grey - low) * (255 / (high - low) if high > low else 0.0)).astype(np.uint8)
    depth = 8 * grey.dtype.itemsize
    rows = np.ascontiguousarray(grey, grey.dtype.newbyteorder(">")).view(np.uint8).reshape(grey.shape[0], -1)
    lines = np.concatenate([np.zeros((len(rows), 1), np.uint8), rows], axis=1)  # each begins with its filter: none
    header = struct.pack(">IIBBBBB", grey.shape[1], grey.shape[0], depth, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), 6)), (b"IEND", b"")]
    write_atomic(path, b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks))


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
