import os

import numpy as np
import pytest

import opu
from opu.calibration import Calibration
from opu.errors import CalibrationError

SIZE = {"n_inputs": 30, "n_outputs": 64, "seed": 1}


def test_a_saved_calibration_is_used_as_it_was(tmp_path):
    path = tmp_path / "cal.safetensors"
    e = np.random.default_rng(0).standard_normal((3, 30))
    with opu.open("sim", **SIZE, preset="ideal") as o:
        first = o.calibrate()
        z = o.linear_transform(e)
        first.save(path)
    loaded = Calibration.load(path)
    for mine, its in ((loaded, first), (loaded.reference, first.reference)):
        for name in set(type(mine).__dataclass_fields__) - {"reference"}:
            assert np.array_equal(getattr(mine, name), getattr(its, name)), name
    with opu.open("sim", **SIZE, preset="ideal", calibration=path) as o:
        assert np.array_equal(o.linear_transform(e), z)
        assert o.status().frames_shown == 3 * 8 * 4  # nothing was calibrated


@pytest.mark.parametrize(
    "change",
    [{"seed": 2}, {"n_outputs": 65}, {"n_inputs": 31}, {"camera": {"bit_depth": 10}}, {"laser": {"power_w": 0.02}}],
)
def test_a_calibration_of_another_device_is_refused(tmp_path, change):
    with opu.open("sim", **SIZE) as o:
        o.calibrate().save(tmp_path / "cal")
    with pytest.raises(CalibrationError, match=r"does not belong .* Calibrate again"):
        opu.open("sim", **{**SIZE, **change}, calibration=tmp_path / "cal")


@pytest.mark.parametrize("content", [b"", b"nonsense", None])
def test_unreadable_files_are_named(tmp_path, content):
    path = tmp_path / "cal"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CalibrationError, match=str(path)):
        Calibration.load(path)


def test_a_calibration_without_its_record_is_incomplete(tmp_path):
    from safetensors.numpy import save_file

    save_file({"dark_dn": np.zeros(3, np.float32)}, tmp_path / "cal", metadata={"format": "openopu-calibration-2"})
    with pytest.raises(CalibrationError, match="incomplete"):
        Calibration.load(tmp_path / "cal")


def test_a_failed_save_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "cal"
    with opu.open("sim", **SIZE) as o:
        calibration = o.calibrate()
    calibration.save(path)
    before = path.read_bytes()
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        calibration.save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_the_report_says_what_was_measured():
    with opu.open("sim", **SIZE) as o:
        report = o.calibrate().report()
    assert "dark 2.0" in report
    assert "signal-to-noise" in report
