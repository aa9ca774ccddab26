"""Blocks: frames and readings with their sequence number and checksum, in definite-length blocks (IEEE 488.2, 8.7.9).

Content, little-endian: 4 bytes of magic, sequence number (8), rows (4), bytes of a row (4), CRC-32 (4; zlib's) of the 20
bytes before it and the rows after it, then the rows.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .scpi_errors import CHECKSUM, ScpiError

FRAMES, READINGS = b"OPUF", b"OPUR"
_HEAD = struct.Struct("<4sQII")
_CRC = struct.Struct("<I")
HEAD_BYTES = _HEAD.size + _CRC.size
EMPTY = b"#10"
"""A block of no bytes."""


@dataclass(frozen=True)
class Rows:
    """The content of a block, checked: rows uint8[n, row_bytes] under a sequence number."""

    sequence: int
    rows: NDArray[np.uint8]


def block_head(length: int) -> bytes:
    """What stands before `length` bytes of a block's content."""
    digits = str(length).encode()
    if len(digits) > 9:
        raise ScpiError(-223, f"a block of {length} bytes; 999999999 is the limit of a definite length")
    return b"#%d%s" % (len(digits), digits)


def text_block(text: str) -> bytes:
    """UTF-8 text, such as JSON, as a block."""
    content = text.encode()
    return block_head(len(content)) + content


def pack_rows(magic: bytes, sequence: int, rows: NDArray[np.uint8]) -> tuple[bytes, memoryview]:
    """A block of rows uint8[n, row_bytes] as (everything before the rows, the rows, not copied)."""
    n, row_bytes = rows.shape
    head = _HEAD.pack(magic, sequence, n, row_bytes)
    content = memoryview(np.ascontiguousarray(rows).reshape(-1).data)
    crc = zlib.crc32(content, zlib.crc32(head))
    return block_head(HEAD_BYTES + len(content)) + head + _CRC.pack(crc), content


@dataclass(frozen=True)
class Head:
    """The first HEAD_BYTES of a block's content, not yet checked."""

    magic: bytes
    sequence: int
    n: int
    row_bytes: int
    crc: int
    crc_so_far: int

    def check(self, magic: bytes, rows: memoryview) -> None:
        """ScpiError unless these bytes are undamaged, of this kind and as many as the head says."""
        if zlib.crc32(rows, self.crc_so_far) != self.crc:
            raise ScpiError(CHECKSUM, f"block {self.sequence} of {len(rows)} bytes arrived damaged; send it again")
        if self.magic != magic:
            raise ScpiError(-161, f"a block that begins with {self.magic!r}, not {magic!r}")
        if self.n * self.row_bytes != len(rows):
            raise ScpiError(
                -161, f"block {self.sequence}: {self.n} rows of {self.row_bytes} bytes are not its {len(rows)} bytes"
            )


def read_head(content: bytes | bytearray | memoryview) -> Head:
    """The head at the beginning of a block's content; ScpiError if that is too short for one."""
    view = memoryview(content)
    if len(view) < HEAD_BYTES:
        raise ScpiError(-161, f"a block of {len(view)} bytes; its head alone has {HEAD_BYTES}")
    magic, sequence, n, row_bytes = _HEAD.unpack_from(view)
    (crc,) = _CRC.unpack_from(view, _HEAD.size)
    return Head(magic, sequence, n, row_bytes, crc, zlib.crc32(view[: _HEAD.size]))


def unpack_rows(magic: bytes, content: bytes | bytearray | memoryview) -> Rows:
    """The rows of a block's content, not copied; ScpiError names what is wrong with it."""
    head, body = read_head(content), memoryview(content)[HEAD_BYTES:]
    head.check(magic, body)
    return Rows(head.sequence, np.frombuffer(body, np.uint8).reshape(head.n, head.row_bytes))
