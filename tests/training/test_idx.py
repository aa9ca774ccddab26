from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opu.training.idx import read_idx

from opu.errors import InputError

VALUES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
RAW = struct.pack(">IIII", 0x803, 2, 3, 4) + VALUES.tobytes()


def test_plain_and_gzipped_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(RAW)
    (tmp_path / "a.gz").write_bytes(gzip.compress(RAW))
    for name in ("a", "a.gz"):
        np.testing.assert_array_equal(read_idx(tmp_path / name, 3), VALUES)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "has 0 bytes"),
        (RAW[:10], "header alone needs 16"),
        (RAW[:-1], "holds 23 values, its header says 24"),
        (RAW + b"x", "holds 25 values"),
        (b"\0\0\x08\x01" + RAW[4:], "magic number 0x00000801"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(data)
    with pytest.raises(InputError, match=message) as caught:
        read_idx(path, 3)
    assert str(path) in str(caught.value)


def test_truncated_and_false_gzip_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    for data in (gzip.compress(RAW)[:-12], b"not gzip at all", gzip.compress(RAW)[:20] + b"\xff" * 20):
        path.write_bytes(data)
        with pytest.raises(InputError, match="damaged or incomplete"):
            read_idx(path, 3)


@given(data=st.binary(max_size=40))
def test_any_bytes_give_an_array_or_an_input_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz"
    path.write_bytes(b"\0\0\x08\x01" + data)
    if len(data) >= 4 and int.from_bytes(data[:4], "big") == len(data) - 4:
        assert read_idx(path, 1).tobytes() == data[4:]
    else:
        with pytest.raises(InputError, match="fuzz"):
            read_idx(path, 1)
