"""The OBIS driver on scripts: exact commands and replies, each acknowledged, none left over."""

import threading

import pytest
from opu.drivers.obis import GREETING, OBIS, Obis, ObisSettings

from opu.errors import DeviceClosed, DeviceError, DeviceLost
from opu.parts import Laser

from .expected_protocol import acknowledged, expected_protocol

IDN = ("*IDN?", "Coherent, Inc - OBIS 532nm 50mW C - V1.0.1 - Dec 14 2015")
HELLO = acknowledged((GREETING, None), IDN)
DARK = acknowledged(("SOUR:AM:STAT OFF", None), ("SOUR:AM:STAT?", "OFF"))
READY, LIT, OPEN, KEY, FAULTY = "C8000008", "C8001002", "CC000008", "CE000008", "C8001001"


def opening(power_w=0.02):
    limits = [("SOUR:AM:INT CWP", None), ("SOUR:POW:LIM:LOW?", "0.00100"), ("SOUR:POW:LIM:HIGH?", "0.05500")]
    about = [("SYST:INF:SNUM?", "175291"), ("SYST:INF:WAV?", "532")]
    level = [] if power_w is None else setting(power_w)
    return [*HELLO, *DARK, *acknowledged(("SYST:ERR:NEXT?", '0,"No error"'), *limits, *about), *level]


def setting(power_w):
    return acknowledged((f"SOUR:POW:LEV:IMM:AMPL {power_w:.6f}", None), ("SOUR:POW:LEV:IMM:AMPL?", f"{power_w:.5f}"))


def status(code):
    return acknowledged(("SYST:STAT?", code))


def coming(power_w, state="ON"):
    power = [("SOUR:POW:LEV?", f"{power_w:.5f}")] if state == "ON" else []
    return acknowledged(("SOUR:AM:STAT?", state), *power)


ON = acknowledged(("SOUR:AM:STAT ON", None))


def laser(link, **settings):
    return Obis(
        ObisSettings(**{"resource": "ASRL3::INSTR", "power_w": 0.02} | settings), link, sleep=lambda seconds: None
    )


def test_a_life_with_an_emission_delay():
    """on() returns when there is light, not when it is allowed."""
    lighting = [*status(READY), *ON, *coming(0, "OFF"), *status(READY), *coming(0.0), *status(LIT), *coming(0.0199)]
    told = acknowledged(
        ("SYST:STAT?", LIT), ("SOUR:AM:STAT?", "ON"), ("SOUR:POW:LEV?", "0.0201"), ("SOUR:TEMP:BAS?", "28.5C")
    )
    with expected_protocol(*opening(), *lighting, *told, *DARK, *DARK) as link:
        part = laser(link)
        part.open()
        assert isinstance(part, Laser)
        assert (part.spec.model, part.spec.serial, part.spec.power_max_w) == ("OBIS 532nm 50mW C", "175291", 0.055)
        assert part.spec.wavelength_m == pytest.approx(532e-9)
        part.on()
        seen = part.status()
        assert (seen.light_on, seen.interlock, seen.power_w, seen.temperature_c, seen.fault) == (
            *(True, "closed", 0.0201, 28.5, ""),
        )
        part.off()
        part.close()
        part.close()
        assert not part.status().is_open


@pytest.mark.parametrize(
    ("code", "said", "interlock"),
    [
        (OPEN, "the interlock is open", "open"),
        (KEY, "the key switch is off", "closed"),
        (FAULTY, r"a fault stands \(diode temperature, over-current, 00000022\)", "closed"),
        ("00000001", r"a fault stands", "none"),
    ],
)
def test_what_is_unsafe_keeps_it_dark(code, said, interlock):
    asked = acknowledged(("SYST:FAUL?", "00000022")) if int(code, 16) & 1 else []
    state = acknowledged(("SOUR:AM:STAT?", "OFF"), ("SOUR:TEMP:BAS?", "28.5"))
    with expected_protocol(*opening(), *status(code), *asked, *status(code), *state, *asked) as link:
        part = laser(link)
        part.open()
        with pytest.raises(DeviceError, match=f"no light: {said}"):
            part.on()
        seen = part.status()
        assert (seen.light_on, seen.interlock, seen.power_w) == (False, interlock, 0.0)
        assert seen.fault


