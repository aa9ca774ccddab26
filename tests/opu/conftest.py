"""A reference OPU: a stored matrix, so that every result has an oracle."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from opu.processor import OPU
from opu.testing import ReferenceDevice


def stored_matrix(n_outputs: int, n_inputs: int, anchor_share: float, seed: int = 0) -> np.ndarray:
    """Unit-variance complex columns for the data, and an anchor column in the middle with its share of the power."""
    rng = np.random.default_rng(seed)
    matrix = (
        rng.standard_normal((n_outputs, n_inputs + 1)) + 1j * rng.standard_normal((n_outputs, n_inputs + 1))
    ) / 2**0.5
    matrix[:, n_inputs // 2] *= np.sqrt(n_inputs * anchor_share / (1 - anchor_share))
    return matrix


@pytest.fixture
def reference() -> Callable[..., tuple[OPU, np.ndarray]]:
    """reference(n_outputs, n_inputs, share, **opu options) -> OPU and the B it should have, up to one scale."""

    def make(n_outputs: int = 500, n_inputs: int = 24, share: float = 0.7, **options):
        matrix = stored_matrix(n_outputs, n_inputs, share)
        column = n_inputs // 2
        anchor, data = matrix[:, column], np.delete(matrix, column, axis=1)
        expected = 2**0.5 * np.real(data * (anchor.conj() / np.abs(anchor))[:, None])
        return OPU(ReferenceDevice(matrix, anchor_input=column, brightness=1e5), **options), expected

    return make


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Installs the kinds `toy` and `toy-real`, for processes started from here as well; returns a folder for traces."""
    home = tmp_path / "site"
    about = home / "openopu_toy-0.0.dist-info"
    about.mkdir(parents=True)
    shutil.copy(Path(__file__).with_name("openopu_toy.py"), home)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: openopu-toy\nVersion: 0.0\n")
    (about / "entry_points.txt").write_text("[opu.devices]\ntoy = openopu_toy:KIND\ntoy-real = openopu_toy:REAL\n")
    monkeypatch.syspath_prepend(home)
    trace = tmp_path / "trace"
    trace.mkdir()
    return trace
