"""The spread of the kernel's error by chance, against simulated media of another size."""

import numpy as np
import pytest
from opu.hw_tests.check_medium import CHECKS, spread_of_chance
from opu.hw_tests.session import Session
from opu.hw_tests.suite import judge

from opu import OPU
from opu.testing import ReferenceDevice

KERNEL = next(check for check in CHECKS if check.name == "medium.kernel")


def test_the_spread_does_not_depend_on_the_number_of_outputs():
    """The error of a mean of n products falls as 1/sqrt(n), its own spread likewise."""
    assert spread_of_chance(512) == pytest.approx(spread_of_chance(2048), rel=0.35)
    assert 0.1 < spread_of_chance(512) < 0.5


def test_errors_of_real_media_lie_within_it():
    errors = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        a = rng.standard_normal((256, 40)) + 1j * rng.standard_normal((256, 40))
        session = Session("d", lambda a=a: OPU(ReferenceDevice(a, brightness=2e4)), seed=seed)
        outcome = judge(session, KERNEL).outcome
        session.close()
        assert outcome.result == "passed", outcome.message
        chance = outcome.limit.value - session.limits.kernel_error
        errors.append((outcome.figure.value - chance) / outcome.figure.standard_error)
    # Twelve standard deviates: their mean within 5/sqrt(12), with room for the expected error being a root mean square.
    assert abs(np.mean(errors)) < 1.5
    assert np.std(errors) < 2.5
