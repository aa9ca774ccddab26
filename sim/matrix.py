"""A measured transmission matrix as the medium: NumPy, safetensors or HDF5 files, complex [out, in].

Sums run over the inputs in order, in float64, whatever the batch: frame by frame, in one call or over shards the readings are
the same bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from opu.errors import ConfigError
from opu.threads import get_num_threads, run_tasks

BLOCK_ELEMENTS = 2**22
FRAMES_PER_PASS = 64
ROWS_PER_TASK = 256
SUFFIXES = (".npy", ".safetensors", ".h5", ".hdf5")


@dataclass(frozen=True)
class Matrix:
    """A measured matrix, complex[outputs, inputs], memory-mapped where the file allows.

    has_anchor: its last column is the anchor's; scale: what entries are multiplied by; digest: of shape, type, every entry.
    """

    entries: NDArray[np.complexfloating[Any, Any]]
    has_anchor: bool
    scale: float
    digest: str


def load_matrix(path: Path, n_outputs: int, n_inputs: int, scale: float | None = None) -> Matrix:
    """Read and check every entry of a matrix of n_outputs rows and n_inputs columns, or one more for the anchor.

    scale None: the root mean square of the entries is scaled to 1, so that laser.coupling keeps its meaning. The file is
    .npy (memory-mapped), .safetensors or .h5/.hdf5, holding complex numbers, or real ones with a last axis of 2 (real,
    imaginary), or two arrays "real" and "imag". ConfigError says what does not fit.
    """
    entries = _read(path)
    if entries.ndim != 2 or entries.shape[0] != n_outputs or entries.shape[1] not in (n_inputs, n_inputs + 1):
        raise ConfigError(
            f"matrix_file {path}: complex entries of shape {entries.shape}; with n_outputs = {n_outputs} and n_inputs = "
            f"{n_inputs} it must be ({n_outputs}, {n_inputs}), or ({n_outputs}, {n_inputs + 1}) with the anchor's column "
            "last; change n_outputs and n_inputs, or transpose the file"
        )
    digest = sha256(f"{entries.shape} {entries.dtype.str}".encode())
    power = 0.0
    rows = max(1, BLOCK_ELEMENTS // entries.shape[1])
    for start in range(0, n_outputs, rows):
        block = np.ascontiguousarray(entries[start : start + rows])
        if not np.isfinite(block).all():
            row, column = np.argwhere(~np.isfinite(block))[0]
            raise ConfigError(
                f"matrix_file {path}: entry [{start + row}, {column}] is {block[row, column]}, "
                "and every entry must be finite; mend the measurement, or set such entries to 0"
            )
        digest.update(block.tobytes())
        power += float(np.sum(block.real.astype(np.float64) ** 2) + np.sum(block.imag.astype(np.float64) ** 2))
    if power == 0:
        raise ConfigError(f"matrix_file {path}: all entries are 0, and no light would reach the camera")
    return Matrix(
        entries,
        entries.shape[1] == n_inputs + 1,
        (entries.size / power) ** 0.5 if scale is None else scale,
        digest.hexdigest()[:16],
    )


def _read(path: Path) -> NDArray[np.complexfloating[Any, Any]]:
    if not path.is_file():
        raise ConfigError(f"matrix_file {path}: no such file; relative paths start at {Path.cwd()}")
    if path.suffix not in SUFFIXES:
        raise ConfigError(f"matrix_file {path}: unknown kind of file; it must end in one of {', '.join(SUFFIXES)}")
    try:
        arrays = {".npy": _numpy, ".safetensors": _safetensors}.get(path.suffix, _hdf5)(path)
    except ConfigError:
        raise
    except Exception as error:  # every library has errors of its own for a damaged file
        raise ConfigError(f"matrix_file {path} cannot be read: {type(error).__name__}: {error}") from error
    if set(arrays) == {"real", "imag"}:
        real, imaginary = arrays["real"], arrays["imag"]
        if real.shape != imaginary.shape or real.dtype.kind != "f" or imaginary.dtype.kind != "f":
            raise ConfigError(
                f"matrix_file {path}: real is {real.dtype} {real.shape} and imag {imaginary.dtype} {imaginary.shape}; "
                "both must be floats of one shape"
            )
        joined: NDArray[Any] = real.astype(np.result_type(real, imaginary, np.complex64))
        joined.imag = imaginary
        return joined
    if len(arrays) != 1:
        raise ConfigError(
            f'matrix_file {path} holds arrays {sorted(arrays)}; it must hold one, or "real" and "imag", so that it is clear '
            "which is the matrix"
        )
    (array,) = arrays.values()
    if array.dtype.kind == "f" and array.ndim == 3 and array.shape[2] == 2:
        pairs = np.ascontiguousarray(array, np.float64 if array.dtype.itemsize > 4 else np.float32)
        viewed: NDArray[Any] = pairs.view(np.result_type(pairs, np.complex64))[..., 0]
        return viewed
    if array.dtype.kind != "c":
        raise ConfigError(
            f"matrix_file {path}: an array of {array.dtype} with shape {array.shape}; it must be complex, or real with a "
            "last axis of 2 (real, imaginary)"
        )
    return array


def _numpy(path: Path) -> dict[str, NDArray[Any]]:
    return {"matrix": np.load(path, mmap_mode="r", allow_pickle=False)}


def _safetensors(path: Path) -> dict[str, NDArray[Any]]:
    from safetensors.numpy import load_file

    return dict(load_file(path))


def _hdf5(path: Path) -> dict[str, NDArray[Any]]:
    try:
        import h5py  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError as error:
        raise ConfigError(
            f"matrix_file {path}: reading HDF5 needs h5py, which does not import ({error}): pip install 'openopu[hdf5]', or "
            "save the matrix as .npy or .safetensors"
        ) from None
    with h5py.File(path, "r") as file:
        return {name: item[()] for name, item in file.items() if isinstance(item, h5py.Dataset)}


def add_products(
    packed: NDArray[np.uint8],
    entries: NDArray[np.complexfloating[Any, Any]],
    amplitudes: NDArray[np.float64],
    fields: NDArray[np.complex64],
) -> None:
    """fields[b, i] += sum over the inputs j that frame b switches on of amplitudes[j] entries[i, j], in order of j.

    packed: uint8[B, ...], most significant bit first; entries: complex[outputs, at least n]; amplitudes: float64[n];
    fields: complex64[B, outputs], contiguous.
    """
    n = len(amplitudes)
    # Inputs first: the compiled loop runs over frames.
    bits = np.unpackbits(packed, axis=1, count=n).T
    native = entries.dtype.newbyteorder("=")

    def task(first: int) -> None:
        rows = np.ascontiguousarray(entries[first : first + ROWS_PER_TASK, :n], native)
        for start in range(0, len(packed), FRAMES_PER_PASS):
            frames = slice(start, start + FRAMES_PER_PASS)
            weights = amplitudes[:, None] * bits[:, frames]
            _add_products(rows, weights, fields[frames], first)

    run_tasks(task, range(0, len(entries), ROWS_PER_TASK), get_num_threads())


@njit(nogil=True, cache=True)
def _add_products(rows: Any, weights: Any, fields: Any, first: Any) -> None:
    n_frames = weights.shape[1]
    real, imaginary = np.empty(n_frames), np.empty(n_frames)
    for i in range(rows.shape[0]):
        real[:] = 0
        imaginary[:] = 0
        for j in range(rows.shape[1]):
            a, b = np.float64(rows[i, j].real), np.float64(rows[i, j].imag)
            for k in range(n_frames):
                real[k] += a * weights[j, k]
                imaginary[k] += b * weights[j, k]
        for k in range(n_frames):
            before = fields[k, first + i]
            fields[k, first + i] = complex(before.real + np.float32(real[k]), before.imag + np.float32(imaginary[k]))
