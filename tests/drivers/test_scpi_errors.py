"""Errors on the wire, and the exceptions they come from and become."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opu.drivers.scpi_errors import LONGEST, ScpiError, coded, parsed, raised

from opu.errors import CapabilityError, ConfigError, DeviceClosed, DeviceError, DeviceLost, InputError


@pytest.mark.parametrize("kind", [InputError, DeviceError, DeviceClosed, DeviceLost, CapabilityError])
def test_a_devices_exception_is_the_same_for_the_client(kind):
    message = 'device "lab": exposure_s = 2 s; choose less'
    error = raised(parsed(coded(kind(message)).shown(None)), "there")
    assert type(error) is kind
    assert message in str(error)


def test_what_is_no_devices_is_a_system_error():
    assert coded(ZeroDivisionError("x")).code == -310
    assert coded(ConfigError("x")).code == 2


@given(st.text(max_size=400), st.sampled_from([1, -222, 9]))
def test_entries_are_one_line_of_ascii(text, code):
    error = ScpiError(code, text)
    full, short = error.shown(None), error.shown()
    for shown in (full, short):
        assert shown.isascii()
        assert "\n" not in shown
    assert parsed(full).code == code
    assert len(short) <= LONGEST * 2 + 10
    ascii_text = " ".join(text.encode("ascii", "backslashreplace").decode().split())
    assert parsed(full).detail.strip() == ascii_text
