"""Bytes over a VISA session. Traps that were measured, and where each is cured, stand in the docstrings."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol, TypeAlias

from opu.errors import DeviceError

from .listener import send_pieces
from .visa_settings import VisaSettings

Pieces: TypeAlias = list[bytes | memoryview]

LONGEST_LINE = 1 << 16
CHUNK_BYTES = 1 << 16
HISLIP_MESSAGE_KB = 16384
READ_BYTES = 1 << 18
"""Of one viRead, which makes a buffer of that size: large ones are fresh pages each time, and cost more than the copy."""


class LinkError(Exception):
    """The link failed; whether what was sent was carried out is unknown."""


class Foreign(LinkError):
    """What answered is no appliance, unless its answers were damaged."""


class Transport(Protocol):
    """Every method raises LinkError, after which the transport is of no more use."""

    def send(self, pieces: Pieces) -> None:
        """All of them, as one message."""
        ...

    def receive(self, length: int) -> bytearray:
        """Exactly this many bytes."""
        ...

    def receive_into(self, view: memoryview) -> None:
        """As many bytes as fit."""
        ...

    def line(self) -> bytes:
        """Everything up to a newline, and the newline."""
        ...

    def close(self) -> None:
        """Drop the link; idempotent."""
        ...


class SocketTransport:
    """The socket of a pyvisa-py SOCKET session, read and written directly, in TLS if there is a context.

    pyvisa-py 0.8 opens a dead port without an error (SO_ERROR is asked here), delays small writes by 40 ms (TCP_NODELAY),
    reads 4 kB at a time, waits out the whole timeout when the peer has closed, and writes without any timeout.
    """

    def __init__(
        self, resource: Any, connection: socket.socket, settings: VisaSettings, context: ssl.SSLContext | None
    ) -> None:
        self._resource, self._buffer = resource, bytearray()
        failed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if failed:
            raise LinkError(f"cannot connect: {OSError(failed, '').__class__.__name__} (error {failed})")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(settings.timeout_s)
        try:
            host = settings.resource.split("::")[1]
            self._socket = connection if context is None else context.wrap_socket(connection, server_hostname=host)
        except ssl.SSLCertVerificationError as error:
            raise DeviceError(
                f"{settings.resource}: its certificate is not believed: {error.verify_message}; tls_ca must hold that "
                f"certificate, or its issuer's, made out to {host}"
            ) from None
        except OSError as error:
            raise LinkError(f"TLS with {host} fails: {error}") from None

    def send(self, pieces: Pieces) -> None:
        """All of them; LinkError when the peer does not take them in time."""
        try:
            send_pieces(self._socket, pieces)
        except OSError as error:
            raise LinkError(f"sending: {error}") from None

    def receive(self, length: int) -> bytearray:
        """Exactly this many bytes."""
        buffer = self._buffer
        while len(buffer) < length <= CHUNK_BYTES:
            buffer += self._some()
        if length > len(buffer):
            result = bytearray(length)
            self.receive_into(memoryview(result))
            return result
        result = buffer[:length]
        del buffer[:length]
        return result

    def receive_into(self, view: memoryview) -> None:
        """As many bytes as fit, from the socket into place."""
        have = min(len(self._buffer), len(view))
        view[:have] = self._buffer[:have]
        del self._buffer[:have]
        while have < len(view):
            try:
                count = self._socket.recv_into(view[have:])
            except OSError as error:
                raise LinkError(f"receiving: {error}") from None
            if not count:
                raise LinkError("closed by the server")
            have += count

    def line(self) -> bytes:
        """Up to and with a newline."""
        buffer, looked = self._buffer, 0
        while (end := buffer.find(b"\n", looked)) < 0:
            looked = len(buffer)
            if looked > LONGEST_LINE:
                raise LinkError(f"a line of more than {LONGEST_LINE} characters")
            buffer += self._some()
        result = bytes(buffer[: end + 1])
        del buffer[: end + 1]
        return result

    def close(self) -> None:
        """Close socket and VISA session."""
        self._socket.close()
        _close(self._resource)

    def _some(self) -> bytes:
        try:
            chunk = self._socket.recv(CHUNK_BYTES)
        except OSError as error:
            raise LinkError(f"receiving: {error}") from None
        if not chunk:
            raise LinkError("closed by the server")
        return chunk


class VisaTransport:
    """viRead and viWrite of any VISA library. has_end: the protocol marks the end of messages (HiSLIP), SOCKET does not.

    A read of a SOCKET must never ask for more than comes: it would wait out its timeout. Lines end at the termination
    character there, blocks are read to their length with it switched off.
    """

    def __init__(self, resource: Any, *, has_end: bool) -> None:
        from pyvisa.constants import ResourceAttribute

        self._resource, self._has_end, self._buffer = resource, has_end, bytearray()
        self._terminated: bool | None = None
        self._quiet = resource.ignore_warning(*_HARMLESS)
        self._quiet.__enter__()  # for as long as the session lives: entering takes 6 µs
        wish = ResourceAttribute.tcpip_hislip_max_message_kb if has_end else ResourceAttribute.tcpip_nodelay
        with suppress(Exception):  # without it, only slower
            resource.set_visa_attribute(wish, HISLIP_MESSAGE_KB if has_end else True)
        most_kb: Any = 1
        with suppress(Exception):
            most_kb = resource.get_visa_attribute(wish)
        if has_end and most_kb < 1:  # pyvisa-py 0.8 would send empty messages for ever
            raise LinkError(f"the server takes messages of {most_kb} kB at most: damaged, or no HiSLIP")

    def send(self, pieces: Pieces) -> None:
        """All of them, as one message."""
        message, sent = b"".join(pieces), 0
        while sent < len(message):
            rest = message[sent:] if sent else message
            count = self._do("sending", self._resource.visalib.write, self._resource.session, rest)[0]
            if not count:
                raise LinkError("sending: nothing was taken")
            sent += count

    def receive(self, length: int) -> bytearray:
        """Exactly this many bytes."""
        self._terminate(False)
        while len(self._buffer) < length:
            missing = length - len(self._buffer)
            self._read(max(missing, CHUNK_BYTES) if self._has_end else missing)
        result = self._buffer[:length]
        del self._buffer[:length]
        return result

    def receive_into(self, view: memoryview) -> None:
        """As many bytes as fit."""
        self._terminate(False)
        have = min(len(self._buffer), len(view))
        view[:have] = self._buffer[:have]
        del self._buffer[:have]
        while have < len(view):
            chunk = self._chunk(min(len(view) - have, READ_BYTES))
            view[have : have + len(chunk)] = chunk
            have += len(chunk)

    def line(self) -> bytes:
        """Up to and with a newline."""
        self._terminate(True)
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > LONGEST_LINE:
                raise LinkError(f"a line of more than {LONGEST_LINE} characters")
            self._read(CHUNK_BYTES)
        result = bytes(self._buffer[: end + 1])
        del self._buffer[: end + 1]
        return result

    def close(self) -> None:
        """Close the VISA session."""
        _close(self._resource)

    def _read(self, most: int) -> None:
        self._buffer += self._chunk(most)

    def _chunk(self, most: int) -> bytes:
        chunk: bytes = self._do("receiving", self._resource.visalib.read, self._resource.session, most)[0]
        if not chunk:
            raise LinkError("receiving: nothing came")
        return chunk

    def _terminate(self, wanted: bool) -> None:
        if not self._has_end and wanted != self._terminated:
            self._do("setting", setattr, self._resource, "read_termination", "\n" if wanted else None)
            self._terminated = wanted

    def _do(self, what: str, action: Callable[..., Any], *arguments: Any) -> Any:
        """pyvisa-py lets OSError, RuntimeError, AssertionError, KeyError and struct.error through, beside VisaIOError."""
        try:
            return action(*arguments)
        except Exception as error:
            raise LinkError(f"{what}: {type(error).__name__}: {error}") from None


_HARMLESS = (0x3FFF0006,)
"""VI_SUCCESS_MAX_CNT: there is more to read."""


class _EndNoticed:
    """A socket whose recv_into raises when the peer has closed."""

    def __init__(self, inner: socket.socket) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def recv_into(self, *arguments: Any) -> int:
        count = self._inner.recv_into(*arguments)
        if not count:
            raise ConnectionError("closed by the server")
        return count


def notice_the_end(resource: Any) -> None:
    """Cure of pyvisa-py 0.8's HiSLIP, which skips an answer to another message for ever when the server closes meanwhile."""
    inner: Any = getattr(getattr(resource.visalib, "sessions", {}).get(resource.session), "interface", None)
    if isinstance(getattr(inner, "_sync", None), socket.socket):
        inner._sync = _EndNoticed(inner._sync)


def close_abandoned(error: BaseException | None) -> None:
    """Close what a failed opening left open: pyvisa-py 0.8's HiSLIP does not, and only its frames know the sockets."""
    while error is not None:
        trace = error.__traceback__
        while trace is not None:
            it = trace.tb_frame.f_locals.get("self")
            for end in (getattr(it, "_sync", None), getattr(it, "_async", None)):
                if isinstance(end, socket.socket):
                    end.close()
            trace = trace.tb_next
        error = error.__cause__ or error.__context__


def _close(resource: Any) -> None:
    with suppress(Exception):  # the session is gone already
        resource.close()
