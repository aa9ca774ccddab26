"""Files of a matrix measurement: manifest, blocks of raw fields, the matrix itself. A kill at any moment loses one block."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from opu.device import DeviceSpec
from opu.errors import InputError
from opu.files import write_atomic
from opu.transmission_plan import Plan

MANIFEST_FORMAT = "openopu-matrix-measurement-1"
MATRIX_FORMAT = "openopu-matrix-1"
MANIFEST, CALIBRATION = "manifest.json", "calibration.safetensors"
MATRIX, ROWS, REPORT = "matrix.safetensors", "rows.safetensors", "report.json"
HEADER_BYTES = 8192


@dataclass(frozen=True)
class Block:
    """Raw fields of one block in DN, float32[shows, n_linear], the light of its two known shows in DN, and what it took."""

    fields: NDArray[np.float32]
    light_dn: tuple[float, float]
    exposure_s: float
    saturated: float
    frames: int
    device_s: float


def save_plan(folder: Path, plan: Plan) -> None:
    """Write the manifest; from then on the folder can be resumed."""
    table = {"format": MANIFEST_FORMAT, "n_patterns": plan.n_patterns, "n_blocks": plan.n_blocks, "plan": asdict(plan)}
    write_atomic(folder / MANIFEST, json.dumps(table, indent=1) + "\n")


def load_plan(folder: Path, spec: DeviceSpec) -> Plan:
    """The manifest of a folder; InputError if there is none, or if it was begun on another device."""
    path = folder / MANIFEST
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        if table["format"] != MANIFEST_FORMAT:
            raise InputError(f"{path} is of another version ({table['format']!r}, not {MANIFEST_FORMAT}): start anew")
        plan = Plan(**{field.name: table["plan"][field.name] for field in fields(Plan)})
    except FileNotFoundError:
        raise InputError(
            f"nothing to resume in {folder}: it has no {MANIFEST}; name the folder of a measurement"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"cannot read {path} ({type(error).__name__}: {error}); start anew in another folder"
        ) from None
    for name, mine, its in (
        ("medium fingerprint", plan.fingerprint, spec.fingerprint),
        ("response of laser and camera", plan.response, spec.response),
        ("number of data inputs", plan.n_inputs, spec.n_data_inputs),
    ):
        if mine != its:
            raise InputError(
                f"the measurement in {folder} was begun on {plan.device} and cannot go on with {spec.kind} device "
                f"{spec.serial!r}: {name} {mine} there, {its} here; resume with that device, or start anew in another folder"
            )
    return plan


def block_path(folder: Path, block: int) -> Path:
    """Where a block lies."""
    return folder / f"block-{block:06}.safetensors"


def missing_blocks(folder: Path, plan: Plan) -> list[int]:
    """Blocks not yet on disk."""
    return [block for block in range(plan.n_blocks) if not block_path(folder, block).exists()]


def save_block(folder: Path, number: int, block: Block) -> None:
    """Write a block, whole or not at all."""
    plain = {
        name: json.dumps(getattr(block, name)) for name in ("light_dn", "exposure_s", "saturated", "frames", "device_s")
    }
    write_atomic(block_path(folder, number), save({"fields": block.fields}, metadata=plain))


def read_block(
    folder: Path, plan: Plan, number: int, columns: slice, shows: tuple[int, ...] | None = None
) -> NDArray[np.float32]:
    """Fields of some of a block's columns and shows (None: all), without reading the others."""
    with _opened(folder, plan, number) as file:
        kept = file.get_slice("fields")
        if shows is None:
            return np.asarray(kept[:, columns])
        last = len(plan.numbers(number)) + 4
        return np.concatenate([kept[i % last : i % last + 1, columns] for i in shows])


def block_facts(folder: Path, plan: Plan, number: int) -> dict[str, Any]:
    """What a block says of itself: light_dn, exposure_s, saturated, frames, device_s."""
    with _opened(folder, plan, number) as file:
        return {name: json.loads(value) for name, value in file.metadata().items()}


def remove_blocks(folder: Path, plan: Plan) -> None:
    """Delete the raw fields once the matrix and its report are written."""
    for block in range(plan.n_blocks):
        block_path(folder, block).unlink(missing_ok=True)
    for left in folder.glob(".block-*"):  # of a process that was killed while it wrote
        left.unlink(missing_ok=True)


@contextmanager
def _opened(folder: Path, plan: Plan, number: int) -> Iterator[Any]:
    path = block_path(folder, number)
    wanted = [len(plan.numbers(number)) + 4, plan.n_linear]
    try:
        with safe_open(path, "numpy") as file:
            shape = list(file.get_slice("fields").get_shape())
            if shape != wanted:
                raise InputError(f"{path} holds fields of shape {shape}, not {wanted}; delete it, and resume")
            yield file
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} is damaged ({error}); delete it, and resume: it will be measured again") from None


@contextmanager
def matrix_writer(
    path: Path, shape: tuple[int, ...]
) -> Iterator[tuple[Callable[[NDArray[np.float32]], None], dict[str, str]]]:
    """Write one float32 tensor "matrix" row by row into a safetensors file that appears whole at the end.

    Gives a function that appends rows, and the metadata, which may be filled in until the end.
    """
    partial = path.with_name(f".{path.name}.partial")
    metadata: dict[str, str] = {"format": MATRIX_FORMAT}
    size = 4 * int(np.prod(shape))
    with open(partial, "wb") as file:
        file.write(bytes(HEADER_BYTES))

        def append(rows: NDArray[np.float32]) -> None:
            file.write(np.ascontiguousarray(rows, "<f4").data)

        yield append, metadata
        if file.tell() != HEADER_BYTES + size:
            raise AssertionError(f"{path}: {file.tell() - HEADER_BYTES} bytes written, not {size}")
        _write_header(file, shape, size, metadata)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def _write_header(file: BinaryIO, shape: tuple[int, ...], size: int, metadata: dict[str, str]) -> None:
    header = {"__metadata__": metadata, "matrix": {"dtype": "F32", "shape": list(shape), "data_offsets": [0, size]}}
    text = json.dumps(header).encode()
    if len(text) > HEADER_BYTES - 8:
        raise AssertionError(f"a header of {len(text)} bytes")
    file.seek(0)
    # The format lets a header end in spaces.
    file.write((HEADER_BYTES - 8).to_bytes(8, "little") + text.ljust(HEADER_BYTES - 8))
