"""Raw TCP: messages however they arrive, clients that stall, flood or claim too much."""

import socket
import time

import pytest

from .conftest import until


@pytest.fixture
def dial():
    sockets = []

    def make(appliance):
        connection = socket.create_connection(("127.0.0.1", appliance.listeners[0].port), timeout=5)
        sockets.append(connection)
        return connection

    yield make
    for connection in sockets:
        connection.close()


def line(connection):
    reply = b""
    while not reply.endswith(b"\n"):
        chunk = connection.recv(4096)
        if not chunk:
            return reply
        reply += chunk
    return reply


def lines(connection, n):
    reply = b""
    while reply.count(b"\n") < n:
        reply += connection.recv(4096)
    return reply.splitlines()


def test_messages_may_come_in_pieces_or_together(serve, dial):
    connection = dial(serve())
    for piece in (b"SYST:", b"VERS?\r", b"\nSYST:PROT?\n\n*ESE?", b"\n"):
        connection.sendall(piece)
        time.sleep(0.01)
    assert lines(connection, 3) == [b"1999.0", b"1.0", b"0"]


def test_half_a_block_and_silence_is_dropped_without_holding_up_others(serve, dial):
    appliance = serve(stall_s=0.2)
    stalled, other = dial(appliance), dial(appliance)
    stalled.sendall(b"FRAM #41000abc")
    for _ in range(5):
        other.sendall(b"SYST:VERS?\n")
        assert line(other) == b"1999.0\n"
        time.sleep(0.02)
    assert line(stalled) == b""
    other.sendall(b"SYST:VERS?\n")
    assert line(other) == b"1999.0\n"


def test_a_client_that_reads_nothing_is_dropped(serve, dial):
    appliance = serve(stall_s=0.2)
    deaf = dial(appliance)
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.settimeout(0.2)
    try:
        while True:
            deaf.sendall(b"DEV:SPEC?\n" * 1000)
    except OSError:
        pass
    until(lambda: appliance.listeners[0].connections == 0)


def test_a_block_beyond_the_limit_is_refused_before_it_is_read(serve, dial):
    connection = dial(serve(block_bytes=100_000))
    connection.sendall(b"FRAM #6200000")
    assert line(connection).startswith(b'-223,"Too much data')
    assert line(connection) == b""


def test_text_without_end_is_refused(serve, dial):
    connection = dial(serve())
    connection.sendall(b"A" * 5000)
    assert line(connection).startswith(b'-363,"Input buffer overrun')


def test_no_more_clients_than_allowed(serve, dial):
    appliance = serve(links=2)
    first, second = dial(appliance), dial(appliance)
    until(lambda: appliance.listeners[0].connections == 2)
    third = dial(appliance)
    assert line(third) == b""
    second.close()
    until(lambda: appliance.listeners[0].connections == 1)
    fourth = dial(appliance)
    for connection in (first, fourth):
        connection.sendall(b"SYST:VERS?\n")
        assert line(connection) == b"1999.0\n"


def test_more_messages_than_allowed_wait(serve, dial):
    connection = dial(serve(messages_per_s=10))
    start = time.monotonic()
    for _ in range(11):
        connection.sendall(b"SYST:VERS?\n")
        line(connection)
    assert time.monotonic() - start > 0.5  # ten in the first second, the next in another


def test_an_idle_client_is_dropped(serve, dial):
    connection = dial(serve(idle_s=0.1))
    assert line(connection) == b""


def test_stopping_cuts_everybody_off(serve, dial):
    appliance = serve()
    connection = dial(appliance)
    connection.sendall(b"SYST:VERS?\n")
    line(connection)
    appliance.stop()
    assert connection.recv(10) == b""
    with pytest.raises(ConnectionRefusedError):
        dial(appliance)
