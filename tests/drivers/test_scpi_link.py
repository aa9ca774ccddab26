"""The text client: on scripts, on sockets of this machine, and on a serial line made of a pseudo-terminal."""

import os
import socket
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opu.drivers.scpi_link import Identity, Instrument, LinkSettings, VisaLink, despite_loss
from opu.drivers.transport import LinkError

from opu.errors import ConfigError, DeviceClosed, DeviceError, DeviceLost

from .expected_protocol import ScriptedLink, acknowledged, checked, expected_protocol

IDN = ("*IDN?", "MAKER,MODEL,42,1.0")


@pytest.fixture
def peer():
    """peer(rule) -> resource of a server that runs rule(connection) for each client, one after the other."""
    listeners, threads = [], []

    def start(rule):
        listener = socket.create_server(("127.0.0.1", 0))

        def run():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    rule(connection)

        listeners.append(listener)
        threads.append(threading.Thread(target=run, daemon=True))
        threads[-1].start()
        return f"TCPIP::127.0.0.1::{listener.getsockname()[1]}::SOCKET"

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
    for thread in threads:
        thread.join(5)


def dialled(resource, **settings):
    return Instrument("lamp", VisaLink(LinkSettings(resource=resource, **{"timeout_s": 5.0} | settings)))


def answers(connection, replies):
    with connection.makefile("rw", newline="\n") as lines:
        for line in lines:
            reply = replies.get(line.strip())
            if reply is not None:
                lines.write(reply + "\n")
                lines.flush()


def test_open_identifies_and_commands_are_checked():
    with expected_protocol(IDN, *checked("LAMP ON"), ("LAMP?", "1"), ("LEV?", " +2.50E-03 W")) as link:
        instrument = Instrument("lamp", link)
        assert instrument.open() == IDN[1]
        instrument.command("LAMP ON")
        assert instrument.flag("LAMP?")
        assert instrument.number("LEV?") == 2.5e-3
        instrument.close()
        instrument.close()
    assert not link.is_open


def test_the_error_queue_is_emptied_and_told():
    errors = [("SYST:ERR?", reply) for reply in ('-222,"Data out of range"', "-113, Undefined header", '0,"No error"')]
    with expected_protocol(IDN, ("LEV 9", None), *errors, ("LEV?", "1")) as link:
        instrument = Instrument("lamp", link)
        instrument.open()
        with pytest.raises(
            DeviceError, match=r"lamp: 'LEV 9' is refused: Data out of range \(-222\); Undefined header \(-113\)"
        ):
            instrument.command("LEV 9")
        assert instrument.number("LEV?") == 1


def test_a_queue_without_an_end():
    with expected_protocol(IDN, *[("SYST:ERR?", '-1,"again"')] * 100) as link:
        instrument = Instrument("lamp", link)
        instrument.open()
        with pytest.raises(DeviceError, match="does not end"):
            instrument.drain()


@pytest.mark.parametrize("answer", ["", "dark", "NaN", "1;2x", "-"])
def test_answers_that_make_no_sense(answer):
    with expected_protocol(IDN, ("LEV?", answer), ("LAMP?", answer), ("SYST:ERR?", "what")) as link:
        instrument = Instrument("lamp", link)
        instrument.open()
        if answer[:1] != "1":
            with pytest.raises(DeviceError, match="which is no number"):
                instrument.number("LEV?")
        else:
            assert instrument.number("LEV?") == 1
        with pytest.raises(DeviceError, match="neither 0 nor 1"):
            instrument.flag("LAMP?")
        with pytest.raises(DeviceError, match="no error entry"):
            instrument.drain()


def test_an_answer_that_does_not_come_is_a_lost_link():
    with expected_protocol(IDN, ("LEV?", None)) as link:
        instrument = Instrument("lamp", link)
        instrument.open()
        with pytest.raises(DeviceLost, match=r"lamp: no answer to 'LEV\?' \(timeout\); its state is unknown"):
            instrument.query("LEV?")
        assert not link.is_open
        with pytest.raises(DeviceLost, match=r"no answer to 'LEV\?'"):  # and nothing more is sent
            instrument.query("LAMP?")
        assert instrument.is_open


