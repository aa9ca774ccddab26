"""The folder of one characterization: report.html, characterization.json, measurements.npz."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np

from opu.files import write_atomic

from .characterize import Characterization
from .report import html

REPORT, FIGURES, MEASUREMENTS = "report.html", "characterization.json", "measurements.npz"


def write(folder: Path, result: Characterization) -> None:
    """Write the three files, each whole or not at all; the figures first, the report last."""
    write_atomic(folder / FIGURES, json.dumps(result.as_json(), indent=1, allow_nan=False) + "\n")
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **_arrays(result))  # type: ignore[arg-type]
    write_atomic(folder / MEASUREMENTS, buffer.getvalue())
    write_atomic(folder / REPORT, html(result))


def _arrays(result: Characterization) -> dict[str, np.ndarray]:
    """What the plots show, and the per-output figures; small whatever the device."""
    transfer, again, kernel = result.photon_transfer, result.repeatability, result.kernel
    arrays: dict[str, np.ndarray] = {
        "transfer_mean_dn": transfer.mean_dn,
        "transfer_variance_dn2": transfer.variance_dn2,
        "transfer_variance_error_dn2": transfer.variance_error_dn2,
        "speckle_bin_edges": result.speckle.bin_edges,
        "speckle_density": result.speckle.density,
        "repeatability_lag_s": again.lag_s,
        "repeatability_correlation": again.correlation,
        "repeatability_correlation_error": again.correlation_error,
        "kernel_n_features": kernel.n_features,
        "kernel_errors": kernel.errors,
        "kernel_expected": kernel.expected,
        "snr_output": result.signal_to_noise.indices,
        "snr": result.signal_to_noise.per_output,
        "linearity_together": result.linearity.together,
        "linearity_apart": result.linearity.apart,
    }
    for i, stack in enumerate(result.dark.stacks):
        arrays[f"dark_{i}_histogram"] = stack.histogram
        arrays[f"dark_{i}_exposure_s_and_first_code"] = np.array([stack.exposure_s, stack.first_code])
    if result.speckle.correlation is not None:
        arrays["neighbour_correlation"] = result.speckle.correlation
    return arrays
