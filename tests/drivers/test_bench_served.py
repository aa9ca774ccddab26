"""A bench behind `opu serve`: the contract through the wire, and no light when its controller is gone."""

import numpy as np
import pytest
from opu.drivers.bench_device import BenchDevice

from opu.device import Acquisition
from opu.testing import LAWS, Subject

from . import fake_parts as fp
from .conftest import until


@pytest.fixture(autouse=True)
def _kinds(monkeypatch):
    fp.fake_kinds(monkeypatch)


@pytest.fixture
def served(serve):
    """serve the bench of a world -> its resource"""
    world = fp.World()
    device = BenchDevice(world.settings(trigger="modulator"), world.clock, world.sleep)
    return world, serve(device).resources[0]


@pytest.mark.parametrize("law", ["light_follows_exposure", "limits_are_refused_before_light", "status_is_truthful"])
def test_laws_through_the_wire(served, connect, law):
    _, resource = served
    LAWS[law](Subject(make=lambda: connect(resource), repeatable=True, similarity=0.95))


def test_the_light_goes_with_the_controller(served, connect):
    world, resource = served
    client = connect(resource)
    client.open()
    client.configure(Acquisition(2e-3))
    client.measure(np.ones((3, 21), bool))
    assert world.light_on
    client._session.close()  # the cable
    until(lambda: not world.light_on)
    assert not world.violations