def test_despite_loss_tries_a_new_link_once():
    with expected_protocol(IDN, ("OFF?", None), IDN, ("OFF?", "0"), ("OFF?", None), IDN, ("OFF?", None)) as link:
        instrument = Instrument("lamp", link)
        instrument.open()
        assert despite_loss(instrument, lambda: instrument.query("OFF?")) == "0"
        assert link.opened == 2
        with pytest.raises(DeviceLost):
            despite_loss(instrument, lambda: instrument.query("OFF?"))
    link.dead = True
    with pytest.raises(DeviceLost, match="cannot be reached: connection refused"):
        despite_loss(instrument, lambda: instrument.query("OFF?"))


def test_an_interrupted_question_loses_the_link():
    """The answer that comes later must not be taken for that to the next question."""
    with expected_protocol(IDN, ("LEV?", KeyboardInterrupt())) as link:
        instrument = Instrument("lamp", link)
        instrument.open()
        with pytest.raises(KeyboardInterrupt):
            instrument.query("LEV?")
        with pytest.raises(DeviceLost, match="interrupted"):
            instrument.query("LEV?")


def test_opened_twice_closed_or_never():
    with expected_protocol(IDN) as link:
        instrument = Instrument("lamp", link)
        for ask in (instrument.query, instrument.send, instrument.command):
            with pytest.raises(DeviceClosed, match="open"):
                ask("LEV?")
        instrument.open()
        with pytest.raises(DeviceError, match="open already"):
            instrument.open()
        instrument.close()
        with pytest.raises(DeviceClosed):
            instrument.revive()


def test_acknowledged_answers():
    script = acknowledged(("HI", None), IDN, ("LEV 1", None), ("LEV?", "0.5"))
    refused = [("LEV 9", "ERR-200"), ("NEXT?", ["-222,range", "OK"]), ("NEXT?", ["0,none", "OK"]), ("WHAT?", "ERR-100")]
    with expected_protocol(*script, *refused, ("LEV 2", "0.5")) as link:
        instrument = Instrument("lamp", link, errors="NEXT?", acknowledged=True)
        assert instrument.open("HI") == IDN[1]
        instrument.command("LEV 1")
        assert instrument.number("LEV?") == 0.5
        with pytest.raises(DeviceError, match=r"refuses 'LEV 9' with ERR-200: range \(-222\)"):
            instrument.command("LEV 9")
        with pytest.raises(DeviceError, match=r"refuses 'WHAT\?' with ERR-100"):
            instrument.query("WHAT?")
        with pytest.raises(DeviceLost, match="instead of OK"):  # out of step: nothing that follows could be trusted
            instrument.command("LEV 2")


@given(st.text(st.characters(codec="ascii", exclude_characters=",\r\n"), max_size=20).map(str.strip), st.integers(0, 4))
def test_identities(field, n):
    identity = Identity.read(",".join([field] * n))
    assert [identity.maker, identity.model, identity.serial, identity.firmware] == [field] * n + [""] * (4 - n)


def test_the_script_notices_everything():
    with pytest.raises(AssertionError, match="never sent"), expected_protocol(IDN):
        pass
    link = ScriptedLink([IDN])
    link.open()
    link.send("*IDN?")
    with pytest.raises(AssertionError, match="never read"):
        link.finish()
    link = ScriptedLink([IDN])
    link.open()
    with pytest.raises(AssertionError, match="expects"):
        link.send("IDN?")
    with pytest.raises(AssertionError, match="expects"):
        link.finish()
    with pytest.raises(LinkError, match="timeout"):
        link.receive()


def test_over_a_socket(peer):
    resource = peer(lambda c: answers(c, dict([IDN, ("LEV?", "0.25"), ("SYST:ERR?", '+0,"No error"')])))
    instrument = dialled(resource)
    for _ in range(2):
        assert instrument.open() == IDN[1]
        instrument.command("LAMP ON")
        assert instrument.number("LEV?") == 0.25
        instrument.close()


