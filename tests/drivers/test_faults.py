"""Damage of every kind between client and server: the same readings, or another try, and nothing shown twice."""

import gc
import socket
import struct
import threading
from contextlib import ExitStack
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opu.drivers import session, visa_device
from opu.drivers.access import Gate
from opu.drivers.instrument import Instrument
from opu.drivers.lease import Link
from opu.drivers.limits import Limits
from opu.drivers.parsing import MessageEnd
from opu.drivers.scpi_errors import ScpiError
from opu.drivers.service import Hangup, Service
from opu.drivers.session import _message
from opu.drivers.transport import LinkError, notice_the_end
from opu.drivers.visa_device import VisaDevice
from opu.drivers.visa_settings import VisaSettings
from opu.sim.device import SimulatedDevice
from opu.sim.settings import SimSettings

from opu.device import Acquisition
from opu.testing import LAWS, ReferenceDevice, Subject

from .conftest import until
from .fault_proxy import KINDS, FaultProxy, Schedule
from .lamp import Lamp

# Streams in memory, damaged at chosen places


class Damage:
    """Kinds of damage by the number of the message they are done to, in one direction; each is done once."""

    def __init__(self, planned):
        self.planned, self.count = dict(planned), 0

    def __call__(self, message):
        """(what arrives, whether the link lives)."""
        kind, where, extra = self.planned.pop(self.count, ("none", 0.0, 0))
        self.count += 1
        at = int(where * len(message))
        piece = message[at : at + 1 + extra % 7]
        if kind == "flip":
            return message[:at] + bytes([message[at] ^ (1 + (7 * extra + 101 * self.count) % 255)]) + message[
                at + 1 :
            ], True
        if kind == "truncate":
            return message[:at], False
        if kind == "lose the end":
            return message[:at], True
        if kind == "omit":
            return message[:at] + message[at + len(piece) :], True
        if kind == "break":  # a line break and another byte wrong: two messages where there was one
            other = at + 1 + extra % 30
            damaged = bytearray(message)
            damaged[at] = 10
            if other < len(damaged) - 1:
                damaged[other] ^= 1
            return bytes(damaged), True
        if kind == "twice":
            return message + message, True
        if kind == "stutter":
            return message[:at] + piece + message[at:], True
        return message, True


class Stream:
    """A transport without a network: what SOCKET's server does with the bytes that arrive, one message after another."""

    def __init__(self, service, up, down):
        self.service, self.up, self.down = service, up, down
        self.link = service.connect("here")
        self.there, self.here, self.lives = bytearray(), bytearray(), True

    def send(self, pieces):
        if not self.lives:
            raise LinkError("closed by the server")
        arrived, lives = self.up(b"".join(pieces))
        self.there += arrived
        try:
            while self.lives and (length := MessageEnd(1 << 20).find(self.there)[0]):
                message, self.there = bytes(self.there[: length - 1]), self.there[length:]
                reply = b"".join(self.service.execute(self.link, message))
                if reply:
                    arriving, self.lives = self.down(reply)
                    self.here += arriving
        except (ScpiError, Hangup):
            self.lives = False
        self.lives = self.lives and lives

    def receive(self, length):
        if length > len(self.here):
            raise LinkError("timed out")
        part, self.here = self.here[:length], self.here[length:]
        return part

    def receive_into(self, view):
        view[:] = self.receive(len(view))

    def line(self):
        if (end := self.here.find(b"\n")) < 0:
            raise LinkError("timed out")
        return bytes(self.receive(end + 1))

    def close(self):
        self.lives = False
        self.service.disconnect(self.link)


damage = st.dictionaries(
    st.integers(0, 40),
    st.tuples(
        st.sampled_from(["flip", "truncate", "lose the end", "omit", "break", "twice", "stutter"]),
        st.floats(0, 1, exclude_max=True),
        st.integers(0, 254),
    ),
    max_size=12,
)