def test_an_interlock_that_opens_while_it_comes_on():
    script = [*opening(), *status(READY), *ON, *coming(0.0), *status(OPEN), *DARK]
    with expected_protocol(*script) as link:
        part = laser(link)
        part.open()
        with pytest.raises(DeviceError, match="interlock"):
            part.on()


def test_light_that_does_not_come():
    waiting = [*coming(0.009), *status(LIT)]
    with expected_protocol(*opening(), *status(READY), *ON, *waiting, *waiting, *DARK) as link:
        part = laser(link, on_timeout_s=0.2)
        part.open()
        with pytest.raises(DeviceError, match=r"gives less than 50 % of 0.02 W after 0.2 s"):
            part.on()


def test_off_by_another_thread_ends_the_coming_on():
    script = [*opening(), *status(READY), *ON, *coming(0.0), *status(LIT), *DARK, *coming(0, "OFF"), *DARK]
    with expected_protocol(*script) as link:
        part = laser(link)

        def sleep(seconds):
            thread = threading.Thread(target=part.off)
            thread.start()
            thread.join()

        part._sleep = sleep
        part.open()
        with pytest.raises(DeviceError, match="was turned off while its light came on"):
            part.on()


def test_the_limits_of_the_laser_and_of_ones_own():
    with expected_protocol(*opening(None), *setting(0.03), *setting(0.001)) as link:
        part = laser(link, power_w=None, power_max_w=0.03)
        part.open()
        assert part.spec.power_max_w == 0.03
        assert part.set_power(0.03) == 0.03
        assert part.set_power(0.001) == 0.001
        for power_w in (0.0301, 0.0009):
            with pytest.raises(DeviceError, match=f"{power_w:g} W is not within 0.001 to 0.03 W"):
                part.set_power(power_w)
    with (
        expected_protocol(*opening(None), *DARK) as link,
        pytest.raises(DeviceError, match=r"0.06 W is not within 0.001 to 0.055 W"),
    ):
        laser(link, power_w=0.06, power_max_w=0.5).open()
    assert not link.is_open


def test_no_power_no_light():
    with expected_protocol(*opening(None), *status(READY)) as link:
        part = laser(link, power_w=None)
        part.open()
        with pytest.raises(DeviceError, match="power is 0 W"):
            part.on()


def test_a_refused_command_is_told():
    refused = [("SOUR:POW:LEV:IMM:AMPL 0.020000", "ERR-203"), *acknowledged(("SYST:ERR:NEXT?", "-203,protected"))]
    with expected_protocol(*opening(None), *refused, *acknowledged(("SYST:ERR:NEXT?", "0"))) as link:
        part = laser(link, power_w=None)
        part.open()
        with pytest.raises(DeviceError, match=r"with ERR-203: protected \(-203\)"):
            part.set_power(0.02)


def test_another_instrument():
    other = acknowledged((GREETING, None), ("*IDN?", "ACME,LAMP,1,2"))
    with expected_protocol(*other) as link, pytest.raises(DeviceError, match="'ACME,LAMP,1,2' is no Coherent OBIS"):
        laser(link).open()
    assert not link.is_open


def test_light_that_stays_on_is_told():
    stuck = acknowledged(("SOUR:AM:STAT OFF", None), ("SOUR:AM:STAT?", "ON"))
    with expected_protocol(*HELLO, *stuck, *stuck) as link, pytest.raises(DeviceError, match="turn the key"):
        laser(link).open()


def test_off_goes_over_a_new_link_where_the_old_one_is_lost():
    with expected_protocol(*opening(), ("SYST:STAT?", None), *HELLO, *DARK, *DARK) as link:
        part = laser(link)
        part.open()
        assert "no answer" in part.status().fault
        part.off()
        assert link.opened == 2
        link.dead = True
        with pytest.raises(DeviceLost, match="cannot be reached"):
            part.off()
        link.dead = False
        link.pairs[:0] = HELLO
        part.close()


def test_a_status_that_is_no_number():
    with expected_protocol(*opening(), *status("what")) as link:
        part = laser(link)
        with pytest.raises(DeviceClosed):
            _ = part.spec
        part.open()
        with pytest.raises(DeviceError, match="not hexadecimal"):
            part.on()


def test_the_kind():
    assert OBIS.settings(resource="x", power_w=0.01) == ObisSettings(resource="x", power_w=0.01)
    with pytest.raises(ValueError, match="greater than 0"):
        OBIS.settings(resource="x", power_w=0.0)
