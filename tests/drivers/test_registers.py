"""IEEE 488.2 status reporting of one link."""

import pytest
from opu.drivers.registers import QUEUE_LENGTH, Registers
from opu.drivers.scpi_errors import ScpiError


@pytest.mark.parametrize(("code", "event"), [(-113, 32), (-222, 16), (-310, 8), (2, 8)])
def test_each_class_of_error_has_its_event(code, event):
    registers = Registers(events=0)
    registers.add(ScpiError(code))
    assert registers.take_events() == event
    assert registers.take_events() == 0


def test_the_queue_is_first_in_first_out_and_says_when_it_overflows():
    registers = Registers()
    for k in range(QUEUE_LENGTH + 5):
        registers.add(ScpiError(-200, str(k)))
    shown = [registers.next_error() for _ in range(QUEUE_LENGTH)]
    assert [error.detail for error in shown[:-1]] == [str(k) for k in range(QUEUE_LENGTH - 1)]
    assert shown[-1].code == -350
    assert registers.next_error().code == 0


def test_the_status_byte_sums_up():
    registers = Registers(events=0)
    assert registers.status_byte == 0
    registers.add(ScpiError(-113))
    assert registers.status_byte == 4
    registers.event_mask = 32
    assert registers.status_byte == 4 | 32
    registers.service_mask = 4
    assert registers.status_byte == 4 | 32 | 64
    registers.clear()
    assert registers.status_byte == 0
