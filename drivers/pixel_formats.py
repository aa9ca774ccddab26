"""Monochrome pixel formats: the bytes a camera sends, and the DN they mean.

"p" (GenICam Pixel Format Naming Convention, PFNC 2.1): pixels follow one another bit by bit, least significant bit first,
across the ends of lines. "Packed" (GigE Vision 1.x): two pixels in three bytes, most significant bits in the outer two.
Unpacked formats of 10 to 16 bits: two bytes, little-endian, right-aligned.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from opu.errors import DeviceError

PixelFormat: TypeAlias = Literal[
    "Mono8", "Mono10", "Mono12", "Mono14", "Mono16", "Mono10p", "Mono12p", "Mono10Packed", "Mono12Packed"
]
Bytes: TypeAlias = NDArray[np.uint8]


@dataclass(frozen=True)
class Packing:
    """PFNC's number for it, bits of a reading, bits a pixel takes on the wire, and how those become readings."""

    code: int
    bit_depth: int
    bits_per_pixel: int
    readings: Callable[[Bytes, int], NDArray[Any]]

    def n_bytes(self, n_pixels: int) -> int:
        """Bytes that so many pixels take."""
        return -(-n_pixels * self.bits_per_pixel // 8)


def unpack(payload: bytes | Bytes, name: str, rows: int, columns: int, padding_x: int = 0) -> NDArray[Any]:
    """Bytes of a frame -> readings in DN, uint8 or uint16 [rows, columns]; a view of `payload` where no bit moves.

    padding_x: bytes behind every line, which are no pixels (byte-aligned formats only). DeviceError for a format not in
    the table, or a payload too short for the region.
    """
    if name not in PACKINGS:
        raise DeviceError(f"pixel format {name!r} is not one of {', '.join(PACKINGS)}; set pixel_format to one of them")
    packing = PACKINGS[name]
    data = np.frombuffer(payload, np.uint8)
    if padding_x:
        if packing.bits_per_pixel % 8:
            raise DeviceError(
                f"{padding_x} bytes of padding behind each line of {name}: that needs whole bytes; set Mono8 or Mono16"
            )
        line = packing.n_bytes(columns)
        data = _enough(data, name, rows * (line + padding_x)).reshape(rows, line + padding_x)[:, :line].reshape(-1)
    n_pixels = rows * columns
    return packing.readings(_enough(data, name, packing.n_bytes(n_pixels)), n_pixels).reshape(rows, columns)


def format_name(code: int) -> str:
    """Name of PFNC's number, as hexadecimal if it is no monochrome format."""
    return next((name for name, packing in PACKINGS.items() if packing.code == code), f"0x{code:08X}")


def bit_depth(name: PixelFormat) -> int:
    """Bits of a reading."""
    return PACKINGS[name].bit_depth


def _enough(data: Bytes, name: str, needed: int) -> Bytes:
    if len(data) < needed:
        raise DeviceError(
            f"a frame of {len(data)} bytes where {name} takes {needed}; the region changed under way: stop and start"
        )
    return data[:needed]


def _bytes(data: Bytes, _: int) -> NDArray[Any]:
    return data


def _words(data: Bytes, _: int) -> NDArray[Any]:
    return data.view("<u2").astype(np.uint16, copy=False)


def _lsb_first(bits: int) -> Callable[[Bytes, int], NDArray[Any]]:
    """Whole groups of 4 pixels lie in whole bytes (10 bits: 5, 12 bits: 6); the last group is filled up with zeros."""

    def readings(data: Bytes, n_pixels: int) -> NDArray[Any]:
        group = bits * 4 // 8
        n_groups = -(-n_pixels // 4)
        filled = data
        if len(data) < n_groups * group:
            filled = np.zeros(n_groups * group, np.uint8)
            filled[: len(data)] = data
        octets = filled.reshape(n_groups, group).astype(np.uint16)
        result = np.empty((n_groups, 4), np.uint16)
        for pixel in range(4):
            first, shift = divmod(pixel * bits, 8)
            result[:, pixel] = (octets[:, first] | octets[:, first + 1] << 8) >> shift & (1 << bits) - 1
        return result.reshape(-1)[:n_pixels]

    return readings


def _outer_msb(bits: int) -> Callable[[Bytes, int], NDArray[Any]]:
    low = bits - 8

    def readings(data: Bytes, n_pixels: int) -> NDArray[Any]:
        n_pairs = -(-n_pixels // 2)
        filled = data
        if len(data) < n_pairs * 3:
            filled = np.zeros(n_pairs * 3, np.uint8)
            filled[: len(data)] = data
        octets = filled.reshape(n_pairs, 3).astype(np.uint16)
        result = np.empty((n_pairs, 2), np.uint16)
        result[:, 0] = octets[:, 0] << low | octets[:, 1] & (1 << low) - 1
        result[:, 1] = octets[:, 2] << low | octets[:, 1] >> 4 & (1 << low) - 1
        return result.reshape(-1)[:n_pixels]

    return readings


PACKINGS: dict[str, Packing] = {
    "Mono8": Packing(0x01080001, 8, 8, _bytes),
    "Mono10": Packing(0x01100003, 10, 16, _words),
    "Mono12": Packing(0x01100005, 12, 16, _words),
    "Mono14": Packing(0x01100025, 14, 16, _words),
    "Mono16": Packing(0x01100007, 16, 16, _words),
    "Mono10p": Packing(0x010A0046, 10, 10, _lsb_first(10)),
    "Mono12p": Packing(0x010C0047, 12, 12, _lsb_first(12)),
    "Mono10Packed": Packing(0x010C0004, 10, 12, _outer_msb(10)),
    "Mono12Packed": Packing(0x010C0006, 12, 12, _outer_msb(12)),
}
assert set(PACKINGS) == set(get_args(PixelFormat))