@settings(max_examples=60)
@given(up=damage, down=damage)
def test_whatever_becomes_of_the_bytes_readings_and_settings_are_right(up, down):
    """Any byte flipped, left out or repeated, any message cut or doubled: the truth after another try, or never an answer."""
    instrument = Instrument(Lamp(), Limits(dead_man_s=60.0))
    service = Service(instrument, Gate())
    up, down = Damage(up), Damage(down)
    here = Lamp()
    here.open()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "_connect", lambda _: Stream(service, up, down))
        patch.setattr(visa_device, "FIRST_DELAY_S", 1e-6)
        patch.setattr(visa_device, "LONGEST_DELAY_S", 1e-6)
        there = VisaDevice(VisaSettings(resource="TCPIP::nowhere::1::SOCKET", block_bytes=4096, heartbeat_s=1000.0))
        try:
            there.open()
            for k, wanted in enumerate([Acquisition(1e-3), Acquisition(2e-3, 4e-3), Acquisition(5e-4, light=False)]):
                assert there.configure(wanted) == here.configure(wanted)
                assert instrument.device.status().acquisition == here.status().acquisition
                for n in (90, 3):
                    frames = np.random.default_rng(100 * k + n).random((n, 20)) < 0.5
                    assert np.array_equal(there.measure(frames), here.measure(frames))
                there.status()
            assert instrument.device.status().frames_shown == here.status().frames_shown
            assert instrument.queue.counts.failed == 0
            there.close()
            assert not instrument.lease.held
        finally:
            instrument.shutdown()


# Over TCP, through the proxy

SETTINGS = SimSettings.model_validate({"n_inputs": 20, "n_outputs": 160, "preset": "typical", "seed": 11})


@pytest.fixture
def through(connect):
    """through(appliance, transport, seed, **schedule) -> (make, proxy): new clients whose links suffer faults."""
    with ExitStack() as stack:

        def start(appliance, transport, seed, every=(1000, 5000), kinds=KINDS, at_most=None):
            port = appliance.listeners[transport].port
            proxy = stack.enter_context(FaultProxy(port, Schedule(seed, every, kinds, at_most), stall_s=0.4))
            resource = appliance.resources[transport].replace(str(port), str(proxy.port))
            return lambda: connect(resource, timeout_s=0.25, block_bytes=4096), proxy

        yield start


@pytest.fixture(params=[0, 1], ids=["SOCKET", "HiSLIP"])
def transport(request):
    return request.param


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())
def test_a_device_behind_faults_keeps_law(law, transport, serve, through):
    """Each law, again and again until 5 faults have come; a law that moves little meets them in another round."""
    device, intensities = SimulatedDevice(SETTINGS), None
    if law is LAWS["orientation_is_out_in"]:
        rng = np.random.default_rng(5)
        matrix = rng.standard_normal((160, 20)) + 1j * rng.standard_normal((160, 20))
        device, intensities = ReferenceDevice(matrix), np.abs(matrix) ** 2
    served = serve(device, dead_man_s=10.0)  # silence is not what is tested here
    make, proxy = through(served, transport, seed=list(LAWS).index(law.__name__), at_most=5)
    subject = Subject(make=make, repeatable=True, intensities=intensities, similarity=0.95)
    while proxy.schedule.injected.total() < 5:
        law(subject)


@pytest.mark.parametrize("kind", KINDS)
def test_no_kind_of_fault_changes_a_reading(kind, transport, serve, through):
    appliance = serve()
    make, proxy = through(appliance, transport, seed=1, every=(2000, 4000), kinds=(kind,), at_most=4)
    here, there = Lamp(), make()
    here.open()
    there.open()
    for k in range(3):
        wanted = Acquisition((k + 1) * 1e-3)
        assert there.configure(wanted) == here.configure(wanted)
        frames = np.random.default_rng(k).random((150, 20)) < 0.5
        assert np.array_equal(there.measure(frames), here.measure(frames))
    assert appliance.device.status().frames_shown == 450
    assert proxy.schedule.injected[kind] == 4
    assert (kind == "delay") or ("link lost" in there.status().message) or ("damaged" in there.status().message)
    there.close()
    until(lambda: not appliance.instrument.lease.held)


# Single cases, each found by the tests above


@pytest.fixture
def service():
    instrument = Instrument(Lamp(), Limits(dead_man_s=60.0))
    yield Service(instrument, Gate())
    instrument.shutdown()


def guarded(number, *units):
    return b"".join(_message([(unit, None) for unit in units], number))[:-1]


def replies(service, link, message):
    return b"".join(service.execute(link, message))


@pytest.fixture
def holder(service):
    """A link that numbers its messages and holds the lease."""
    link = service.connect("here")
    assert replies(service, link, guarded(1, ":LEAS:TAKE? s")).startswith(b'NEW;0,"No error",')
    return link


def test_a_broken_line_does_not_let_damage_through(service, holder):
    """The separator after the check becomes a line break and a digit of the exposure another: once a way around the check."""
    message = guarded(2, ":ACQ:CONF? 0.001,DEF,1")
    first, rest = message.split(b";", 1)
    with pytest.raises(Hangup):
        replies(service, holder, first)
    with pytest.raises(Hangup):
        replies(service, holder, rest.replace(b"0.001", b"0.011"))
    assert service.instrument.device.configured == 0
    assert service.damaged == 2


