"""The power meter driver on scripts: exact commands and replies, none left over."""

import pytest
from opu.drivers.pm100d import PM100D, Pm100d, Pm100dSettings

from opu.errors import DeviceClosed, DeviceError, DeviceLost
from opu.parts import PowerMeter

from .expected_protocol import checked, expected_protocol

IDN = ("*IDN?", "Thorlabs,PM100D,P0004711,2.4.0")
NO_ERROR = ("SYST:ERR?", '+0,"No error"')
RANGE = [("SENS:CORR:WAV? MIN", "4.00000000E+02"), ("SENS:CORR:WAV? MAX", "1.10000000E+03")]
OPENING = [IDN, NO_ERROR, *RANGE, *checked("SENS:CORR:WAV 532", "SENS:POW:UNIT W", "SENS:POW:RANG:AUTO 1")]
ZERO = checked("SENS:CORR:COLL:ZERO:INIT")
STATE = "SENS:CORR:COLL:ZERO:STAT?"


def meter(link, **settings):
    return Pm100d(
        Pm100dSettings(**{"resource": "x", "wavelength_m": 532e-9} | settings), link, sleep=lambda seconds: None
    )


def test_a_life():
    script = [
        *ZERO,
        (STATE, "1"),
        (STATE, "1"),
        (STATE, "0"),
        NO_ERROR,
        ("MEAS:POW?", "1.234E-03"),
        ("MEAS:POW?", "-2E-9"),
    ]
    with expected_protocol(*OPENING, *script) as link:
        part = meter(link)
        assert isinstance(part, PowerMeter)
        part.open()
        assert part.model == "Thorlabs PM100D P0004711"
        part.zero()
        assert part.read_w() == 1.234e-3
        assert part.read_w() == -2e-9  # noise around zero is no error
        part.close()
        part.close()
    with pytest.raises(DeviceClosed):
        part.read_w()


@pytest.mark.parametrize("answer", ["9.9E+37", "9.91000000E+37", "-9.9E+37"])
def test_over_range(answer):
    with expected_protocol(*OPENING, ("MEAS:POW?", answer)) as link:
        part = meter(link)
        part.open()
        with pytest.raises(DeviceError, match="over its range"):
            part.read_w()


def test_zeroing_that_does_not_end():
    end = checked("SENS:CORR:COLL:ZERO:ABOR")
    with expected_protocol(*OPENING, *ZERO, (STATE, "1"), (STATE, "1"), *end) as link:
        part = meter(link, zero_timeout_s=0.2)
        part.open()
        with pytest.raises(DeviceError, match=r"does not end within 0.2 s; is light on the sensor"):
            part.zero()


@pytest.mark.parametrize("wavelength_m", [399e-9, 1101e-9])
def test_a_wavelength_that_its_sensor_does_not_know(wavelength_m):
    with (
        expected_protocol(IDN, NO_ERROR, *RANGE) as link,
        pytest.raises(DeviceError, match="not within 400 to 1100 nm of its sensor"),
    ):
        meter(link, wavelength_m=wavelength_m).open()
    assert not link.is_open


def test_another_instrument():
    with (
        expected_protocol(("*IDN?", "THORLABS,CLD1015,M1,1")) as link,
        pytest.raises(DeviceError, match="is no PM100 or PM400"),
    ):
        meter(link).open()
    assert not link.is_open


def test_no_answer():
    with expected_protocol(*OPENING, ("MEAS:POW?", None)) as link:
        part = meter(link)
        part.open()
        with pytest.raises(DeviceLost, match=r"power meter pm100d at x: no answer to 'MEAS:POW\?'"):
            part.read_w()


def test_the_kind_needs_a_wavelength():
    with pytest.raises(ValueError, match="wavelength_m"):
        PM100D.settings(resource="x")
