"""`opu calibrate`: a calibration file, or with --matrix a measured transmission matrix."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from opu.calibration import Calibration
from opu.characterization.quantity import Quantity
from opu.config import Config
from opu.device import DeviceSpec
from opu.errors import CalibrationError, ConfigError, InputError, OPUError
from opu.factory import build_profile
from opu.files import write_atomic
from opu.phase_stepping import PhaseStepping
from opu.processor import OPU
from opu.result_folder import make_result_folder
from opu.transmission import measure_matrix, probe_of
from opu.transmission_files import (
    CALIBRATION,
    MANIFEST,
    MATRIX,
    REPORT,
    ROWS,
    load_plan,
    missing_blocks,
    remove_blocks,
)
from opu.transmission_plan import INTERLEAVE
from opu.transmission_report import MatrixReport

SATURATED = 0.02


def run(
    config: Config,
    *,
    matrix: bool = False,
    out: Path | None = None,
    fill: float = 0.5,
    seed: int = 0,
    interleave: int | None = None,
    resume: Path | None = None,
    as_json: bool = False,
) -> dict[str, Any]:
    """Calibrate the chosen device and save the calibration; or measure its matrix. Returns what --json prints.

    out: the calibration's file (default: the profile's `calibration`, else calibration.safetensors), or with `matrix` a
    folder (default: runs/<UTC time>-matrix-<device>). fill: fraction of inputs that typical data switch on. seed: of random
    probes or scrambled signs. interleave, resume (a folder): of a matrix measurement. The device is closed, its light off,
    whatever happens.
    """
    table = config.profile()
    named = table.pop("calibration", None)
    config = replace(config, devices={**config.devices, config.device: table})
    if resume is not None and (out is not None or interleave is not None):
        raise ConfigError(
            "--resume goes on in the same folder with the same settings: leave out --out and --interleave"
        )
    if matrix or resume is not None:
        if fill != 0.5:
            raise ConfigError(f"--fill {fill:g}: the patterns of --matrix switch on half of the inputs; leave it out")
        return _matrix(config, "retrieval" in table, out, seed, interleave, resume, as_json)
    if interleave is not None:
        raise ConfigError("--interleave belongs to --matrix; leave it out, or add --matrix")
    return _calibration(config, out or Path(named or CALIBRATION), fill, seed, as_json)


def _calibration(config: Config, path: Path, fill: float, seed: int, as_json: bool) -> dict[str, Any]:
    _check_file(path)
    with build_profile(config) as opu:
        calibration = opu.calibrate(fill=fill, seed=seed)
    calibration.save(path)
    document = {"profile": config.device, "file": str(path), **calibration.summary()}
    _print(
        as_json, document, calibration.report(), f"wrote {path}; use it by calibration = {str(path)!r} in the profile"
    )
    return document


def _check_file(path: Path) -> None:
    """Before anything is lit: a calibration may replace another, and nothing else."""
    if not path.parent.is_dir():
        raise ConfigError(f"--out {path}: {path.parent} is not a folder; make it first")
    if path.exists():
        try:
            Calibration.load(path)
        except CalibrationError as error:
            raise ConfigError(f"--out {path} exists and would be lost ({error}); choose another file") from None


def _matrix(
    config: Config,
    retrieval_named: bool,
    out: Path | None,
    seed: int,
    interleave: int | None,
    resume: Path | None,
    as_json: bool,
) -> dict[str, Any]:
    opu = build_profile(config)
    if not retrieval_named and opu.spec.reference_arm == "phase":
        opu.retrieval = PhaseStepping(4)  # a complex matrix, where the device has an anchor as well
    if resume is not None:
        folder = resume
        _check_resumable(folder, opu.spec)
    else:
        probe_of(opu)
        folder = _make_folder(out, config.device)
    try:
        with _shown() as on_progress, opu:
            report = measure_matrix(
                opu,
                folder,
                seed=seed,
                interleave=INTERLEAVE if interleave is None else interleave,
                resume=resume is not None,
                on_progress=on_progress,
            )
    except (KeyboardInterrupt, OPUError, OSError):
        _say_where(folder, opu)
        raise
    files = {"folder": folder, "matrix": folder / MATRIX, "rows": folder / ROWS, "calibration": folder / CALIBRATION}
    document = {
        "profile": config.device,
        **report.as_json(),
        **{name: str(path) for name, path in files.items()},
    }
    write_atomic(folder / REPORT, json.dumps(document, indent=1, allow_nan=False) + "\n")
    remove_blocks(folder, report.plan)
    lines = [summary(report), f"matrix: {files['matrix']}"]
    if report.plan.retrieval.startswith("phase") and report.plan.complex_rows:
        # Its columns carry the beam already.
        lines.append('a simulator with it: medium = "matrix", matrix_file = that file, laser.profile = "flat"')
    _print(as_json, document, *lines)
    return document


def summary(report: MatrixReport) -> str:
    """A few lines for people."""
    plan = report.plan
    kind = "complex, rows known up to a phase" if plan.complex_rows else "real, what linear_transform applies"
    lines = [
        f"matrix of {plan.device}: {plan.n_rows} rows x {plan.n_inputs} inputs, {kind}",
        f"  {plan.n_patterns} Hadamard patterns by {plan.retrieval}, {report.frames:,} frames, "
        f"{report.device_s:.3g} s of the device's time",
        f"  relative error {report.relative_error} (from noise alone {report.from_noise}); signal-to-noise of a pattern "
        f"{report.snr}",
        f"  drift: brightness within {report.brightness_range:.2%}"
        + (f", phase within {report.phase_range_rad:.2g} rad" if plan.complex_rows else "")
        + f"; medium at the end against the start {report.medium_correlation}",
    ]
    return "\n".join([*lines, *cautions(report)])


def cautions(report: MatrixReport) -> list[str]:
    """What is wrong with a measurement, and what to do."""
    found = []
    if report.medium_moved:
        found.append(
            f"warning: the medium moved: of the known pattern's field {_percent(report.medium_correlation)} were left at the "
            f"end, after {report.device_s:.3g} s, and the matrix is a blur of what it was meanwhile. Hold medium and mounts "
            "still (temperature, air, clamps), or be quicker: fewer inputs, more light for a shorter exposure"
        )
    if report.saturated > SATURATED:
        found.append(
            f"warning: {report.saturated:.1%} of readings were saturated, and rows with them are wrong: calibrate again with "
            "half of the inputs on (--fill 0.5), or lower the laser power"
        )
    if report.phase_steps_rms_rad > 1.0:
        found.append(
            f"warning: the reference's phase moved by {report.phase_steps_rms_rad:.1f} rad rms within a block of "
            f"{report.plan.interleave} patterns, too far to follow: lower --interleave, or shield the arm from draughts"
        )
    return found


def _percent(figure: Quantity) -> str:
    return "an unknown part" if figure.value is None else f"{figure.value:.0%}"


def _check_resumable(folder: Path, spec: DeviceSpec) -> None:
    """Before anything is lit. Where the report was written and blocks are still there, resuming finishes the clearing up."""
    plan = load_plan(folder, spec)
    if (folder / REPORT).exists() and missing_blocks(folder, plan):
        raise InputError(f"--resume {folder}: this measurement is complete; its matrix is {folder / MATRIX}")


def _make_folder(out: Path | None, device: str) -> Path:
    if out is not None and (out / MANIFEST).exists():
        raise ConfigError(f"--out {out} holds a measurement already: --resume {out} goes on with it, or choose another")
    return make_result_folder(out, f"matrix-{device}", (MATRIX, ROWS, REPORT, CALIBRATION))


def _say_where(folder: Path, opu: OPU) -> None:
    if not (folder / MANIFEST).exists():
        if not any(folder.iterdir()):
            folder.rmdir()
        return
    plan = load_plan(folder, opu.spec)
    left = sum(len(plan.numbers(block)) for block in missing_blocks(folder, plan))
    Console(stderr=True, soft_wrap=True, highlight=False).print(
        f"stopped, light off: {plan.n_patterns - left} of {plan.n_patterns} patterns are kept in {folder}; "
        f"--resume {folder} goes on",
        markup=False,
    )


@contextmanager
def _shown() -> Iterator[Any]:
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task("calibration", total=None)

        def on_progress(step: str, done: int, total: int) -> None:
            bar.update(task, description=step, completed=done, total=total)

        yield on_progress


def _print(as_json: bool, document: dict[str, Any], *lines: str) -> None:
    if as_json:
        print(json.dumps(document, allow_nan=False))  # noqa: T201
        return
    console = Console(soft_wrap=True, highlight=False)
    for line in lines:
        console.print(line, markup=False)
