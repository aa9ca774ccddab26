"""The Thorlabs laser driver on scripts: exact commands and replies, none left over."""

import threading

import pytest
from opu.drivers.cld101x import CLD101X, Cld101x, Cld101xSettings

from opu.errors import ConfigError, DeviceClosed, DeviceError, DeviceLost
from opu.parts import Laser

from .expected_protocol import ScriptedLink, checked, expected_protocol

IDN = ("*IDN?", "THORLABS,CLD1015,M00270123,1.1.0/0.34/0.7")
ITC = ("*IDN?", "THORLABS,ITC4001,M00404166,1.3.0")
NO_ERROR = ("SYST:ERR?", '+0,"No error"')
DARK = [("OUTP:STAT OFF", None), ("OUTP:STAT?", "0")]
LIMIT = ("SOUR:CURR:LIM:AMPL?", "1.000000E-01")
CLOSED = [(f"OUTP:PROT:{name}:TRIP?", "0") for name in ("INTL", "KEYL", "OTEM", "CONN")]
COOLED = ("OUTP2:STAT?", "1")


def level(current_a, told=None):
    return [*checked(f"SOUR:CURR:LEV:IMM:AMPL {current_a:g}"), ("SOUR:CURR:LEV:IMM:AMPL?", told or f"{current_a:.6E}")]


def opening(current_a=0.06, idn=IDN):
    return [idn, *DARK, NO_ERROR, *checked("SOUR:FUNC:MODE CURR"), LIMIT, *level(current_a)]


def laser(link, **settings):
    defaults = {"resource": "USB0::1::2::3::INSTR", "current_a": 0.06}
    return Cld101x(Cld101xSettings(**defaults | settings), link, sleep=lambda seconds: None)


def test_a_life():
    script = [*opening(), *CLOSED, COOLED, *checked("OUTP:STAT ON"), ("OUTP:STAT?", "0"), *CLOSED, ("OUTP:STAT?", "1")]
    status = [("OUTP:STAT?", "1"), ("SENS3:CURR:DATA?", "5.99E-02"), ("SENS2:TEMP:DATA?", "25.01")]
    with expected_protocol(*script, *status, *DARK, *DARK) as link:
        part = laser(link, slope_w_per_a=0.5, threshold_a=0.02, wavelength_m=520e-9)
        part.open()
        assert isinstance(part, Laser)
        assert (part.spec.model, part.spec.serial, part.spec.wavelength_m) == ("THORLABS CLD1015", "M00270123", 520e-9)
        assert part.spec.power_max_w == pytest.approx(0.5 * (0.1 - 0.02))
        part.on()
        seen = part.status()
        assert (seen.light_on, seen.interlock, seen.fault, seen.temperature_c) == (True, "closed", "", 25.01)
        assert seen.power_w == pytest.approx(0.5 * (0.0599 - 0.02))
        part.off()
        part.close()
        part.close()
        part.off()
        assert part.status() == part.status()
        assert not part.status().is_open


def test_what_was_lit_is_dark_before_anything_else():
    """Old errors are thrown away, since they are nobody's here."""
    script = [IDN, *DARK, ("SYST:ERR?", '-100,"old"'), NO_ERROR, *opening()[4:]]
    with expected_protocol(*script, *DARK) as link:
        part = laser(link)
        part.open()
        part.close()


def test_light_that_stays_on_is_told():
    stuck = [("OUTP:STAT OFF", None), ("OUTP:STAT?", "1")]
    with (
        expected_protocol(IDN, *stuck, *stuck) as link,
        pytest.raises(DeviceError, match="stays on after OUTP:STAT OFF; turn the key"),
    ):
        laser(link).open()
    assert not link.is_open


def test_another_instrument_is_sent_nothing():
    with (
        expected_protocol(("*IDN?", "KEITHLEY,2400,1,2")) as link,
        pytest.raises(DeviceError, match="KEITHLEY,2400,1,2' is no CLD1010"),
    ):
        laser(link).open()
    assert not link.is_open


