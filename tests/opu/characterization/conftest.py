"""A simulated device with known settings, open, on a bench."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

import opu
from opu.characterization.bench import Bench, choose_outputs
from opu.device import Acquisition

# Everything that a preset might come to switch on is pinned: one effect at a time.
CAMERA = {"bit_depth": 8, "read_noise_e": 12.0, "prnu_rms": 0.0, "dsnu_e": 0.0, "black_level_dn": 2.0}
LASER = {"profile": "flat", "rin_rms": 0.0, "power_drift_rms": 0.0}


@pytest.fixture
def open_sim() -> Iterator[Callable[..., opu.OPU]]:
    """open_sim(camera={...}, laser={...}, **settings) -> an open OPU, closed after the test."""
    with ExitStack() as stack:

        def make(camera: Any = None, laser: Any = None, **settings: Any) -> opu.OPU:
            settings = {"n_inputs": 48, "n_outputs": 768, "seed": 5} | settings
            options = {"camera": CAMERA | (camera or {}), "laser": LASER | (laser or {})}
            return stack.enter_context(opu.open("sim", **options, **settings))

        yield make


@pytest.fixture
def sim_bench(open_sim) -> Callable[..., tuple[Bench, Acquisition]]:
    """sim_bench(...) -> bench, and the acquisition of mean level 1/8 at half of the inputs on."""

    def make(**settings: Any) -> tuple[Bench, Acquisition]:
        from opu.exposure import auto_exposure

        device = open_sim(**settings).device
        bench = Bench(device, choose_outputs(device.spec), quick=True)
        dark_dn = float(device.settings.camera.black_dn)
        return bench, auto_exposure(device, bench.frames(bench.patterns(16, purpose=0)), dark_dn)[0]

    return make