def test_a_dead_port_does_not_open():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(DeviceLost, match="lamp: cannot be reached"):
        dialled(f"TCPIP::127.0.0.1::{port}::SOCKET").open()


def test_a_late_answer_is_not_taken_for_another(peer):
    late = threading.Event()

    def rule(connection):
        with connection.makefile("rw", newline="\n") as lines:
            for line in lines:
                if line == "SLOW?\n":
                    late.wait(10)
                try:
                    lines.write(line.strip() + "!\n")
                    lines.flush()
                except OSError:
                    return

    instrument = dialled(peer(rule), timeout_s=0.3)
    instrument.open()
    with pytest.raises(DeviceLost, match="SLOW"):
        instrument.query("SLOW?")
    late.set()
    assert instrument.revive() == "*IDN?!"
    assert instrument.query("LEV?") == "LEV?!"
    instrument.close()


def test_a_peer_that_hangs_up(peer):
    def rule(connection):
        connection.recv(100)
        connection.sendall(b"me\n")

    instrument = dialled(peer(rule))
    instrument.open()
    with pytest.raises(DeviceLost, match="state is unknown"):
        instrument.query("LEV?")
    instrument.close()


def test_threads_get_their_own_answers(peer):
    def rule(connection):
        with connection.makefile("rw", newline="\n") as lines:
            for line in lines:
                lines.write(line)
                lines.flush()

    instrument = dialled(peer(rule))
    instrument.open()
    wrong = []

    def ask(k):
        wrong.extend(k for _ in range(50) if instrument.query(f"Q{k}?") != f"Q{k}?")

    threads = [threading.Thread(target=ask, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    instrument.close()
    assert not wrong


@pytest.mark.skipif(sys.platform == "win32", reason="needs pseudo-terminals")
def test_over_a_serial_line():
    pytest.importorskip("serial", reason="needs pyserial: pip install pyserial")
    import tty

    master, slave = os.openpty()
    tty.setraw(slave)  # no echo
    try:
        resource = f"ASRL{os.ttyname(slave)}::INSTR"
        replies = {b"*IDN?\r\n": b"ME\r\nOK\r\n", b"ON\r\n": b"OK\r\n", b"LEV?\r\n": b"0.5\r\nOK\r\n"}

        def run():
            heard = b""
            while not heard.endswith(b"STOP\r\n"):
                heard += os.read(master, 100)
                while b"\n" in heard and not heard.endswith(b"STOP\r\n"):
                    line, _, heard = heard.partition(b"\n")
                    os.write(master, replies[line + b"\n"])

        os.write(master, b"left over from before\r\n")
        instrument = Instrument(
            "lamp", VisaLink(LinkSettings(resource=resource), end="\r\n", baud_rate=9600), acknowledged=True
        )
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        assert instrument.open() == "ME"
        for _ in range(20):
            instrument.command("ON")
            assert instrument.number("LEV?") == 0.5
        instrument._link.send("STOP")
        thread.join(5)
        instrument.close()
    finally:
        os.close(master)
        os.close(slave)


def test_addresses_and_libraries_that_can_never_work(monkeypatch):
    with pytest.raises(ConfigError, match=r"'lamp on my desk' is no VISA address; write USB0"):
        dialled("lamp on my desk").open()
    with pytest.raises(ConfigError, match="library = '/nowhere/libvisa'"):
        dialled("ASRL1::INSTR", library="/nowhere/libvisa").open()
    monkeypatch.setitem(sys.modules, "pyvisa", None)
    with pytest.raises(ConfigError, match=r"pip install 'openopu\[visa\]'"):
        dialled("ASRL1::INSTR").open()


def test_a_serial_port_that_is_not_there():
    pytest.importorskip("serial", reason="needs pyserial: pip install pyserial")
    with pytest.raises(DeviceLost, match="cannot be reached"):
        dialled("ASRL/dev/no-such-port::INSTR").open()
