"""Instruments nobody here wrote, driven by our wrapper: scpipy's command tree, sinstruments on TCP and on a serial line."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from opu.drivers.scpi_link import Identity, Instrument, LinkSettings, VisaLink
from opu.drivers.session import _connect
from opu.drivers.transport import LinkError
from opu.drivers.visa_settings import VisaSettings

from opu.errors import DeviceClosed, DeviceError, DeviceLost

HERE = Path(__file__).parent
SHORT_S = 1.2
"""Where an answer is known not to come."""


@pytest.fixture
def start():
    """start(*arguments) -> where the program of foreign_meters.py says it is."""
    processes = []

    def run(library, *arguments):
        """The program's own words; run.kill() ends all of them."""
        pytest.importorskip(library, reason=f"needs {library}: pip install {library}")
        command = [sys.executable, str(HERE / "foreign_meters.py"), library, *map(str, arguments)]
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        place = processes[-1].stdout.readline().strip()
        assert place, f"{library} did not start"
        return place

    def kill():
        while processes:
            process = processes.pop()
            process.kill()
            process.wait()
            process.stdout.close()

    run.kill = kill
    yield run
    kill()


@pytest.fixture
def instrument():
    """instrument(resource, timeout_s) -> a closed Instrument, closed again at the end."""
    made = []

    def make(resource, timeout_s=10.0):
        settings = LinkSettings(resource=resource, timeout_s=timeout_s)
        made.append(Instrument("meter", VisaLink(settings)))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def meter(start):
    """Resource of scpipy's power meter."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    start("scpipy", port)
    return f"TCPIP::127.0.0.1::{port}::SOCKET"


@pytest.fixture
def digitizer(start):
    """Resource of sinstruments' digitizer on TCP."""
    return f"TCPIP::127.0.0.1::{start('sinstruments')}::SOCKET"


@pytest.fixture
def serial_digitizer(start, tmp_path):
    """The same on a serial line."""
    pytest.importorskip("serial", reason="needs pyserial: pip install pyserial")
    return f"ASRL{start('sinstruments', tmp_path / 'line')}::INSTR"


# scpipy


def test_a_meter_is_identified_set_and_read(meter, instrument):
    o = instrument(meter)
    assert Identity.read(o.open()) == Identity("Acme", "Meter 3000", "M-17", "1.5")
    o.command("SENS:CORR:WAV 633")
    assert o.number("SENSe:CORRection:WAVelength?") == 633.0
    assert o.number("MEAS:POW?") == 1.25e-3  # the unit after it is left out
    assert o.flag("SENS:STAT?")
    assert o.drain() == []


def test_what_a_meter_refuses_is_raised_with_its_words(meter, instrument):
    o = instrument(meter)
    o.open()
    with pytest.raises(DeviceError, match=r"meter: 'SENS:CORR:WAV 5' is refused: Data out of range \(-222\)"):
        o.command("SENS:CORR:WAV 5")
    assert o.number("SENS:CORR:WAV?") == 532.0
    o.send("FOO")
    o.send("SENS:CORR:WAV 5")
    assert [entry.rpartition("(")[2] for entry in o.drain()] == ["-110)", "-222)"]


def test_a_query_without_an_answer_is_a_lost_link_that_revives(meter, instrument):
    o = instrument(meter, SHORT_S)
    o.open()
    with pytest.raises(DeviceLost, match=r"'BAR\?'"):
        o.query("BAR?")
    with pytest.raises(DeviceLost, match="state is unknown"):
        o.query("*IDN?")
    assert o.revive().startswith("Acme,")
    assert len(o.drain()) == 1  # of BAR?
    o.close()
    with pytest.raises(DeviceClosed):
        o.query("*IDN?")


def test_a_meter_is_no_appliance(meter, connect):
    with pytest.raises(DeviceError, match=r"Acme,Meter 3000.* is no appliance"):
        connect(meter, timeout_s=SHORT_S, reconnect_s=0.0).open()


# sinstruments


def test_a_late_answer_is_never_taken_for_the_next(digitizer, instrument):
    o = instrument(digitizer, SHORT_S)
    assert Identity.read(o.open()).model == "Digitizer"
    with pytest.raises(DeviceLost, match=r"'SLOW\?'"):
        o.query("SLOW?")
    assert o.revive() == "Acme,Digitizer,D-4,0.2"
    o.check()


def test_lines_that_fit_arrive_whole(digitizer, instrument):
    o = instrument(digitizer)
    o.open()
    for n in (0, 1, 5000, 60_000):
        assert o.query(f"TEXT? {n}") == "x" * n


def test_blocks_arrive_whole_or_not_at_all(digitizer):
    for n, whole in ((10_000, True), (32 << 20, False)):
        transport = _connect(VisaSettings(resource=digitizer, timeout_s=10.0 if whole else 2.0))
        try:
            transport.send([b"BLOCK? %d\n" % n])
            assert transport.receive(11) == b"#9%09d" % n
            into = memoryview(bytearray(n))
            if whole:
                transport.receive_into(into)
                assert transport.line() == b"\n"
            else:  # its one write took what the system had room for
                with pytest.raises(LinkError, match="timed out"):
                    transport.receive_into(into)
        finally:
            transport.close()


def test_a_line_cut_short_is_a_lost_link(digitizer, instrument):
    o = instrument(digitizer)
    o.open()
    with pytest.raises(DeviceLost, match="characters"):
        o.query(f"TEXT? {8 << 20}")
    assert o.revive().startswith("Acme,")


def test_a_serial_line_is_identified_and_its_cut_answers_noticed(serial_digitizer, instrument):
    o = instrument(serial_digitizer, SHORT_S)
    assert Identity.read(o.open()).serial == "D-4"
    assert o.query("TEXT? 1000") == "x" * 1000
    o.check()
    with pytest.raises(DeviceLost, match=r"'TEXT\? 50000'"):
        o.query("TEXT? 50000")
    assert o.revive().startswith("Acme,")


def test_an_instrument_that_dies_is_noticed(start, instrument):
    o = instrument(f"TCPIP::127.0.0.1::{start('sinstruments')}::SOCKET")
    o.open()
    start.kill()
    with pytest.raises(DeviceLost, match=r"closed|reset"):
        o.query("*IDN?")
    with pytest.raises(DeviceLost, match="cannot be reached"):
        o.revive()