@pytest.mark.parametrize(
    ("name", "said"),
    [("INTL", "the interlock is open: close it"), ("KEYL", "key"), ("OTEM", "too warm"), ("CONN", "badly connected")],
)
def test_a_tripped_protection_keeps_it_dark(name, said):
    asked = [(query, "1" if name in query else "0") for query, _ in CLOSED]
    idle = [("SENS3:CURR:DATA?", "0"), ("SENS2:TEMP:DATA?", "25")]
    with expected_protocol(*opening(), *asked, ("OUTP:STAT?", "0"), *asked, *idle) as link:
        part = laser(link)
        part.open()
        with pytest.raises(DeviceError, match=f"no light: .*{said}"):
            part.on()
        seen = part.status()
        assert said in seen.fault
        assert seen.interlock == ("open" if name == "INTL" else "closed")
        assert seen.light_on is False


def test_an_itc4000_is_asked_for_its_own_protections():
    tripped = [(f"OUTP:PROT:{name}:TRIP?", str(int(name == "VOLT"))) for name in ("INTL", "KEYL", "OTEM", "VOLT")]
    with expected_protocol(*opening(idn=ITC), *tripped) as link:
        part = laser(link)
        part.open()
        with pytest.raises(DeviceError, match="compliance"):
            part.on()


def test_a_trip_while_it_comes_on_turns_it_off():
    tripped = [(query, "1" if "INTL" in query else "0") for query, _ in CLOSED]
    script = [*opening(), *CLOSED, COOLED, *checked("OUTP:STAT ON"), ("OUTP:STAT?", "0"), *tripped, *DARK]
    with expected_protocol(*script) as link:
        part = laser(link)
        part.open()
        with pytest.raises(DeviceError, match="interlock"):
            part.on()


def test_an_output_that_does_not_come_on():
    coming = [("OUTP:STAT?", "0"), *CLOSED]
    with expected_protocol(*opening(), *CLOSED, COOLED, *checked("OUTP:STAT ON"), *coming, *coming, *DARK) as link:
        part = laser(link, on_timeout_s=0.2)
        part.open()
        with pytest.raises(DeviceError, match=r"still off 0.2 s after"):
            part.on()


def test_off_by_another_thread_ends_the_coming_on():
    script = [*opening(), *CLOSED, COOLED, *checked("OUTP:STAT ON"), ("OUTP:STAT?", "0"), *CLOSED]
    with expected_protocol(*script, *DARK, ("OUTP:STAT?", "0"), *DARK) as link:
        part = laser(link)

        def sleep(seconds):
            thread = threading.Thread(target=part.off)
            thread.start()
            thread.join()

        part._sleep = sleep
        part.open()
        with pytest.raises(DeviceError, match="was turned off while its light came on"):
            part.on()


def test_without_temperature_control_there_is_no_light():
    with expected_protocol(*opening(), *CLOSED, ("OUTP2:STAT?", "0")) as link:
        part = laser(link)
        part.open()
        with pytest.raises(DeviceError, match="temperature controller is off"):
            part.on()
    with expected_protocol(*opening(), *CLOSED, *checked("OUTP:STAT ON"), ("OUTP:STAT?", "1")) as link:
        part = laser(link, tec="ignored")
        part.open()
        part.on()


def test_a_refused_command_turns_it_off():
    script = [*opening(), *CLOSED, COOLED, ("OUTP:STAT ON", None), ("SYST:ERR?", '-221,"Settings conflict"'), NO_ERROR]
    with expected_protocol(*script, *DARK) as link:
        part = laser(link)
        part.open()
        with pytest.raises(DeviceError, match=r"'OUTP:STAT ON' is refused: Settings conflict \(-221\)"):
            part.on()


def test_power_is_set_through_the_slope():
    script = [*opening(0.06), *level(0.07), *level(0.0), *level(0.1)]
    with expected_protocol(*script) as link:
        part = laser(link, current_a=None, power_w=0.02, slope_w_per_a=0.5, threshold_a=0.02)
        part.open()
        assert part.set_power(0.025) == pytest.approx(0.025)
        assert part.set_power(0.0) == 0.0
        assert part.set_power(part.spec.power_max_w) == pytest.approx(0.04)
        for power_w in (0.0401, -0.001):
            with pytest.raises(DeviceError, match=f"{power_w:g} W is not within 0 to 0.04 W"):
                part.set_power(power_w)


