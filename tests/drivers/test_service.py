"""Messages carried out: replies joined, errors queued, damage noticed, and nothing that crashes it."""

import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opu.drivers.access import Gate
from opu.drivers.instrument import Instrument
from opu.drivers.limits import Limits
from opu.drivers.scpi import HEADERS
from opu.drivers.service import Hangup, Service
from opu.drivers.session import _message

from .lamp import Lamp


@pytest.fixture(scope="module")
def service():
    instrument = Instrument(Lamp(), Limits(dead_man_s=60.0))
    yield Service(instrument, Gate())
    instrument.shutdown()


def reply(service, link, message):
    return b"".join(service.execute(link, message))


@pytest.fixture
def link(service):
    link = service.connect("here")
    yield link
    service.instrument.release("s")
    service.disconnect(link)


def test_replies_of_one_message_are_joined(service, link):
    assert reply(service, link, b"SYST:VERS?;PROT?;*ESE 3;*ESE?") == b"1999.0;1.0;3\n"
    assert reply(service, link, b"*CLS") == b""
    assert reply(service, link, b"") == b""


def test_a_failed_query_has_no_reply_and_the_rest_of_its_message_goes_on(service, link):
    assert reply(service, link, b"MEAS:FRAM? 1;:SYST:VERS?") == b"1999.0\n"
    assert reply(service, link, b"SYST:ERR:COUN?;NEXT?;NEXT?").startswith(b'1;10,"No lease;')


def test_control_needs_the_lease_and_looking_on_does_not(service, link):
    other = service.connect("there")
    assert reply(service, link, b"LEAS:TAKE? s;:LEAS?").startswith(b"NEW;YOU,")
    assert reply(service, other, b"LEAS?").startswith(b"OTHER,")
    assert reply(service, other, b"ACQ:CONF? 1ms,DEF,ON;:SYST:ERR?").startswith(b'10,"No lease')
    assert reply(service, other, b"LEAS:TAKE? t;:SYST:ERR?").startswith(b'9,"Lease held by another')
    assert reply(service, link, b"ACQ:CONF? 1ms,DEF,ON") == b"0.001,0.001,1\n"
    assert reply(service, other, b"LAS?;LAS:INT?;:LAY:INP?;OUTP?;ANCH?;BYT?") == b"1;CLOSED;20;48;-1;3\n"
    assert reply(service, other, b"LAS:OFF;:LAS?") == b"0\n"


def test_a_message_may_guard_itself(service, link):
    message = b"".join(_message([("*IDN?", None)]))[:-1]
    entry = reply(service, link, message)
    identity, _, rest = entry.rstrip(b"\n").partition(b";")
    assert identity.startswith(b"openopu,lamp")
    assert rest == b'0,"No error",%08X' % zlib.crc32(identity + b'0,"No error"')


@pytest.mark.parametrize("at", range(12, 20))
def test_a_damaged_message_is_answered_and_not_carried_out(service, link, at):
    message = bytearray(b"".join(_message([("*ESE 77", None)]))[:-1])
    position = message.index(b";") + 1 + at - 12
    message[position] ^= 1
    answer = reply(service, link, bytes(message))
    assert answer.startswith(b'11,"Checksum mismatch')
    assert link.registers.event_mask == 0


def test_the_error_queue_is_told_by_number(service, link):
    reply(service, link, b"FOO")
    assert reply(service, link, b"*STB?;*ESR?;SYST:ERR?;*STB?") == (
        b'4;160;-113,"Undefined header;FOO; docs/scpi.md lists the commands";0\n'
    )


def test_self_test_tells_what_it_tested(service, link):
    assert reply(service, link, b"*TST?") == b"0\n"
    service.instrument.device.interlock = "open"
    assert reply(service, link, b"*TST?") == b"1\n"
    service.instrument.device.interlock = "closed"


@settings(deadline=None, max_examples=400)
@given(
    st.lists(
        st.one_of(
            st.sampled_from(sorted(HEADERS)).map(str.encode),
            st.sampled_from(
                [b" ", b";", b":", b",", b"1", b"1e-3", b"DEF", b"ON", b"#14abcd", b"s", b"'x'", b"-1", b"?"]
            ),
            st.binary(max_size=6),
        ),
        max_size=12,
    ).map(b"".join)
)
def test_no_message_crashes_it(service, message):
    link = service.connect("fuzz")
    answer = b"".join(service.execute(link, message))
    assert not answer or answer.endswith(b"\n")
    service.execute(link, b"LEAS:REL s;*CLS")
    assert b"".join(service.execute(link, b"*IDN?")).startswith(b"openopu")


def test_three_wrong_tokens_and_out(service, monkeypatch):
    monkeypatch.setattr("opu.drivers.service.REFUSAL_DELAY_S", 0.0)
    guarded = Service(service.instrument, Gate(token="0123456789abcdef"))
    link = guarded.connect("there")
    for _ in range(2):
        assert b"-203" in reply(guarded, link, b"SYST:AUTH:CHAL?;RESP 00;:SYST:ERR?")
    with pytest.raises(Hangup):
        guarded.execute(link, b"SYST:AUTH:RESP 00")
