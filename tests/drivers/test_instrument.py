"""Light safety and ownership, on the instrument itself, with a lamp whose light can be seen."""

import threading
import time

import numpy as np
import pytest
from opu.drivers.instrument import Instrument
from opu.drivers.lease import Link
from opu.drivers.limits import Limits
from opu.drivers.messages import Rows
from opu.drivers.scpi_errors import INTERLOCK, NO_LEASE, TAKEN, ScpiError

from opu.device import Acquisition
from opu.errors import DeviceError

from .conftest import until
from .lamp import N_INPUTS, Lamp

LIT = Acquisition(1e-3)


@pytest.fixture
def make():
    instruments = []

    def build(lamp=None, **limits):
        instruments.append(Instrument(lamp or Lamp(), Limits(**{"dead_man_s": 0.3} | limits)))
        return instruments[-1]

    yield build
    for instrument in instruments:
        instrument.shutdown()


def block(sequence, n=1):
    return Rows(sequence, np.packbits(np.ones((n, N_INPUTS), bool), axis=1))


def lit(instrument, link=None, session="s"):
    link = link or Link("here")
    instrument.take(session, link)
    instrument.configure(LIT)
    assert instrument.device.light
    return link


def code(action, *arguments):
    with pytest.raises(ScpiError) as caught:
        action(*arguments)
    return caught.value.code


def test_it_opens_dark_and_closes_dark(make):
    instrument = make()
    instrument.take("s", Link("here"))
    assert not instrument.device.light
    instrument.configure(LIT)
    instrument.release("s")
    assert not instrument.device.light
    assert not instrument.device.status().is_open
    instrument.release("s")


def test_silence_turns_the_light_off_and_a_word_allows_it_again(make):
    instrument = make()
    link = lit(instrument)
    for _ in range(4):
        time.sleep(0.1)
        instrument.heard(link)
    assert instrument.device.light
    assert until(lambda: not instrument.device.light) < 0.6
    assert instrument.device.status().is_open
    instrument.heard(link)
    instrument.show(block(1))
    assert instrument.queue.reading(1, 5) is not None
    assert instrument.device.light
    assert instrument.status().acquisition == instrument.configure(LIT)


def test_a_lost_link_turns_the_light_off_at_once_and_another_link_goes_on(make):
    instrument = make(dead_man_s=60.0)
    link = lit(instrument)
    instrument.show(block(1))
    instrument.queue.reading(1, 5)
    instrument.drop(Link("somebody else"))
    assert instrument.device.light
    instrument.drop(link)
    assert not instrument.device.light
    assert instrument.resume("s", Link("here again")) == "RESUMED"
    assert not instrument.show(block(1))
    instrument.show(block(2))
    assert instrument.queue.reading(2, 5) is not None
    assert instrument.device.status().frames_shown == 2


def test_what_waits_when_the_link_breaks_is_not_shown(make):
    instrument = make(Lamp(delay_s=0.1), dead_man_s=60.0)
    link = lit(instrument)
    for k in (1, 2, 3):
        instrument.show(block(k))
    time.sleep(0.05)
    instrument.drop(link)
    assert instrument.queue.next_sequence == 2
    assert until(lambda: not instrument.device.light) < 0.5
    assert instrument.device.status().frames_shown == 1


def test_a_device_that_cannot_blank_is_closed(make):
    instrument = make(Lamp(can_blank=False), dead_man_s=60.0)
    link = lit(instrument)
    instrument.drop(link)
    assert not instrument.device.light
    assert code(instrument.resume, "s", Link("here again")) == NO_LEASE


def test_a_device_that_hangs_is_closed_all_the_same(make):
    lamp = Lamp(delay_s=3.0)
    instrument = make(lamp, dead_man_s=0.2)
    link = lit(instrument)
    instrument.show(block(1))
    time.sleep(0.02)
    instrument.drop(link)
    assert until(lambda: not lamp.light) < 1.0
    assert code(instrument.resume, "s", Link("here again")) == NO_LEASE