@pytest.mark.parametrize("number", [1, 3, None])
def test_a_message_out_of_turn_closes_the_link_with_nothing_done(number, service, holder):
    with pytest.raises(Hangup):
        replies(service, holder, guarded(number, ":ACQ:CONF? 0.001,DEF,1"))
    assert service.instrument.device.configured == 0


def test_a_reply_belongs_to_its_number(service, holder):
    checks = {replies(service, holder, guarded(number, ":SYST:VERS?")).rpartition(b",")[2] for number in (2, 3, 4)}
    assert len(checks) == 3


def test_a_resumed_lease_cuts_the_link_that_had_it(service, holder):
    cut = []
    holder.cut = lambda: cut.append("old")
    link = service.connect("there")
    assert replies(service, link, b"LEAS:RES? s") == b"RESUMED\n"
    assert replies(service, link, b"LEAS:RES? s") == b"RESUMED\n"
    service.disconnect(holder)
    assert cut == ["old"]
    assert service.instrument.lease.link is link


def test_a_lease_that_a_late_message_took_to_a_dead_link_is_taken_back(serve, connect):
    appliance = serve()
    device = connect(appliance.resources[0])
    device.open()
    device.configure(Acquisition(1e-3))
    late = appliance.service.connect("late")
    appliance.instrument.resume(appliance.instrument.lease.session, late)
    assert device.measure(np.ones((3, 20), bool)).shape == (3, 48)
    assert device.status().frames_shown == 3


def test_links_that_die_in_silence_are_not_kept(serve, through):
    """Each cut of the client's side alone leaves the server a link that says nothing; there are 4 for all."""
    appliance = serve(links=4)
    make, proxy = through(appliance, 0, seed=2, every=(2500, 3500), kinds=("silence",), at_most=8)
    device = make()
    device.open()
    device.configure(Acquisition(1e-3))
    while proxy.schedule.injected.total() < 8:
        device.measure(np.ones((150, 20), bool))
    assert appliance.listeners[0].connections <= 4


def test_a_lease_is_given_back_also_over_a_bad_link(serve, through):
    appliance = serve(dead_man_s=60.0)
    make, proxy = through(appliance, 0, seed=0, every=(1, 1), at_most=0)
    device = make()
    device.open()
    proxy.schedule = Schedule(0, (10, 20), ("drop",), at_most=2)
    device.close()
    assert proxy.schedule.injected.total() == 2
    assert not appliance.instrument.lease.held


def test_status_shows_the_acquisition_in_force_while_a_lost_link_keeps_it_dark(serve):
    instrument = serve().instrument
    link = Link("here")
    instrument.take("s", link)
    in_force = instrument.configure(Acquisition(1e-3))
    instrument.drop(link)
    status = instrument.status()
    assert not instrument.device.light
    assert (status.light_on, status.acquisition) == (False, in_force)


def answer_hislip(replies):
    """A HiSLIP server that sends these bytes after each of its connections' first headers, then closes; its address."""
    listener = socket.create_server(("127.0.0.1", 0))

    def run():
        with listener:
            for reply in replies:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(4096)
                    connection.sendall(reply)

    threading.Thread(target=run, daemon=True).start()
    return f"TCPIP::127.0.0.1::hislip0,{listener.getsockname()[1]}::INSTR"


def header(kind, parameter=0, length=0):
    return struct.pack("!2sBBIQ", b"HS", kind, 0, parameter, length)


def test_a_hislip_opening_that_fails_leaves_no_socket(connect):
    """Sockets left to the garbage collector warn, and warnings are errors here."""
    link = session.Session(VisaSettings(resource=answer_hislip([header(1), b"junk" * 4]), timeout_s=0.5), "")
    with pytest.raises(LinkError, match="cannot connect"):
        link.open()
    del link
    gc.collect()


def test_a_hislip_answer_to_another_message_and_a_closed_link_end(monkeypatch):
    """pyvisa-py alone would read nothing for ever, at full speed."""
    ours, its = socket.socketpair()
    resource = SimpleNamespace(
        session=1, visalib=SimpleNamespace(sessions={1: SimpleNamespace(interface=SimpleNamespace(_sync=ours))})
    )
    notice_the_end(resource)
    its.sendall(b"ab")
    its.close()
    guarded_socket = resource.visalib.sessions[1].interface._sync
    assert guarded_socket.recv_into(bytearray(4)) == 2
    with pytest.raises(ConnectionError, match="closed"):
        guarded_socket.recv_into(bytearray(4))
    ours.close()
