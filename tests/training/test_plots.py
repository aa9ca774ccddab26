from __future__ import annotations

import dataclasses
import struct
import sys
from pathlib import Path

import pytest
from opu.training.arms import ALL_ARMS, ARMS
from opu.training.compare_plot import save_comparison
from opu.training.plots import save_curves
from opu.training.record import EpochRecord
from opu.training.result import RunResult

from opu.errors import OPUError


def result(method: str, feedback: str | None, epochs: int = 3) -> RunResult:
    angles = {"bp": (0.0,), "shallow": (None,), "slots": (None,)}.get(method, (70.0,))
    history = tuple(EpochRecord(k, 1 / k, 0.8, 0.9, 1e-3, angles, angles, 0, 0.0, 1.0) for k in range(1, epochs + 1))
    angle = angles[0]
    return RunResult(method, feedback, None, "digits", 0, epochs, 0.9, 3.0, 0, 0.0, angle, angle, "x", history)


@pytest.mark.parametrize("epochs", [1, 3, 40])
@pytest.mark.parametrize("arm", [*ARMS, ALL_ARMS[4], ALL_ARMS[-1]], ids=lambda a: a.name)
def test_curves_are_wide_pngs(tmp_path: Path, arm: object, epochs: int) -> None:
    save_curves(result(arm.method, arm.feedback, epochs), tmp_path / "c.png")  # type: ignore[attr-defined]
    data = (tmp_path / "c.png").read_bytes()
    width, height = struct.unpack(">II", data[16:24])
    assert data.startswith(b"\x89PNG")
    assert width > 2 * height


def test_missing_angles_leave_gaps(tmp_path: Path) -> None:
    whole = result("dfa", "digital")
    holed = dataclasses.replace(whole.history[1], sample_angle_deg=(None,), batch_angle_deg=(None,))
    save_curves(dataclasses.replace(whole, history=(whole.history[0], holed, whole.history[2])), tmp_path / "c.png")


def test_comparison_of_equal_results_still_has_an_axis(tmp_path: Path) -> None:
    rows = [(arm, [result(arm.method, arm.feedback)] * n) for arm, n in zip(ARMS, (1, 2, 3, 1), strict=True)]
    save_comparison(rows, "digits", tmp_path / "c.png")
    save_comparison([(arm, [result(arm.method, arm.feedback)]) for arm in ALL_ARMS], "digits", tmp_path / "all.png")
    assert (tmp_path / "c.png").stat().st_size > 10_000


def test_missing_matplotlib_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(OPUError, match=r"pip install 'openopu\[train\]'"):
        save_curves(result("bp", None), tmp_path / "c.png")
