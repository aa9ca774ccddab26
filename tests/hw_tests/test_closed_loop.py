"""The suite over the closed loop: ALP library, GigE Vision and SCPI around simulated light.

All checks, and other presets, take two minutes each: benchmarks/hil_false_alarms.py.
"""

from dataclasses import replace

import pytest
from opu.hw_tests.command import Asked, checks_of, session_of
from opu.hw_tests.suite import run

from opu.config import load_config

from ..drivers.aravis_camera import library  # noqa: TID252 - the tests of the bench have the loop
from ..drivers.closed_loop import Sizes, closed_loop  # noqa: TID252

pytest.importorskip("viva_genicam", reason="needs viva-genicam: pip install 'openopu[viva]'")
pytest.importorskip("pyvisa", reason="needs pyvisa: pip install 'openopu[visa]'")
pytestmark = pytest.mark.skipif(library() is None, reason="needs Aravis: apt-get install aravis-tools")

GROUPS = ("identity", "safety", "outputs", "frames", "projection", "timing", "recovery")
LIMITS = {"frame_rate": 0.1}  # Aravis's fake camera lets 0.1 s pass between a start and its first frame


@pytest.mark.slow
def test_a_healthy_loop_is_fit(tmp_path):
    with closed_loop(tmp_path, sizes=Sizes(n_inputs=40, region=(16, 20))) as loop:
        config = load_config(loop.write_config(tmp_path / "lab.toml"), "lab")
        wanted = Asked(allow_laser=True, only=GROUPS)
        verdict = run(session_of(replace(config, hil=LIMITS), wanted), checks_of(wanted))
        troubles = [one for one in verdict.judged if one.outcome.result != "passed"]
        assert verdict.fitness == "fit", troubles
        assert not loop.laser.is_on
