"""From blocks of raw fields to the matrix: drift divided out, inverse Hadamard transform, and how good the result is.

Rows are taken a few at a time: memory holds N fields of those, never the matrix.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opu.hadamard import fast_transform
from opu.reference import Reference
from opu.transmission_drift import Drift, drift
from opu.transmission_files import block_facts, matrix_writer, read_block
from opu.transmission_plan import N_CHECKS, Plan
from opu.transmission_report import MatrixReport, RowSums, make_report

FIELDS_AT_ONCE = 2**23
KNOWN_AT_ONCE = 2**23
LEAST_ROWS = 64

Floats = NDArray[np.float64]


def assemble(
    folder: Path,
    plan: Plan,
    reference: Reference,
    path: Path,
    on_rows: Callable[[int], None],
) -> MatrixReport:
    """Write the matrix to `path` as float32[n_rows, n_inputs], with a last axis of 2 where it is complex.

    on_rows: told how many rows are done. Returns the report, which is also the file's metadata.
    """
    facts = [block_facts(folder, plan, block) for block in range(plan.n_blocks)]
    exposure_s = float(np.mean([fact["exposure_s"] for fact in facts]))
    drifted = _drift(folder, plan, np.array([fact["light_dn"] for fact in facts], np.float64))
    checks = np.array([plan.check(k) for k in range(min(N_CHECKS, plan.n_blocks))])
    signed = np.where(checks, np.float32(1), np.float32(-1))
    scale = np.where(plan.scramble(), np.float32(1), np.float32(-1)) / np.float32(plan.n_patterns)
    # The reference was measured at its own exposure, and light is proportional to it.
    gain = np.asarray(reference.row_gain)[: plan.n_rows] * np.float32(reference.acquisition.exposure_s / exposure_s)
    shape = (plan.n_rows, plan.n_inputs, 2) if plan.complex_rows else (plan.n_rows, plan.n_inputs)
    step = max(1, FIELDS_AT_ONCE // plan.n_patterns)
    parts: list[RowSums] = []
    with matrix_writer(path, shape) as (append, metadata):
        for start in range(0, plan.n_rows, step):
            rows = slice(start, min(start + step, plan.n_rows))
            probes, ends = _probes(folder, plan, drifted, rows)
            probes *= gain[rows]
            fields = probes[: plan.n_patterns]
            fast_transform(fields)
            matrix = np.ascontiguousarray((fields[: plan.n_inputs] * scale[:, None]).T)
            parts.append(_row_sums(matrix, probes[plan.n_patterns :], ends * gain[rows], signed))
            append(matrix.view(np.float32))
            on_rows(rows.stop)
        sums = RowSums(*(np.concatenate(each) for each in zip(*parts, strict=True)))
        report = make_report(plan, sums, drifted, facts)
        metadata.update(report.metadata())
    return report


def _drift(folder: Path, plan: Plan, light_dn: Floats) -> Drift:
    """Drift from as many rows, evenly spread, as fit into memory."""
    most = max(LEAST_ROWS, KNOWN_AT_ONCE // (2 * plan.n_blocks))
    every = -(-plan.n_rows // most)
    known = np.empty((plan.n_blocks, 2, -(-plan.n_rows // every)), np.complex64 if plan.complex_rows else np.float32)
    if plan.complex_rows:
        for block in range(plan.n_blocks):
            known[block] = _fields(folder, plan, block, slice(0, plan.n_rows), (0, -1))[:, ::every]
    return drift(known, light_dn)


def _probes(folder: Path, plan: Plan, drifted: Drift, rows: slice) -> tuple[NDArray[Any], NDArray[Any]]:
    """Fields of some rows, drift divided out: N patterns, then the first and the last check of each block; and the known
    pattern at the start and the end of the measurement, (2, rows)."""
    n, n_blocks = plan.n_patterns, plan.n_blocks
    dtype = np.complex64 if plan.complex_rows else np.float32
    result = np.empty((n + 2 * n_blocks, rows.stop - rows.start), dtype)
    ends = np.empty((2, rows.stop - rows.start), dtype)
    for block in range(n_blocks):
        shows = _fields(folder, plan, block, rows, None)
        factors = drifted.factors(block, len(shows))
        shows *= (factors if plan.complex_rows else factors.real).astype(dtype)[:, None]
        result[plan.numbers(block)] = shows[2:-2]
        result[n + block], result[n + n_blocks + block] = shows[1], shows[-2]
        if block == 0:
            ends[0] = shows[0]
        if block == n_blocks - 1:
            ends[1] = shows[-1]
    return result, ends


def _fields(folder: Path, plan: Plan, block: int, rows: slice, shows: tuple[int, ...] | None) -> NDArray[Any]:
    real = read_block(folder, plan, block, rows, shows)
    if not plan.complex_rows:
        return real
    n = plan.n_rows
    joined = real.astype(np.complex64)
    joined.imag = read_block(folder, plan, block, slice(n + rows.start, n + rows.stop), shows)
    return joined


def _row_sums(matrix: NDArray[Any], checks: NDArray[Any], ends: NDArray[Any], signed: NDArray[np.float32]) -> RowSums:
    """matrix: (rows, n_inputs); checks: (2 n_blocks, rows), first shows then last ones; ends: (2, rows)."""
    n_blocks = len(checks) // 2
    first, last = checks[:n_blocks].astype(np.complex128), checks[n_blocks:].astype(np.complex128)
    predicted = (signed @ matrix.T).astype(np.complex128)[np.arange(n_blocks) % len(signed)]
    parts = 2 if np.iscomplexobj(matrix) else 1
    noise = np.mean(np.abs(first - last) ** 2, axis=0) / 2
    start, end = ends.astype(np.complex128)
    both = end * start.conj()
    return RowSums(
        signal=np.mean((first * last.conj()).real, axis=0) / parts,
        noise=noise / parts,
        error=np.mean(((first - predicted) * (last - predicted).conj()).real, axis=0) / parts,
        start=(np.abs(start) ** 2 - noise) / parts,
        end=(np.abs(end) ** 2 - noise) / parts,
        both_real=both.real / parts,
        both_imaginary=both.imag / parts,
    )
