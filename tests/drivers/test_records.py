"""Spec, status and acquisition come back equal, to the last bit of every float."""

from hypothesis import given
from hypothesis import strategies as st
from opu.drivers.records import acquisition_text, parse_acquisition, parse_spec, parse_status, record_text

from opu.device import Acquisition, DeviceSpec, DeviceStatus

finite = st.floats(allow_nan=False, allow_infinity=False)
acquisitions = st.builds(
    Acquisition, finite, st.none() | finite, st.booleans(), st.lists(finite, max_size=5).map(tuple)
)


@given(acquisitions)
def test_acquisitions(acquisition):
    assert parse_acquisition(acquisition_text(acquisition)) == acquisition


@given(st.builds(DeviceStatus, st.booleans(), st.none() | st.booleans(), acquisition=st.none() | acquisitions))
def test_statuses(status):
    assert parse_status(record_text(status)) == status


@given(st.text(), finite, st.none() | st.tuples(st.integers(), st.integers()), st.tuples(finite, finite))
def test_specs(text, number, shape, tilt):
    spec = DeviceSpec(
        "kind", text, text, 3, 4, 8, 255, number, 1e-6, 1.0, text, output_shape=shape, reference_tilt_cycles_per_px=tilt
    )
    assert parse_spec(record_text(spec)) == spec


def test_no_acquisition():
    assert acquisition_text(None) == "NONE"
