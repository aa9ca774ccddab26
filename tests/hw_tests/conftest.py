"""Sessions over small simulators and over a stored matrix, and the command line in this process."""

from dataclasses import replace

import numpy as np
import pytest
from opu.hw_tests.session import Session

from opu import OPU
from opu.config import Config
from opu.factory import build_profile
from opu.testing import ReferenceDevice

SIZE = {"n_inputs": 64, "n_outputs": 512}


def simulated(preset="typical", **settings):
    """A closed OPU over a simulator."""
    profile = {"kind": "sim", "preset": preset, "seed": 11, **SIZE, **settings}
    return build_profile(Config("test", "patient", {"patient": profile}))


class Recorder(ReferenceDevice):
    """Remembers every acquisition under which frames were shown."""

    def __init__(self, n_inputs=20, n_outputs=64, **spec):
        rng = np.random.default_rng(5)
        shape = (n_outputs, n_inputs)
        super().__init__(rng.standard_normal(shape) + 1j * rng.standard_normal(shape), brightness=1e5)
        self._spec = replace(self._spec, **spec)
        self.shown = []

    def measure(self, frames):
        readings = super().measure(frames)
        self.shown.append(self.status().acquisition)
        return readings


@pytest.fixture
def recorder():
    return Recorder()


@pytest.fixture
def session(recorder):
    """Over the recorder."""
    found = Session("recorder", lambda: OPU(recorder))
    yield found
    found.close()
