"""What benchmarks/fuzz_atheris.py throws bytes at: each a function of bytes that returns, whatever they are.

An exception that is not the one promised to the caller fails the input; so does a broken rule, by an assertion.
"""

from __future__ import annotations

import socket
import zlib
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any

import numpy as np

from opu.testing import ReferenceDevice

LIT = b"LEAS:TAKE? f;:ACQ:CONF? 1ms,DEF,ON"
SHOWN = b":FRAM \x01;:MEAS:FRAM? 1,1;:SYST:ERR?"

Target = Callable[[bytes], None]

_NAMES = (
    "access", "hislip", "instrument", "lease", "limits", "listener", "messages", "parsing", "scpi", "scpi_errors", "service",
    "session", "socket_server", "transport", "visa_settings",
)  # fmt: skip
N_INPUTS, N_OUTPUTS = 20, 16
LARGEST_BLOCK = 1 << 16


class Modules:
    """The driver's modules, found by name as everywhere outside of them."""

    def __init__(self) -> None:
        for name in _NAMES:
            setattr(self, name, import_module(f"opu.drivers.{name}"))

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


class Tape:
    """A connection whose peer has said everything already, and hung up. Sent bytes are counted."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at, self.sent = data, 0, 0

    def recv(self, most: int, _flags: int = 0) -> bytes:
        """As a socket's; never more than 100 bytes at once, so that things come in parts."""
        chunk = self._data[self._at : self._at + min(most, 100)]
        self._at += len(chunk)
        return chunk

    def recv_into(self, view: memoryview) -> int:
        """As a socket's."""
        chunk = self.recv(len(view))
        view[: len(chunk)] = chunk
        return len(chunk)

    def sendall(self, data: bytes) -> None:
        """As a socket's."""
        self.sent += len(data)

    def sendmsg(self, pieces: list[memoryview]) -> int:
        """As a socket's."""
        size = sum(map(len, pieces))
        self.sent += size
        return size

    def settimeout(self, _seconds: float | None) -> None:
        """Nothing here takes time."""

    def shutdown(self, _how: int = socket.SHUT_RDWR) -> None:
        """Nothing to shut."""

    # The client's transport

    def send(self, pieces: list[bytes | memoryview]) -> None:
        """To nobody."""
        self.sent += sum(map(len, pieces))

    def receive(self, length: int) -> bytearray:
        """Exactly so many, or LinkError."""
        result = bytearray(self._data[self._at : self._at + length])
        self._at += len(result)
        if len(result) < length:
            raise _link_error()
        return result

    def receive_into(self, view: memoryview) -> None:
        """As many as fit, or LinkError."""
        view[:] = self.receive(len(view))

    def line(self) -> bytes:
        """Up to a newline, or LinkError."""
        end = self._data.find(b"\n", self._at)
        if end < 0:
            raise _link_error()
        return bytes(self.receive(end + 1 - self._at))

    def close(self) -> None:
        """Nothing to close."""


def _link_error() -> Exception:
    error: Exception = import_module("opu.drivers.transport").LinkError("closed by the server")
    return error


def seeds() -> list[bytes]:
    """Messages that mean something, to start from."""
    scpi = import_module("opu.drivers.scpi")
    one = [command.header.replace("[", "").replace("]", "") for command in scpi.COMMANDS]
    return [
        *(header.encode() for header in one),
        b"*CLS;*ESR?;:SYST:ERR?",
        b"ACQ:CONF? 1 ms,DEF,ON,0,1.5e0;:ACQ?",
        b":FRAM \x01;:MEAS:FRAM? 1,1;:SYST:ERR?\nFRAM:NEXT?\nFRAM \x02\nFRAM \x03",
        b"SYST:AUTH:RESP 'abc'\nLEAS:REL f;:LEAS:TAKE? \"g\"\nLEAS:RES? g",
        LIT + b"\n" + SHOWN + b"\n",
        b"".join(map(_packet, (b"*IDN?", LIT, SHOWN))),
        _packet(LIT) + _packet(b"*S", 6) + _packet(b"", 19) + _packet(b"", 8) + _packet(b"TB?"),
        b"".join(_packet(bytes(8), kind) for kind in (15, 21, 4, 24, 10, 12, 26)),
        b"r" + import_module("opu.drivers.hislip").HEADER.pack(b"HS", 7, 0, 2, 5) + b"*IDN?",
        b"\x04*IDN?;:SYST:ERR:CHEC?\n\x04:SYST:HEAL?;:FOO?;:SYST:ERR:CHEC?\n*IDN?\n\x04*IDN?",
        b"#14abcd",
        b"text;#15hello",
    ]


