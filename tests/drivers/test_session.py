"""Replies: whatever is damaged on the way back is noticed, and never taken for an answer."""

import numpy as np
import pytest
from opu.drivers.access import Gate
from opu.drivers.instrument import Instrument
from opu.drivers.lease import Link
from opu.drivers.limits import Limits
from opu.drivers.messages import FRAMES, HEAD_BYTES, pack_rows
from opu.drivers.scpi_errors import ScpiError
from opu.drivers.service import Service
from opu.drivers.session import Block, Session
from opu.drivers.transport import LinkError
from opu.drivers.visa_settings import VisaSettings

from .lamp import N_OUTPUTS, Lamp


class Wire:
    """A transport without a network, that can change one bit of what comes back."""

    def __init__(self, service, link):
        self.service, self.link, self.flip, self.reply = service, link, None, bytearray()

    def send(self, pieces):
        self.reply = bytearray(b"".join(self.service.execute(self.link, b"".join(pieces).rstrip(b"\n"))))
        self.length = len(self.reply)
        if self.flip is not None:
            self.reply[self.flip // 8 % len(self.reply)] ^= 1 << self.flip % 8

    def receive(self, length):
        if length > len(self.reply):
            raise LinkError("timed out")
        part, self.reply = self.reply[:length], self.reply[length:]
        return part

    def receive_into(self, view):
        view[:] = self.receive(len(view))

    def line(self):
        end = self.reply.find(b"\n")
        if end < 0:
            raise LinkError("timed out")
        return bytes(self.receive(end + 1))

    def close(self):
        pass


@pytest.fixture
def wire():
    instrument = Instrument(Lamp(), Limits(dead_man_s=60.0))
    link = Link("here")
    instrument.take("s", link)
    yield Wire(Service(instrument, Gate()), link)
    instrument.shutdown()


@pytest.fixture
def session(wire):
    session = Session(VisaSettings(resource="none"), "")
    session._transport = wire
    return session


def each_bit_flipped(session, wire, ask, same):
    """ask() with every bit of its reply flipped in turn: refused, or the same, never something else."""
    right = ask()
    for bit in range(8 * wire.length):
        wire.flip, session._transport = bit, wire
        try:
            result = ask()
        except (LinkError, ScpiError):
            continue
        assert same(result, right), bit
    wire.flip, session._transport = None, wire


def test_text_is_never_taken_for_another(session, wire):
    each_bit_flipped(session, wire, lambda: session.ask("identity"), str.__eq__)
    each_bit_flipped(session, wire, lambda: session.ask("configure", 1e-3, None, True), str.__eq__)


def test_blocks_are_never_taken_for_others(session, wire):
    each_bit_flipped(session, wire, lambda: session.ask_block("status"), bytes.__eq__)


def test_readings_are_never_taken_for_others(session, wire):
    session.ask("configure", 1e-3, None, True)
    head, rows = pack_rows(FRAMES, 1, np.full((2, 3), 16, np.uint8))
    into = np.zeros((2, N_OUTPUTS), np.uint16)

    def ask():
        into[:] = 0
        view = memoryview(into.reshape(-1).view(np.uint8).data)
        there = session.ask_readings(1, 5.0, [Block(head[-HEAD_BYTES:], rows)], view)
        return into.copy() if there else None

    each_bit_flipped(session, wire, ask, np.array_equal)
    assert wire.service.instrument.device.status().frames_shown == 2


def test_an_error_is_raised_with_its_number_and_the_link_stays(session, wire):
    with pytest.raises(ScpiError) as caught:
        session.ask_readings(5, 0.0, [], memoryview(bytearray(1)))
    assert caught.value.code == 6
    assert session.ask("version") == "1999.0"


def test_after_any_failure_the_link_is_closed(session, wire, monkeypatch):
    monkeypatch.setattr(wire, "line", lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        session.ask("version")
    assert not session.is_open
    with pytest.raises(LinkError, match="closed"):
        session.ask("version")
