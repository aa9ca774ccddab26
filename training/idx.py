"""IDX files, the format of MNIST: a magic number, big-endian sizes, then unsigned bytes; plain or gzipped."""

from __future__ import annotations

import gzip
import struct
import zlib
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from opu.errors import InputError


def read_idx(path: Path, n_dims: int) -> NDArray[np.uint8]:
    """Return the bytes of an IDX file with `n_dims` dimensions as an array of its stated shape.

    Raises InputError, naming the file, when it is unreadable, has another magic number or not the length it says.
    """
    try:
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"cannot read {path}: {error}; it is damaged or incomplete, fetch it again") from error
    header = 4 + 4 * n_dims
    if len(data) < header:
        raise InputError(
            f"{path} has {len(data)} bytes, its header alone needs {header}: it is truncated, fetch it again"
        )
    magic, *shape = struct.unpack(f">{1 + n_dims}I", data[:header])
    expected = 0x0800 + n_dims
    if magic != expected:
        raise InputError(
            f"{path} starts with magic number {magic:#010x}, an IDX file of bytes in {n_dims} dimensions with "
            f"{expected:#010x}: it is another file under this name"
        )
    if len(data) - header != prod(shape):
        raise InputError(
            f"{path} holds {len(data) - header} values, its header says {prod(shape)} {tuple(shape)}: "
            "it is truncated or damaged, fetch it again"
        )
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)
