"""Inputs: crosstalk and light of single inputs against what was put into a stored matrix."""

import numpy as np
import pytest
from opu.hw_tests.check_inputs import CHECKS
from opu.hw_tests.session import Session
from opu.hw_tests.suite import judge

from opu import OPU
from opu.testing import ReferenceDevice

ACTS, ALIVE, CROSSTALK = CHECKS
N_INPUTS, N_OUTPUTS = 48, 2048


def outcome(check, matrix):
    session = Session("d", lambda: OPU(ReferenceDevice(matrix, brightness=2e4)))
    found = judge(session, check).outcome
    session.close()
    return found


def medium(seed=3):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((N_OUTPUTS, N_INPUTS)) + 1j * rng.standard_normal((N_OUTPUTS, N_INPUTS))


@pytest.mark.parametrize("field", [0.0, 0.15, 0.4])
def test_crosstalk_is_the_light_that_the_next_input_gives(field):
    """Disjoint patterns of half of every second input: ((1 + 1/2)^2 - 1) c^2 over the light of a pattern, 1 + c^2, squared."""
    a = medium()
    found = outcome(CROSSTALK, a + field * np.roll(a, -1, axis=1))
    expected = field**2 / (1 + field**2) ** 2
    # The law is of many inputs; a pattern of 12 leaves its own fluctuation.
    assert found.figure.value == pytest.approx(expected, abs=5 * found.figure.standard_error + 0.02)
    assert (found.result == "failed") == (field == 0.4)


def test_light_that_all_patterns_share_is_no_crosstalk():
    """Mirrors leak: whatever is on, an image holds a part of the field of all. Correlations of all pairs rise alike."""
    a = medium()
    a += 0.05 * a.sum(
        axis=1, keepdims=True
    )  # 12 inputs on: 0.6 of the field of all, which has twice that of the pattern
    found = outcome(CROSSTALK, a)
    assert found.result == "passed"
    assert abs(found.figure.value) < 5 * found.figure.standard_error + 0.02


def test_the_light_of_inputs_is_measured_relative_to_the_typical():
    a, light = medium(), np.ones(N_INPUTS)
    light[5], light[11], light[20] = 0.0, 0.1, 3.0
    found = outcome(ALIVE, a[:, :N_INPUTS] * np.sqrt(light))
    assert (found.result, found.cause) == ("failed", "dead inputs")
    asked = found.data["relative_light"]
    assert len(asked) == 32
    assert set(found.data["inputs"]) <= {5, 11}
    assert np.median(asked) == pytest.approx(1, abs=0.05)


def test_faint_light_takes_more_frames():
    """Noise as strong as the light of a third of the inputs."""
    rng = np.random.default_rng(4)

    class Faint(ReferenceDevice):
        def measure(self, frames):
            readings = super().measure(frames).astype(np.int64)
            return np.clip(readings + rng.normal(4000, 400, readings.shape), 0, 65535).astype(np.uint16)

    session = Session("d", lambda: OPU(Faint(medium()[:512], brightness=20.0)))
    found = judge(session, ALIVE).outcome
    session.close()
    assert found.statistics.n > 16 * 32, found
    assert found.result == "passed", found.message


def test_a_frozen_image():
    a = np.repeat(medium()[:, :1], N_INPUTS, axis=1)
    same = outcome(ACTS, a)
    assert (same.result, same.cause) == ("failed", "frozen image")
    assert outcome(ACTS, medium()).result == "passed"
