"""Measuring a transmission matrix: Hadamard patterns, an interferometric retrieval, a known pattern against drift.

A pattern of +1 and -1 is a pair of complementary binary frames, each shown as often as the retrieval asks. N patterns tell N
columns, each from all N: against showing column by column, the camera's noise falls by N in variance, sqrt(N) in amplitude.
Sources: Popoff et al., PRL 104, 100601 (2010), by phase steps; Conkey et al., Opt. Express 20, 1733 (2012), by micromirrors.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from opu.calibration import Calibration
from opu.device import Device
from opu.errors import CapabilityError, InputError
from opu.files import write_atomic
from opu.frames import pack
from opu.processor import OPU
from opu.retrieval import RETRIEVALS, Interferometry
from opu.transmission_assembly import assemble
from opu.transmission_files import (
    CALIBRATION,
    MANIFEST,
    MATRIX,
    MATRIX_FORMAT,
    ROWS,
    Block,
    load_plan,
    missing_blocks,
    save_block,
    save_plan,
)
from opu.transmission_plan import INTERLEAVE, Plan, make_plan
from opu.transmission_report import MatrixReport

BLOCK_BYTES = 32 * 2**20
EXPOSURE_SHARE = 0.75
"""Of the calibrated exposure, at which 0.03 % of readings are clipped: they would be most of the brightest rows' error."""


class OnProgress(Protocol):
    """Told the step, how much of it is done, and of how much."""

    def __call__(self, step: str, done: int, total: int) -> None:
        """E.g. ("patterns", 64, 1024)."""
        ...


def _silent(step: str, done: int, total: int) -> None:
    """Say nothing."""


def measure_matrix(
    opu: OPU,
    folder: Path,
    *,
    seed: int = 0,
    interleave: int = INTERLEAVE,
    resume: bool = False,
    on_progress: OnProgress = _silent,
) -> MatrixReport:
    """Measure the matrix M of an open OPU into `folder`: matrix.safetensors, rows.safetensors, and what it takes to resume.

    With the same calibration linear_transform(e) is M e where the retrieval gives real parts alone (anchors, two phase steps:
    M real, float32[n_rows, n_inputs]), and [Re M e, Im M e] elsewhere (M complex, float32[n_rows, n_inputs, 2], each row known
    up to a phase). seed: of the scrambled signs; interleave: patterns from one show of the known pattern to the next; `resume`
    takes both from the folder. InputError for a folder that cannot be used; CapabilityError where the retrieval has no
    reference. Stopped at any moment, the folder keeps every block that was finished.
    """
    if resume:
        plan = load_plan(folder, opu.spec)
        calibration = Calibration.load(folder / CALIBRATION)
        calibration.check(opu.spec)
    else:
        if (folder / MANIFEST).exists():
            raise InputError(f"{folder} holds a measurement already: resume it, or choose another folder")
        probe = probe_of(opu)
        plan = make_plan(opu.spec, probe, seed, interleave)
        calibration = opu.calibration or opu.calibrate()
        calibration.reference_for(probe.kind)
        calibration.save(folder / CALIBRATION)
        save_plan(folder, plan)
    reference = calibration.reference_for(plan.retrieval)
    _show_blocks(opu.device, folder, plan, calibration, on_progress)
    report = assemble(
        folder, plan, reference, folder / MATRIX, lambda done: on_progress("transform", done, plan.n_rows)
    )
    write_atomic(folder / ROWS, save(report.per_row, metadata={"format": MATRIX_FORMAT}))
    return report


def probe_of(opu: OPU) -> Interferometry:
    """The exactly linear retrieval by which an OPU's matrix is measured; CapabilityError if it has none."""
    retrieval, spec = opu.retrieval, opu.spec
    if not isinstance(retrieval, Interferometry):
        raise CapabilityError(
            f"retrieval {retrieval.kind!r} of {spec.kind} device {spec.serial!r} has no reference, and intensities alone "
            'leave a matrix unknown: set retrieval = "phase4" with a reference arm, or "anchor4" with an anchor'
        )
    retrieval.check(spec)
    return retrieval.probe


