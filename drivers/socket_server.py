"""SCPI over a raw TCP connection, VISA's SOCKET: messages end with a newline, blocks carry their length."""

from __future__ import annotations

import socket
import ssl
from functools import partial
from time import monotonic

from .lease import Link
from .limits import Limits
from .listener import Listener, Pace, cut, send_pieces
from .parsing import MessageEnd
from .scpi_errors import ScpiError
from .service import Hangup, Service

CHUNK_BYTES = 1 << 16
STEP_BYTES = 1 << 20
"""A claimed block takes memory as it arrives, in steps of this."""

MESSAGE_STALLS = 12
"""A whole message may take this many times the stall time, however slowly it trickles."""


def serve_socket(service: Service, host: str, port: int, tls: ssl.SSLContext | None = None) -> Listener:
    """Start serving; the listener knows the port."""
    limits = service.instrument.limits

    def handle(connection: socket.socket, peer: str) -> None:
        _converse(service, connection, peer, limits)

    return Listener(host, port, service.gate, limits, handle, "SOCKET", tls)


def _converse(service: Service, connection: socket.socket, peer: str, limits: Limits) -> None:
    link = service.connect(peer)
    link.cut = partial(cut, connection)
    reader = _Reader(connection, limits)
    pace = Pace(limits.messages_per_s)
    try:
        while (message := reader.message(link)) is not None:
            pace.message()
            pieces = service.execute(link, message)
            if pieces:
                connection.settimeout(limits.stall_s)
                send_pieces(connection, pieces)
    except ScpiError as error:  # where the next message begins is unknown
        connection.settimeout(limits.stall_s)
        connection.sendall(error.shown().encode() + b"\n")
    except Hangup:
        pass
    finally:
        service.disconnect(link)


class _Reader:
    """One message after another from a connection; each keeps its own buffer, since its blocks outlive it."""

    def __init__(self, connection: socket.socket, limits: Limits) -> None:
        self._connection, self._limits = connection, limits
        self._buffer = bytearray()
        self._end = MessageEnd(limits.block_bytes)

    def message(self, link: Link) -> memoryview | None:
        """The next one without its end of line; None when the peer has closed. OSError when it stalls or idles too long."""
        limits, buffer = self._limits, self._buffer
        self._end.largest_block = limits.block_bytes if link.trusted else 0
        until_s = None
        while True:
            length, missing = self._end.find(buffer)
            if length:
                break
            if until_s is None and buffer:
                until_s = monotonic() + MESSAGE_STALLS * limits.stall_s
            if until_s is not None and monotonic() > until_s:
                raise TimeoutError("a message that does not end")
            self._connection.settimeout(limits.stall_s if buffer or not link.trusted else limits.idle_s)
            if not self._receive(buffer, missing):
                return None
        self._buffer = bytearray(memoryview(buffer)[length:])
        end = length - 1
        while end and buffer[end - 1] == 13:
            end -= 1
        return memoryview(buffer)[:end]

    def _receive(self, buffer: bytearray, missing: int) -> int:
        if missing <= CHUNK_BYTES:
            chunk = self._connection.recv(CHUNK_BYTES)
            buffer += chunk
            return len(chunk)
        start = len(buffer)
        buffer.extend(bytes(min(missing, STEP_BYTES)))
        count = 0
        try:
            with memoryview(buffer)[start:] as rest:
                count = self._connection.recv_into(rest)
        finally:
            del buffer[start + count :]
        return count