def test_an_error_of_the_device_turns_the_light_off(make):
    instrument = make()
    lit(instrument)
    instrument.device.fail_at = 0
    instrument.show(block(1))
    assert code(instrument.queue.reading, 1, 5) == 2
    assert not instrument.device.light
    instrument.show(block(2))
    instrument.queue.reading(2, 5)
    assert instrument.device.light


def test_an_open_interlock_is_obeyed(make):
    instrument = make()
    lit(instrument)
    instrument.device.interlock = "open"
    assert code(instrument.configure, Acquisition(2e-3)) == INTERLOCK
    instrument.show(block(1))
    assert code(instrument.queue.reading, 1, 5) == INTERLOCK
    assert not instrument.device.light
    assert instrument.device.status().frames_shown == 0
    instrument.configure(Acquisition(1e-3, light=False))  # dark frames need no light


def test_anyone_may_turn_the_light_off(make):
    instrument = make()
    lit(instrument)
    instrument.light_off()
    assert not instrument.device.light


def test_one_controller_until_it_is_silent(make):
    instrument = make()
    lit(instrument)
    other = Link("there")
    assert code(instrument.take, "t", other) == TAKEN
    until(lambda: instrument.lease.silent)
    assert instrument.take("t", other) == "NEW"
    assert code(instrument.resume, "s", Link("here")) == NO_LEASE
    assert instrument.queue.next_sequence == 1


def test_the_same_configuration_again_reaches_the_device_once(make):
    instrument = make()
    lit(instrument)
    for _ in range(3):
        instrument.configure(LIT)
    assert instrument.device.configured == 1
    instrument.show(block(1))
    instrument.queue.reading(1, 5)
    instrument.configure(LIT)
    assert instrument.device.configured == 2


def test_reset_forgets_the_acquisition(make):
    instrument = make()
    lit(instrument)
    instrument.reset()
    assert not instrument.device.light
    instrument.show(block(1))
    with pytest.raises(ScpiError, match="configure"):
        instrument.queue.reading(1, 5)


def test_frames_of_the_wrong_width_and_replies_too_large_are_refused_unseen(make):
    instrument = make(reply_bytes=1)
    lit(instrument)
    assert code(instrument.show, Rows(1, np.zeros((1, 9), np.uint8))) == 1
    assert code(instrument.show, Rows(1, np.zeros((0, 3), np.uint8))) == 1
    assert code(instrument.show, block(1, n=17)) == -223  # 16 frames always fit
    assert instrument.queue.next_sequence == 1


def test_readings_of_the_wrong_shape_are_the_devices_fault(make):
    instrument = make()
    lit(instrument)
    instrument.device.measure = lambda frames: np.zeros((1, 3), np.uint16)
    instrument.show(block(1))
    with pytest.raises(ScpiError, match="returned readings"):
        instrument.queue.reading(1, 5)


def test_an_idle_session_is_closed_in_the_end(make):
    instrument = make(dead_man_s=0.1, idle_s=0.3)
    lit(instrument)
    until(lambda: not instrument.lease.held)
    assert not instrument.device.status().is_open


def test_a_device_that_does_not_open_is_not_held(make):
    instrument = make()
    instrument.device.open = lambda: (_ for _ in ()).throw(DeviceError("unplugged"))
    with pytest.raises(DeviceError, match="unplugged"):
        instrument.take("s", Link("here"))
    assert not instrument.lease.held


def test_status_does_not_wait_for_a_long_block(make):
    instrument = make(Lamp(delay_s=0.5), dead_man_s=60.0)
    lit(instrument)
    instrument.show(block(1))
    time.sleep(0.05)
    asked = threading.Event()
    threading.Thread(target=lambda: (instrument.status(), asked.set()), daemon=True).start()
    assert asked.wait(0.3)
