"""Measured matrices: what files may hold, what is refused, and products that are those of NumPy for any batch."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opu.sim.matrix import add_products, load_matrix
from safetensors.numpy import save_file

from opu.errors import ConfigError

N_OUT, N_IN = 6, 5


def some(n_in: int = N_IN, dtype=np.complex64, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (3 * rng.standard_normal((N_OUT, n_in)) + 1j * rng.standard_normal((N_OUT, n_in))).astype(dtype)


def pairs(matrix: np.ndarray) -> np.ndarray:
    return np.stack([matrix.real, matrix.imag], axis=-1)


def saved(folder: Path, name: str, matrix: np.ndarray) -> Path:
    path = folder / name
    if name.endswith(".npy"):
        np.save(path, matrix)
    elif name == "complex.safetensors":
        save_file({"A": matrix}, path)
    elif name == "pairs.safetensors":
        save_file({"A": pairs(matrix)}, path)
    elif name.endswith(".safetensors"):
        save_file({"real": matrix.real.copy(), "imag": matrix.imag.copy()}, path)
    else:
        h5py = pytest.importorskip("h5py")
        with h5py.File(path, "w") as file:
            if name == "two.h5":
                file["real"], file["imag"] = matrix.real, matrix.imag
            else:
                file["A"] = matrix
    return path


@pytest.mark.parametrize(
    "name", ["plain.npy", "complex.safetensors", "pairs.safetensors", "two.safetensors", "two.h5", "complex.hdf5"]
)
@pytest.mark.parametrize("n_in", [N_IN, N_IN + 1])
def test_every_kind_of_file_gives_its_entries(tmp_path, name, n_in):
    matrix = some(n_in)
    loaded = load_matrix(saved(tmp_path, name, matrix), N_OUT, N_IN)
    assert np.array_equal(loaded.entries, matrix)
    assert loaded.has_anchor == (n_in == N_IN + 1)
    assert loaded.scale == pytest.approx(np.mean(np.abs(matrix.astype(complex)) ** 2) ** -0.5, rel=1e-6)


def test_npy_stays_on_disk_and_double_precision_double(tmp_path):
    matrix = some(dtype=np.complex128)
    loaded = load_matrix(saved(tmp_path, "plain.npy", matrix), N_OUT, N_IN, scale=2.0)
    assert isinstance(loaded.entries, np.memmap)
    assert loaded.entries.dtype == np.complex128
    assert loaded.scale == 2.0


def test_digest_is_of_the_content(tmp_path):
    matrix = some()
    first = load_matrix(saved(tmp_path, "plain.npy", matrix), N_OUT, N_IN).digest
    os.utime(tmp_path / "plain.npy", (0, 0))
    assert load_matrix(tmp_path / "plain.npy", N_OUT, N_IN).digest == first
    assert load_matrix(saved(tmp_path, "two.safetensors", matrix), N_OUT, N_IN).digest == first
    matrix[2, 3] += 1e-6
    assert load_matrix(saved(tmp_path, "other.npy", matrix), N_OUT, N_IN).digest != first


def broken(matrix: np.ndarray, value: complex) -> np.ndarray:
    matrix[2, 3] = value
    return matrix


@pytest.mark.parametrize(
    ("name", "matrix", "message"),
    [
        ("a.npy", some().T, r"shape \(5, 6\).*must be \(6, 5\), or \(6, 6\) with the anchor.*transpose"),
        ("a.npy", some()[0], r"shape \(5,\)"),
        ("a.npy", broken(some(), np.nan), r"entry \[2, 3\] is \(nan\+0j\)"),
        ("a.npy", broken(some(), np.inf), r"entry \[2, 3\] is .*inf.*must be finite"),
        ("a.npy", 0 * some(), "all entries are 0"),
        ("a.npy", some().real.copy(), r"array of float32 with shape \(6, 5\); it must be complex"),
        ("a.npy", some().astype(object), r"cannot be read: ValueError: .*Python objects"),
    ],
)
def test_what_does_not_fit_is_refused_with_numbers(tmp_path, name, matrix, message):
    with pytest.raises(ConfigError, match=message):
        load_matrix(saved(tmp_path, name, matrix), N_OUT, N_IN)


def test_files_that_are_none_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="no such file; relative paths start at"):
        load_matrix(Path("nowhere.npy"), N_OUT, N_IN)
    (tmp_path / "a.mat").write_bytes(b"x")
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY")
    (tmp_path / "a.safetensors").write_bytes(b"x")
    with pytest.raises(ConfigError, match=r"must end in one of \.npy"):
        load_matrix(tmp_path / "a.mat", N_OUT, N_IN)
    for name in ("a.npy", "a.safetensors"):
        with pytest.raises(ConfigError, match="cannot be read"):
            load_matrix(tmp_path / name, N_OUT, N_IN)
    save_file({"A": some(), "B": some()}, tmp_path / "b.safetensors")
    with pytest.raises(ConfigError, match=r"holds arrays \['A', 'B'\]"):
        load_matrix(tmp_path / "b.safetensors", N_OUT, N_IN)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 40),
    st.integers(1, 300),
    st.integers(1, 140),
    st.sampled_from([np.complex64, np.complex128]),
    st.integers(0, 99),
)
def test_products_are_numpys_and_do_not_depend_on_the_batch(n_in, n_out, n, dtype, seed):
    rng = np.random.default_rng(seed)
    entries = (rng.standard_normal((n_out, n_in + 1)) + 1j * rng.standard_normal((n_out, n_in + 1))).astype(dtype)
    bits, amplitudes = rng.random((n, n_in)) < 0.5, rng.random(n_in)
    packed = np.packbits(bits, axis=1)
    fields = np.ones((n, n_out), np.complex64)
    add_products(packed, entries, amplitudes, fields)
    expected = 1 + (bits * amplitudes) @ entries[:, :n_in].T
    assert np.abs(fields - expected).max() < 1e-6 * np.abs(expected).max()
    alone = np.ones((1, n_out), np.complex64)
    add_products(packed[-1:], entries, amplitudes, alone)
    assert np.array_equal(alone[0], fields[-1])
    part = np.ones((n, n_out - n_out // 2), np.complex64)
    add_products(packed, entries[n_out // 2 :], amplitudes, part)
    assert np.array_equal(part, fields[:, n_out // 2 :])
