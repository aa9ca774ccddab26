"""HiSLIP server (IVI-6.1, revision 1): two connections a client, messages of Data and DataEnd, device clear, status query.

Synchronized mode only. Locks are refused, since control goes by lease; service requests are never sent.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from threading import Event, Lock

from .lease import Link
from .limits import Limits
from .listener import Listener, Pace, cut, send_pieces
from .parsing import MessageEnd
from .scpi_errors import ScpiError
from .service import Hangup, Piece, Service

HEADER = struct.Struct("!2sBBIQ")
VENDOR = int.from_bytes(b"OO", "big")
VERSION = 0x0100
SMALL_BYTES = 4096
"""What is this short is received as it comes; longer payloads go into memory taken beforehand, in steps."""
MESSAGE_BYTES = 64 << 20
"""Largest message taken from a client that asks; blocks have limits of their own."""

(
    INITIALIZE, INITIALIZE_RESPONSE, FATAL_ERROR, ERROR, ASYNC_LOCK, ASYNC_LOCK_RESPONSE, DATA, DATA_END,
    DEVICE_CLEAR_COMPLETE, DEVICE_CLEAR_ACKNOWLEDGE, ASYNC_REMOTE_LOCAL, ASYNC_REMOTE_LOCAL_RESPONSE, TRIGGER,
    INTERRUPTED, ASYNC_INTERRUPTED, ASYNC_MAXIMUM_SIZE, ASYNC_MAXIMUM_SIZE_RESPONSE, ASYNC_INITIALIZE,
    ASYNC_INITIALIZE_RESPONSE, ASYNC_DEVICE_CLEAR, ASYNC_SERVICE_REQUEST, ASYNC_STATUS_QUERY, ASYNC_STATUS_RESPONSE,
    ASYNC_DEVICE_CLEAR_ACKNOWLEDGE, ASYNC_LOCK_INFO, ASYNC_LOCK_INFO_RESPONSE,
) = range(26)  # fmt: skip


class _Fatal(Exception):
    """The peer does not speak HiSLIP; code and text of the FatalError it is told."""


@dataclass
class _Session:
    """Both channels of one client."""

    link: Link
    client_message_bytes: int = 1 << 20
    clearing: Event = field(default_factory=Event)
    other: socket.socket | None = None


class _Sessions:
    """Sessions by number; the two channels of each find one another here."""

    def __init__(self) -> None:
        self._numbers, self._lock = count(1), Lock()
        self._open: dict[int, _Session] = {}

    def add(self, session: _Session) -> int:
        with self._lock:
            number = next(self._numbers) & 0xFFFF
            while number in self._open:
                number = next(self._numbers) & 0xFFFF
            self._open[number] = session
            return number

    def join(self, number: int, connection: socket.socket) -> _Session:
        """The session, of which this is the second connection from now on."""
        with self._lock:
            session = self._open.get(number)
            if session is None:
                raise _Fatal(3, f"no session {number}")
            if session.other is not None:
                raise _Fatal(3, f"session {number} has its second connection")
            session.other = connection
            return session

    def remove(self, number: int) -> None:
        with self._lock:
            session = self._open.pop(number, None)
        if session is not None and session.other is not None:
            cut(session.other)


def serve_hislip(service: Service, host: str, port: int) -> Listener:
    """Start serving; the listener knows the port."""
    limits = service.instrument.limits
    sessions = _Sessions()

    def handle(connection: socket.socket, peer: str) -> None:
        try:
            kind, _, parameter, length = _header(connection)
            _receive(connection, _bounded(length, 256))  # the sub-address: there is one device
            if kind == INITIALIZE:
                _synchronous(service, sessions, connection, peer, limits)
            elif kind == ASYNC_INITIALIZE:
                _asynchronous(sessions, connection, parameter)
            else:
                raise _Fatal(3, f"message {kind} before Initialize")
        except _Fatal as error:
            code, text = error.args
            _send(connection, FATAL_ERROR, code, 0, text.encode())

    return Listener(host, port, service.gate, limits, handle, "HiSLIP")


def _synchronous(service: Service, sessions: _Sessions, connection: socket.socket, peer: str, limits: Limits) -> None:
    session = _Session(service.connect(peer))
    session.link.cut = partial(cut, connection)
    number = sessions.add(session)
    pace = Pace(limits.messages_per_s)
    try:
        _send(connection, INITIALIZE_RESPONSE, 0, VERSION << 16 | number)
        message = bytearray()
        while True:
            connection.settimeout(limits.stall_s if message or not session.link.trusted else limits.idle_s)
            kind, _, parameter, length = _header(connection)
            connection.settimeout(limits.stall_s)
            if kind in (DATA, DATA_END):
                largest = limits.block_bytes + 8192 if session.link.trusted else 8192
                _receive(connection, _bounded(length, largest - len(message)), message)
                if kind == DATA:
                    continue
                pace.message()
                if session.clearing.is_set():
                    message = bytearray()
                    continue
                pieces: list[Piece] = []
                for part in _messages(message, limits.block_bytes):
                    pieces += service.execute(session.link, part)
                message = bytearray()
                if pieces and not session.clearing.is_set():
                    _send_data(connection, parameter, pieces, session.client_message_bytes)
            elif kind == DEVICE_CLEAR_COMPLETE:
                _receive(connection, _bounded(length, 256))
                message = bytearray()
                session.clearing.clear()
                _send(connection, DEVICE_CLEAR_ACKNOWLEDGE, 0, 0)
            elif kind == TRIGGER:
                _receive(connection, _bounded(length, 256))
            else:
                _receive(connection, _bounded(length, 4096))
                _send(connection, ERROR, 1, 0, b"unrecognized message type")
    except Hangup:
        pass
    finally:
        sessions.remove(number)
        service.disconnect(session.link)


def _asynchronous(sessions: _Sessions, connection: socket.socket, number: int) -> None:
    session = sessions.join(number, connection)
    _send(connection, ASYNC_INITIALIZE_RESPONSE, 0, VENDOR)
    connection.settimeout(None)  # ends with the synchronous channel, which has its own times
    while True:
        kind, control, _, length = _header(connection)
        payload = bytes(_receive(connection, _bounded(length, 4096)))
        if kind == ASYNC_MAXIMUM_SIZE and len(payload) == 8:
            session.client_message_bytes = max(256, int.from_bytes(payload, "big"))
            _send(connection, ASYNC_MAXIMUM_SIZE_RESPONSE, 0, 0, MESSAGE_BYTES.to_bytes(8, "big"))
        elif kind == ASYNC_DEVICE_CLEAR:
            session.clearing.set()
            _send(connection, ASYNC_DEVICE_CLEAR_ACKNOWLEDGE, 0, 0)
        elif kind == ASYNC_STATUS_QUERY:
            _send(connection, ASYNC_STATUS_RESPONSE, session.link.registers.status_byte, 0)
        elif kind == ASYNC_LOCK:
            # Releasing what nobody holds is an error (3), asking for it fails (0).
            _send(connection, ASYNC_LOCK_RESPONSE, 0 if control == 1 else 3, 0)
        elif kind == ASYNC_LOCK_INFO:
            _send(connection, ASYNC_LOCK_INFO_RESPONSE, 0, 0)
        elif kind == ASYNC_REMOTE_LOCAL:
            _send(connection, ASYNC_REMOTE_LOCAL_RESPONSE, 0, 0)
        else:
            _send(connection, ERROR, 1, 0, b"unrecognized message type")


def _messages(message: bytearray, largest_block: int) -> Iterator[memoryview]:
    """Program messages between END and END, without the newlines outside of blocks that some clients add."""
    view, start = memoryview(message), 0
    while start < len(message):
        try:
            length, _ = MessageEnd(largest_block).find(message if start == 0 else bytearray(view[start:]))
        except ScpiError as error:
            raise _Fatal(0, error.text) from None
        end = start + length - 1 if length else len(message)
        yield view[start:end]
        start = start + length if length else end


def _header(connection: socket.socket) -> tuple[int, int, int, int]:
    prologue, kind, control, parameter, length = HEADER.unpack(_receive(connection, HEADER.size))
    if prologue != b"HS":
        raise _Fatal(1, "a header begins with HS")
    return kind, control, parameter, length


def _bounded(length: int, largest: int) -> int:
    if length > largest:
        raise _Fatal(0, f"a payload of {length} bytes; {largest} is the limit here")
    return length


def _receive(connection: socket.socket, length: int, into: bytearray | None = None) -> bytearray:
    """Exactly this many bytes, after what `into` holds; memory is taken as they arrive."""
    buffer = bytearray() if into is None else into
    while 0 < length <= SMALL_BYTES:
        chunk = connection.recv(length)
        if not chunk:
            raise ConnectionError("closed by the client")
        buffer += chunk
        length -= len(chunk)
    while length:
        start, step = len(buffer), min(length, 1 << 20)
        buffer.extend(bytes(step))
        got = 0
        with memoryview(buffer) as view:
            while got < step:
                received = connection.recv_into(view[start + got :])
                if not received:
                    raise ConnectionError("closed by the client")
                got += received
        length -= step
    return buffer


def _send(connection: socket.socket, kind: int, control: int, parameter: int, payload: bytes = b"") -> None:
    connection.sendall(HEADER.pack(b"HS", kind, control, parameter, len(payload)) + payload)


def _send_data(connection: socket.socket, message_id: int, pieces: list[Piece], largest: int) -> None:
    """A reply in messages of at most `largest` bytes, the last one DataEnd."""
    room = largest - HEADER.size
    left = [memoryview(piece) for piece in pieces if len(piece)]
    out: list[Piece] = []
    while left:
        payload: list[Piece] = []
        size = 0
        while left and size < room:
            take = left[0][: room - size]
            payload.append(take)
            size += len(take)
            left[0] = left[0][len(take) :]
            if not len(left[0]):
                left.pop(0)
        out += [HEADER.pack(b"HS", DATA if left else DATA_END, 0, message_id, size), *payload]
    send_pieces(connection, out)
