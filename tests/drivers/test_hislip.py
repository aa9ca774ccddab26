"""HiSLIP message by message (IVI-6.1), spoken here without a client library, and through pyvisa-py."""

import socket
import struct

import numpy as np
import pytest
import pyvisa
from opu.drivers.messages import FRAMES, pack_rows

HEADER = struct.Struct("!2sBBIQ")


def send(connection, kind, control=0, parameter=0, payload=b""):
    connection.sendall(HEADER.pack(b"HS", kind, control, parameter, len(payload)) + payload)


def receive(connection):
    head = connection.recv(16, socket.MSG_WAITALL)
    if len(head) < 16:
        return None
    _, kind, control, parameter, length = HEADER.unpack(head)
    return kind, control, parameter, connection.recv(length, socket.MSG_WAITALL) if length else b""


class Client:
    def __init__(self, port):
        self.sync = socket.create_connection(("127.0.0.1", port), timeout=5)
        send(self.sync, 0, 0, 0x0100 << 16 | 0x7878, b"hislip0")
        kind, _, parameter, _ = receive(self.sync)
        assert (kind, parameter >> 16) == (1, 0x0100)
        self.other = socket.create_connection(("127.0.0.1", port), timeout=5)
        send(self.other, 17, 0, parameter & 0xFFFF)
        assert receive(self.other)[0] == 18

    def close(self):
        self.sync.close()
        self.other.close()


@pytest.fixture
def port(serve):
    return serve().listeners[1].port


@pytest.fixture
def client(port):
    client = Client(port)
    yield client
    client.close()


def test_a_query_is_answered_under_its_number(client):
    send(client.sync, 7, 0, 0xFFFFFF00, b"SYST:VERS?")
    assert receive(client.sync) == (7, 0, 0xFFFFFF00, b"1999.0\n")


def test_a_message_may_come_in_several_and_with_newlines(client):
    send(client.sync, 6, 0, 2, b"SYST:VE")
    send(client.sync, 7, 0, 4, b"RS?\n*ESE?\r\n")
    assert receive(client.sync) == (7, 0, 4, b"1999.0\n0\n")


def test_a_block_may_end_in_a_newline(client, port):
    head, rows = pack_rows(FRAMES, 1, np.full((1, 3), 10, np.uint8))
    send(client.sync, 7, 0, 2, b"LEAS:TAKE? s;:ACQ:CONF? 1ms,DEF,ON")
    assert receive(client.sync)[3].startswith(b"NEW;")
    send(client.sync, 7, 0, 4, b"FRAM " + head + bytes(rows))
    send(client.sync, 7, 0, 6, b"SYST:ERR?;:MEAS:FRAM? 1,1;:SYST:ERR?")
    # The fourth byte's low four bits are padding in 20 inputs: 10 sets some, and the device refuses those, having read all.
    assert receive(client.sync)[3].startswith(b'0,"No error";1,"Input refused;packed frames set a padding bit')


def test_long_replies_come_in_messages_of_the_clients_size(client):
    send(client.other, 15, 0, 0, (300).to_bytes(8, "big"))
    assert receive(client.other)[0] == 16
    send(client.sync, 7, 0, 2, b"DEV:SPEC?")
    whole, kinds = b"", []
    while not kinds or kinds[-1] == 6:
        kind, _, _, payload = receive(client.sync)
        assert len(payload) <= 300 - 16
        whole, kinds = whole + payload, [*kinds, kind]
    assert kinds == [6] * (len(kinds) - 1) + [7]
    assert len(kinds) > 1
    assert whole.startswith(b"#3")


def test_status_locks_remote_and_what_is_unknown(client):
    send(client.sync, 7, 0, 2, b"FOO")
    send(client.sync, 7, 0, 4, b"SYST:VERS?")
    receive(client.sync)
    send(client.other, 21, 0, 4)
    assert receive(client.other)[:2] == (22, 4)
    send(client.other, 4, 1, 1000)
    assert receive(client.other)[:2] == (5, 0)
    send(client.other, 24)
    assert receive(client.other)[:3] == (25, 0, 0)
    send(client.other, 10, 1)
    assert receive(client.other)[0] == 11
    send(client.other, 26)
    assert receive(client.other)[:2] == (3, 1)
    send(client.sync, 99)
    assert receive(client.sync)[:2] == (3, 1)


def test_device_clear_drops_half_a_message(client):
    send(client.sync, 6, 0, 2, b"SYST:VE")
    send(client.other, 19)
    assert receive(client.other)[0] == 23
    send(client.sync, 8)
    assert receive(client.sync)[0] == 9
    send(client.sync, 7, 0, 0xFFFFFF00, b"SYST:PROT?")
    assert receive(client.sync)[3] == b"1.0\n"


@pytest.mark.parametrize(
    ("first", "code"),
    [
        (b"GET / HTTP/1.1\r\n", 1),
        (HEADER.pack(b"HS", 7, 0, 0, 0), 3),
        (HEADER.pack(b"HS", 17, 0, 4711, 0), 3),
        (HEADER.pack(b"HS", 0, 0, 0, 1 << 40), 0),
    ],
)
def test_what_is_no_hislip_is_told_so_and_dropped(port, first, code):
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(first)
        assert receive(connection)[:2] == (2, code)
        assert receive(connection) is None


def test_too_large_a_payload_is_refused_before_it_is_read(client):
    send(client.sync, 7, 0, 2)
    client.sync.sendall(HEADER.pack(b"HS", 7, 0, 4, 1 << 40))
    assert receive(client.sync)[0] == 2


def test_pyvisa_py_clears_and_polls(port):
    resource = pyvisa.ResourceManager("@py").open_resource(f"TCPIP::127.0.0.1::hislip0,{port}::INSTR")
    try:
        resource.write("FOO")
        assert resource.query("*IDN?").startswith("openopu")
        assert resource.read_stb() == 4
        resource.clear()
        assert resource.query("SYST:ERR:COUN?").strip() == "1"
    finally:
        resource.close()