def _packet(payload: bytes, kind: int = 7) -> bytes:
    """As _hislip_messages() takes it."""
    return bytes([0, kind, 0, len(payload)]) + payload


def dictionary() -> list[bytes]:
    """Words that mutation may insert."""
    scpi = import_module("opu.drivers.scpi")
    headers = [header.encode() for header in scpi.HEADERS]
    return [*headers, b"#15", b"#9", b"DEF", b"ON", b"1e-3", b"ms", b"OPUF", b"OPUR", b";:", b'0,"No error"', b"HS"]


def targets() -> dict[str, Target]:
    """Name -> target; each keeps its own appliance, where it has one."""
    modules = Modules()
    return {
        "parser": _parser(modules),
        "blocks": _blocks(modules),
        "instrument": _instrument(modules),
        "socket": _socket(modules),
        "hislip": _hislip(modules),
        "client": _client(modules),
    }


def _parser(m: Any) -> Target:
    def target(data: bytes) -> None:
        """Where a message ends does not depend on how it arrives; its units are calls or errors."""
        ends: list[object] = []
        for step in (max(1, len(data)), 1 + len(data) // 3):
            end, buffer = m.parsing.MessageEnd(LARGEST_BLOCK), bytearray()
            found: object = 0
            for at in range(0, max(1, len(data)), step):
                buffer += data[at : at + step]
                try:
                    length, missing = end.find(buffer)
                except m.scpi_errors.ScpiError as error:
                    if error.code not in (-223, -363):
                        raise
                    found = error.code
                    break
                assert (length > 0) != (missing > 0), (length, missing)
                if length:
                    found = length
                    break
            ends.append(found)
        assert ends[0] == ends[1] or {-223, -363} & set(ends), ends
        for call in m.parsing.calls(data):
            assert isinstance(call, m.parsing.Call | m.scpi_errors.ScpiError)

    return target


def _blocks(m: Any) -> Target:
    messages = m.messages

    def target(data: bytes) -> None:
        """A block is refused, or says what its bytes say; one made of any rows comes back the same, unless damaged."""
        for magic in (messages.FRAMES, messages.READINGS):
            with suppress(m.scpi_errors.ScpiError):
                rows = messages.unpack_rows(magic, data)
                assert rows.rows.size + messages.HEAD_BYTES == len(data)
        width = 1 + (data[0] & 15 if data else 0)
        n = max(0, len(data) - 2) // width
        rows = np.frombuffer(data[2 : 2 + n * width], np.uint8).reshape(n, width)
        head, content = messages.pack_rows(messages.FRAMES, len(data), rows)
        whole = bytearray(head[-messages.HEAD_BYTES :] + bytes(content))
        assert np.array_equal(messages.unpack_rows(messages.FRAMES, whole).rows, rows)
        if len(data) > 1:
            whole[data[1] % len(whole)] ^= 1 + data[0] % 255
            try:
                messages.unpack_rows(messages.FRAMES, whole)
            except m.scpi_errors.ScpiError:
                return
            raise AssertionError("damage unnoticed")

    return target


def _served(m: Any) -> Any:
    m.service.REFUSAL_DELAY_S = 0.0
    device = ReferenceDevice(np.ones((N_OUTPUTS, N_INPUTS), complex))
    limits = m.limits.Limits(
        dead_man_s=3600.0, keep_bytes=1 << 18, block_bytes=LARGEST_BLOCK, reply_bytes=LARGEST_BLOCK
    )
    return m.service.Service(m.instrument.Instrument(device, limits), m.access.Gate())


def _filled(m: Any, data: bytes) -> bytes:
    """Bytes 1, 2 and 3 become a good block 1, a good block 2, and a damaged one: checksums are not found by chance."""
    rows = np.full((2, -(-N_INPUTS // 8)), 0x50, np.uint8)
    blocks = [b"".join(map(bytes, m.messages.pack_rows(m.messages.FRAMES, k, rows))) for k in (1, 2)]
    for mark, block in ((b"\x01", blocks[0]), (b"\x02", blocks[1]), (b"\x03", blocks[0][:-1] + b"\x00")):
        data = data.replace(mark, block, 8)
    return data


def _instrument(m: Any) -> Target:
    service = _served(m)

    def target(data: bytes) -> None:
        """Whatever the controller says is answered by whole lines, and what it leaves behind is dark and closed."""
        link = service.connect("fuzz")
        assert bytes(service.execute(link, LIT)[0]) == b"NEW"
        for number, message in enumerate(_filled(m, data).split(b"\n"), 1):
            guarded = _guarded(message[1:], number) if message[:1] == b"\x04" else message
            try:
                reply = b"".join(service.execute(link, guarded))
            except m.service.Hangup:
                break
            assert not reply or reply.endswith(b"\n"), message
            assert len(link.registers.errors) <= 32
        service.disconnect(link)
        _left_dark(service)

    return target


def _guarded(text: bytes, number: int) -> bytes:
    """A message with its checksum and number, as docs/scpi.md has it, where there is no block in it."""
    rest = b",%d;%s" % (number, text)
    return b"SYST:CHEC %08X%s" % (zlib.crc32(rest), rest)


def _socket(m: Any) -> Target:
    service = _served(m)

    def target(data: bytes) -> None:
        """A raw TCP client that says this and hangs up loses its lease's light."""
        with suppress(OSError):
            m.socket_server._converse(service, Tape(_filled(m, data)), "fuzz", service.instrument.limits)
        _left_dark(service)

    return target


def _hislip(m: Any) -> Target:
    service = _served(m)
    hislip = m.hislip

    def target(data: bytes) -> None:
        """Headers as they come, or messages made of kind, control and length, on both channels of a client."""
        sessions = hislip._Sessions()
        stream = data[1:] if data[:1] == b"r" else _hislip_messages(m, data)
        for run in (
            lambda tape: hislip._synchronous(service, sessions, tape, "fuzz", service.instrument.limits),
            lambda tape: hislip._asynchronous(sessions, tape, sessions.add(hislip._Session(service.connect("fuzz")))),
        ):
            with suppress(OSError, hislip._Fatal):
                run(Tape(stream))
        _left_dark(service)

    return target


def _hislip_messages(m: Any, data: bytes) -> bytes:
    """Of [odd: wrong length][kind][control][length] and a payload, again and again."""
    out, at = [], 0
    while at + 4 <= len(data):
        odd, kind, control, length = data[at : at + 4]
        payload = _filled(m, data[at + 4 : at + 4 + length])
        claimed = (len(payload) + odd // 2) << (odd if odd > 200 else 0) if odd % 2 else len(payload)
        out.append(m.hislip.HEADER.pack(b"HS", kind, control, at, claimed & (2**64 - 1)) + payload)
        at += 4 + length
    return b"".join(out)


def _left_dark(service: Any) -> None:
    instrument = service.instrument
    assert instrument.queue.alive
    assert instrument.queue.drain(10.0)
    instrument.release(instrument.lease.session)
    assert instrument.device.status().light_on is not True


def _check_of(covered: bytes) -> bytes:
    """The end of the reply to a link's first guarded message, as docs/scpi.md has it."""
    return b';0,"No error",%08X\n' % zlib.crc32(b'0,"No error"', zlib.crc32(covered, zlib.crc32(b"1")))


def _client(m: Any) -> Target:
    settings = m.visa_settings.VisaSettings(resource="TCPIP::127.0.0.1::1::SOCKET")
    into = memoryview(bytearray(64))

    def target(data: bytes) -> None:
        """Whatever a server answers, its client raises what it promises: the link's fault, or the server's error."""
        text = data.rstrip(b"\n")
        head, content = m.messages.pack_rows(m.messages.READINGS, 1, np.frombuffer(data[:64].ljust(64), np.uint8)[None])
        good = text + _check_of(text)
        readings = head + bytes(content) + (_check_of(head) if data[:1] > b"p" else data[64:])
        for reply in (data, good, readings):
            for ask in (
                lambda session: session.ask("identity"),
                lambda session: session.ask_block("specification"),
                lambda session: session.ask_readings(1, 0.0, [], into),
            ):
                session = m.session.Session(settings, "")
                session._transport = Tape(reply)
                with suppress(m.transport.LinkError, m.scpi_errors.ScpiError):
                    ask(session)
        with suppress(ValueError):
            m.scpi_errors.parsed(data.decode("latin-1"))

    return target
