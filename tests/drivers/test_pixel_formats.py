"""Every format against its bits written out one by one, and against another decoder."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opu.drivers.pixel_formats import PACKINGS, bit_depth, format_name, unpack

from opu.errors import DeviceError

SHAPES = st.tuples(st.integers(1, 7), st.integers(1, 9))


def pack(readings, name):
    """The standard's words, bit by bit in plain Python."""
    values = [int(value) for value in readings.ravel()]
    if name == "Mono8":
        return bytes(values)
    if name.endswith("Packed"):
        low = bit_depth(name) - 8
        values += [0] * (len(values) % 2)
        pairs = zip(values[::2], values[1::2], strict=True)
        out = b"".join(bytes([a >> low, a % 2**low | b % 2**low << 4, b >> low]) for a, b in pairs)
        return out[: PACKINGS[name].n_bytes(readings.size)]
    if name.endswith("p"):
        stream = sum(value << k * bit_depth(name) for k, value in enumerate(values))
        return stream.to_bytes(PACKINGS[name].n_bytes(readings.size), "little")
    return b"".join(value.to_bytes(2, "little") for value in values)


@pytest.mark.parametrize("name", PACKINGS)
@given(shape=SHAPES, seed=st.integers(0, 2**32))
def test_unpacks_what_was_packed(name, shape, seed):
    readings = np.random.default_rng(seed).integers(0, 2 ** bit_depth(name), shape)
    payload = pack(readings, name)
    got = unpack(payload, name, *shape)
    assert got.dtype == (np.uint8 if bit_depth(name) <= 8 else np.uint16)
    assert np.array_equal(got, readings)
    assert np.array_equal(unpack(payload + b"chunk", name, *shape), readings)


@pytest.mark.parametrize("name", PACKINGS)
@given(rows=st.integers(1, 6), half_columns=st.integers(1, 8), seed=st.integers(0, 2**32))
def test_agrees_with_another_decoder(name, rows, half_columns, seed):
    viva = pytest.importorskip("viva_genicam", reason="needs viva-genicam: pip install 'openopu[viva]'")
    columns = 4 * half_columns
    payload = np.random.default_rng(seed).integers(0, 256, PACKINGS[name].n_bytes(rows * columns), np.uint8).tobytes()
    if name in ("Mono10", "Mono12", "Mono14"):  # bits above the depth are never sent
        words = np.frombuffer(payload, np.uint16) & 2 ** bit_depth(name) - 1
        payload = words.astype(np.uint16).tobytes()
    theirs = viva.Frame.from_bytes(payload, columns, rows, name).to_numpy()
    assert np.array_equal(unpack(payload, name, rows, columns), theirs)


@given(shape=SHAPES, padding=st.integers(1, 5), name=st.sampled_from(["Mono8", "Mono12", "Mono16"]))
def test_padding_behind_lines_is_skipped(shape, padding, name):
    readings = np.random.default_rng(0).integers(0, 2 ** bit_depth(name), shape)
    payload = b"".join(pack(row, name) + b"\xaa" * padding for row in readings)
    assert np.array_equal(unpack(payload, name, *shape, padding), readings)


def test_refuses_what_it_cannot_read():
    with pytest.raises(DeviceError, match="'RGB8' is not one of Mono8"):
        unpack(b"", "RGB8", 1, 1)
    with pytest.raises(DeviceError, match="5 bytes where Mono12p takes 6"):
        unpack(bytes(5), "Mono12p", 2, 2)
    with pytest.raises(DeviceError, match="3 bytes of padding"):
        unpack(bytes(99), "Mono12p", 2, 2, 3)


def test_codes_are_the_conventions():
    """Bits 16 to 23 of a PFNC code are the bits a pixel takes, bits 24 to 31 are 1 for one component."""
    for name, packing in PACKINGS.items():
        assert packing.code >> 16 & 255 == packing.bits_per_pixel
        assert packing.code >> 24 == 1
        assert format_name(packing.code) == name
    assert format_name(0x02180014) == "0x02180014"
