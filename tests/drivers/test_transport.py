"""The traps of VISA that were measured, each against a peer that springs it."""

import socket
import threading
import time

import pytest
import pyvisa
from opu.drivers.session import _connect
from opu.drivers.transport import LinkError, SocketTransport, VisaTransport
from opu.drivers.visa_settings import VisaSettings


@pytest.fixture
def peer():
    """peer(rule) -> resource of a server of one client that runs rule(connection)."""
    threads = []

    def start(rule):
        listener = socket.create_server(("127.0.0.1", 0))

        def run():
            with listener:
                connection, _ = listener.accept()
                with connection:
                    rule(connection)

        threads.append(threading.Thread(target=run, daemon=True))
        threads[-1].start()
        return f"TCPIP::127.0.0.1::{listener.getsockname()[1]}::SOCKET"

    yield start
    for thread in threads:
        thread.join(5)


@pytest.fixture
def dial():
    transports = []

    def make(resource, **settings):
        transports.append(_connect(VisaSettings(resource=resource, **{"timeout_s": 0.3} | settings)))
        return transports[-1]

    yield make
    for transport in transports:
        transport.close()


def test_small_writes_are_not_held_back(peer, dial):
    transport = dial(peer(lambda c: c.recv(10)))
    assert isinstance(transport, SocketTransport)
    assert transport._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    transport.send([b"x"])


def test_a_dead_port_does_not_open(dial):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(LinkError, match="connect"):
        dial(f"TCPIP::127.0.0.1::{port}::SOCKET")


def test_a_peer_that_closes_is_noticed_at_once(peer, dial):
    transport = dial(peer(lambda c: c.sendall(b"half")), timeout_s=30.0)
    start = time.monotonic()
    for read in (transport.line, lambda: transport.receive(10), lambda: transport.receive(1 << 20)):
        with pytest.raises(LinkError, match="closed"):
            read()
    assert time.monotonic() - start < 5


def test_a_peer_that_stalls_is_given_up_after_the_timeout(peer, dial):
    transport = dial(peer(lambda c: (c.sendall(b"#9"), c.recv(1))))
    with pytest.raises(LinkError, match="timed out"):
        transport.receive(100)
    transport.close()


def test_a_peer_that_does_not_read_does_not_hold_a_write_for_ever(peer, dial):
    done = threading.Event()
    transport = dial(peer(lambda c: done.wait(5)))
    with pytest.raises(LinkError, match="sending"):
        transport.send([bytes(64 << 20)])
    done.set()


@pytest.mark.parametrize("raw", [False, True], ids=["own socket", "viRead"])
def test_lines_and_lengths_may_be_cut_anywhere(raw, peer, dial):
    text = b"first line\n#15he\nlo;rest\nlast\n"

    def rule(connection):
        for k in range(len(text)):
            connection.sendall(text[k : k + 1])
            time.sleep(0.001)
        connection.recv(1)

    resource = peer(rule)
    if raw:
        opened = pyvisa.ResourceManager("@py").open_resource(resource)
        opened.timeout = 1000
        transport = VisaTransport(opened, has_end=False)
    else:
        transport = dial(resource)
    assert transport.line() == b"first line\n"
    assert transport.receive(3) == b"#15"
    into = bytearray(5)
    transport.receive_into(memoryview(into))
    assert into == b"he\nlo"
    assert transport.line() == b";rest\n"
    assert transport.line() == b"last\n"
    transport.close()


def test_a_line_without_end_is_given_up(peer, dial):
    transport = dial(peer(lambda c: (c.sendall(b"x" * 100_000), c.recv(1))))
    with pytest.raises(LinkError, match="characters"):
        transport.line()
    transport.close()