def test_the_limits_of_the_instrument_are_obeyed():
    with (
        expected_protocol(*opening()[:-3], *DARK) as link,
        pytest.raises(DeviceError, match=r"0.11 A is not within 0 to 0.1 A"),
    ):
        laser(link, current_a=0.11).open()
    assert not link.is_open


def test_a_limit_of_ones_own_is_set_and_never_raises_the_other():
    lowered = [*checked("SOUR:CURR:LIM:AMPL 0.08"), ("SOUR:CURR:LIM:AMPL?", "8.0E-02")]
    with expected_protocol(*opening()[:-3], *lowered, *level(0.06)) as link:
        part = laser(link, current_max_a=0.08)
        part.open()
        with pytest.raises(DeviceError, match=r"0 to 0\.08 A"):
            part.set_current(0.09)
    with expected_protocol(*opening()) as link:
        laser(link, current_max_a=0.5).open()
    ignored = [*checked("SOUR:CURR:LIM:AMPL 0.08"), ("SOUR:CURR:LIM:AMPL?", "1.0E-01")]
    with (
        expected_protocol(*opening()[:-3], *ignored, *DARK) as link,
        pytest.raises(DeviceError, match="set it at the instrument"),
    ):
        laser(link, current_max_a=0.08).open()


def test_a_level_that_is_not_taken():
    with (
        expected_protocol(*opening()[:-3], *level(0.06, "3.0E-02"), *DARK) as link,
        pytest.raises(DeviceError, match=r"set to 0.06 A and says 0.03 A"),
    ):
        laser(link).open()


def test_no_level_no_light():
    with expected_protocol(*opening(0.0), *CLOSED) as link:
        part = laser(link, current_a=None)
        part.open()
        assert part.spec.power_max_w == 0
        with pytest.raises(DeviceError, match="current is 0 A"):
            part.on()
        with pytest.raises(DeviceError, match="needs slope_w_per_a"):
            part.set_power(0.01)


def test_off_goes_over_a_new_link_where_the_old_one_is_lost():
    script = [*opening(), ("OUTP:STAT?", None)]
    with expected_protocol(*script, IDN, *DARK, *DARK) as link:
        part = laser(link)
        part.open()
        seen = part.status()
        assert (seen.is_open, seen.light_on) == (True, None)
        assert "no answer to 'OUTP:STAT?'" in seen.fault
        with pytest.raises(DeviceLost):
            part.on()
        part.off()
        assert link.opened == 2
        part.close()


def test_a_pulled_cable_is_told_and_the_part_can_be_opened_again():
    with expected_protocol(*opening(), *opening(), *DARK) as link:
        part = laser(link)
        part.open()
        link.dead = True
        with pytest.raises(DeviceLost, match="cannot be reached"):
            part.off()
        with pytest.raises(DeviceLost, match="cannot be reached"):
            part.close()
        part.close()
        link.dead = False
        part.open()
        part.close()


def test_nothing_answers():
    link = ScriptedLink()
    link.dead = True
    part = laser(link)
    with pytest.raises(DeviceLost, match=r"laser cld101x at USB0::1::2::3::INSTR: cannot be reached"):
        part.open()
    with pytest.raises(DeviceClosed):
        _ = part.spec


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"current_a": 0.1, "power_w": 0.1, "slope_w_per_a": 1.0}, "leave one out"),
        ({"power_w": 0.1}, "needs slope_w_per_a"),
        ({"current_a": -1.0}, "greater than 0"),
        ({"amps": 1.0}, "amps"),
    ],
)
def test_settings_that_make_no_sense(wrong, said):
    with pytest.raises((ConfigError, ValueError), match=said):
        CLD101X.settings(resource="x", **wrong)