def load_matrix(path: Path | str) -> tuple[NDArray[Any], dict[str, str]]:
    """Entries of a measured matrix, complex64 or float32 (n_rows, n_inputs), and its metadata; InputError if it is none."""
    try:
        with safe_open(path, "numpy") as file:
            metadata: dict[str, str] = file.metadata() or {}
            if metadata.get("format") != MATRIX_FORMAT:
                raise InputError(f"{path} is not a measured matrix of this version ({MATRIX_FORMAT})")
            entries: NDArray[np.float32] = file.get_tensor("matrix")
    except (OSError, SafetensorError) as error:
        raise InputError(f"cannot read matrix {path}: {error}") from None
    return (entries.view(np.complex64)[..., 0] if entries.ndim == 3 else entries), metadata


class Comparison(NamedTuple):
    """Row by row, float64[n_rows]: the phase that measured has over truth, and their correlation once it is removed, 0 to 1."""

    phase_rad: NDArray[np.float64]
    correlation: NDArray[np.float64]


def compare_matrices(measured: NDArray[Any], truth: NDArray[Any]) -> Comparison:
    """Compare matrices (n_rows, n_inputs) whose rows are known up to a phase and a scale.

    The phase that brings a row closest is the angle of <truth, measured>, in closed form; the correlation is
    |<truth, measured>| / (|truth| |measured|), and the relative error at the best scale sqrt(1 - correlation^2).
    InputError where shapes differ.
    """
    if measured.shape != truth.shape or measured.ndim != 2:
        raise InputError(f"matrices of shape {measured.shape} and {truth.shape}; both must be (n_rows, n_inputs)")
    a, b = measured.astype(np.complex128), truth.astype(np.complex128)
    inner = np.sum(a * b.conj(), axis=1)
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return Comparison(np.angle(inner), np.abs(inner) / np.maximum(norms, 1e-300))


def _show_blocks(device: Device, folder: Path, plan: Plan, calibration: Calibration, on_progress: OnProgress) -> None:
    missing = missing_blocks(folder, plan)
    done = plan.n_patterns - sum(len(plan.numbers(block)) for block in missing)
    on_progress("patterns", done, plan.n_patterns)
    if not missing:
        return
    calibrated = calibration.reference_for(plan.retrieval).acquisition
    shorter = max(EXPOSURE_SHARE * calibrated.exposure_s, device.spec.exposure_min_s)
    acquisition = device.configure(replace(calibrated, exposure_s=shorter))
    dark_dn = float(np.mean(calibration.dark_dn))
    for block in missing:
        save_block(folder, block, _show(device, plan, block, acquisition.exposure_s, dark_dn))
        done += len(plan.numbers(block))
        on_progress("patterns", done, plan.n_patterns)


def _show(device: Device, plan: Plan, block: int, exposure_s: float, dark_dn: float) -> Block:
    """Show one block and retrieve its fields in DN, a few patterns at a time."""
    spec = device.spec
    probe = RETRIEVALS[plan.retrieval]
    assert isinstance(probe, Interferometry)
    before = device.status().device_seconds
    positive = plan.shows(block)
    per_pattern = probe.frames_per_plane * (spec.n_inputs + spec.n_outputs * spec.reading_dtype.itemsize)
    step = max(1, BLOCK_BYTES // per_pattern)
    fields = np.empty((len(positive), plan.n_linear), np.float32)
    light, saturated = np.empty(len(positive)), np.empty(len(positive))
    for start in range(0, len(positive), step):
        some = slice(start, start + step)
        frames = probe.frames(positive[some], ~positive[some], spec).reshape(-1, spec.n_inputs)
        shown = device.measure(pack(frames) if spec.packed_input else frames)
        readings = shown.reshape(-1, probe.frames_per_plane, spec.n_outputs)
        fields[some] = probe.interference(readings, spec)
        light[some] = readings.mean(axis=(1, 2), dtype=np.float64) - dark_dn
        saturated[some] = np.mean(readings >= spec.saturation_dn, axis=(1, 2))
    return Block(
        fields,
        (float(light[0]), float(light[-1])),
        exposure_s,
        float(saturated.mean()),
        len(positive) * probe.frames_per_plane,
        device.status().device_seconds - before,
    )
