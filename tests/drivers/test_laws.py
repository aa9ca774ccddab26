"""The contract of opu.testing holds through the appliance, over every transport."""

import numpy as np
import pytest
from opu.drivers import session
from opu.drivers.transport import VisaTransport
from opu.sim.device import SimulatedDevice
from opu.sim.settings import SimSettings

from opu.testing import LAWS, Subject

SETTINGS = SimSettings.model_validate({"n_inputs": 20, "n_outputs": 160, "preset": "typical", "seed": 11})


@pytest.fixture(params=["SOCKET", "HiSLIP", "SOCKET by viRead"])
def resource(request, serve, monkeypatch):
    appliance = serve(SimulatedDevice(SETTINGS))
    if "viRead" in request.param:  # what a VISA library other than pyvisa-py gets
        monkeypatch.setattr(session, "SocketTransport", lambda visa, *_: VisaTransport(visa, has_end=False))
    return appliance.resources["HiSLIP" in request.param]


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())
def test_served_device_keeps_law(law, resource, connect):
    law(Subject(make=lambda: connect(resource), repeatable=True, similarity=0.95))


def test_orientation_through_the_wire(serve, connect):
    """One-hot frames light columns of a stored matrix whose intensities are known."""
    from opu.testing import ReferenceDevice

    rng = np.random.default_rng(5)
    matrix = rng.standard_normal((160, 20)) + 1j * rng.standard_normal((160, 20))
    resource = serve(ReferenceDevice(matrix)).resources[0]
    subject = Subject(make=lambda: connect(resource), repeatable=True, intensities=np.abs(matrix) ** 2, similarity=0.99)
    LAWS["orientation_is_out_in"](subject)
