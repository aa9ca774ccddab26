"""A link to an appliance over VISA, with a cure for each known trap, and messages whose damage is noticed."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from opu.errors import ConfigError, DeviceError

from .access import client_tls, proof
from .messages import HEAD_BYTES, READINGS, block_head, read_head
from .scpi import BY_NAME, PROTOCOL, compose
from .scpi_errors import PROTECTED, ScpiError, parsed
from .transport import (
    Foreign,
    LinkError,
    Pieces,
    SocketTransport,
    Transport,
    VisaTransport,
    notice_the_end,
)
from .visa_resource import open_resource, socket_of
from .visa_settings import VisaSettings

T = TypeVar("T")
Reader: TypeAlias = Callable[[Transport], tuple[T, bytes, bytes]]
"""Reads a reply: the result, the bytes of it that the reply's check covers, and the last line, error and check."""

_LAST = re.compile(r'(-?\d+,"(?:[^"]|"")*"),([0-9A-F]{8})', re.DOTALL)
_BEFORE_LAST = re.compile(r'(.*?);(?=-?\d+,"(?:[^"]|"")*",[0-9A-F]{8}\s*\Z)', re.DOTALL)
LARGEST_READINGS, LARGEST_RECORD = 1 << 30, 1 << 20


@dataclass(frozen=True)
class Block:
    """A block to send after a unit: bytes before the rows, counted in its length, and the rows."""

    head: bytes
    rows: memoryview


class Session:
    """One link at a time; after any failure it is closed, and open() makes another (a VISA session never recovers).

    Messages are guarded and numbered (docs/scpi.md), so that a reply which is damaged, or belongs to another message because
    bytes were lost or came twice, is never taken for the answer.

    LinkError: the link, not the device, is at fault, and what was asked may be asked again. ScpiError: what the server says.
    """

    def __init__(self, settings: VisaSettings, token: str) -> None:
        self.settings, self._token = settings, token
        self.identity = ""
        self._number = 0
        self._transport: Transport | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is a link that has not failed."""
        return self._transport is not None

    def open(self) -> None:
        """Connect, identify, compare versions, prove the token. LinkError, or DeviceError that names what does not fit."""
        try:
            self._number = 0
            self._transport = _connect(self.settings)
            self._transport.send([b"*IDN?\n"])
            self.identity = self._transport.line().decode("ascii", "replace").strip()
            if self.identity[:1] in "-0123456789" and self.identity[-1:] == '"':  # refused before it was asked
                raise Foreign(f"{self.settings.resource}: {self.identity}")
            self._check_version()
            self._prove()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Drop the link; idempotent."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()

    def ask(self, name: str, *arguments: object) -> str:
        """The text that a query answers; "" for a command without a reply."""
        text, covered = self._exchange([(compose(name, *arguments), None)], _text)
        if BY_NAME[name].is_query and not covered:
            self.close()
            raise LinkError("no reply to a query")
        return text

    def ask_block(self, name: str, *arguments: object) -> bytes:
        """The content of the block that a query answers."""
        content, _ = self._exchange([(compose(name, *arguments), None)], _block)
        return bytes(content)

    def ask_readings(self, sequence: int, wait_s: float, blocks: list[Block], into: memoryview) -> bool:
        """Send blocks of frames, and fetch the readings of one into place; False if they are not there within wait_s."""
        units: list[tuple[str, Block | None]] = [(compose("show") + " ", block) for block in blocks]
        units.append((compose("readings", sequence, wait_s), None))
        there, _ = self._exchange(units, lambda transport: _readings(transport, sequence, into))
        return there

    def _exchange(self, units: list[tuple[str, Block | None]], read: Reader[T]) -> tuple[T, bytes]:
        """Send a message and read its reply; returns it with those of its bytes that its check covers."""
        transport = self._transport
        if transport is None:
            raise LinkError("the link is closed")
        try:
            self._number += 1
            transport.send(_message(units, self._number))
            result, covered, last = read(transport)
            found = _LAST.fullmatch(last.decode("ascii").strip("\r\n"))
            if found is None:
                raise LinkError(f"a reply that ends in {last[-60:]!r}")
            if int(found[2], 16) != zlib.crc32(
                found[1].encode(), zlib.crc32(covered, zlib.crc32(b"%d" % self._number))
            ):
                raise LinkError("a reply arrived damaged, or was another message's")
            error = parsed(found[1])
        except ValueError as fault:
            self.close()
            raise LinkError(f"a reply that makes no sense: {fault}") from None
        except BaseException:  # interrupted, perhaps: what follows on this link would be the answer to this
            self.close()
            raise
        if error.code:
            raise error
        return result, covered

    def _check_version(self) -> None:
        where = f"{self.settings.resource} ({self.identity})"
        try:
            version = self.ask("protocol")
            major = int(version.partition(".")[0])
        except (LinkError, ScpiError, ValueError) as error:
            if self.identity.startswith("openopu,"):
                raise
            raise Foreign(
                f"{where} is no appliance of openopu: it does not answer SYSTem:PROTocol? ({error})"
            ) from None
        if major != PROTOCOL[0]:
            newer = "this client" if major > PROTOCOL[0] else "the appliance"
            raise DeviceError(
                f"{where} speaks version {version} of the command table and this client version {PROTOCOL[0]}.{PROTOCOL[1]}: "
                f"their major numbers must agree; update openopu on {newer}"
            )

    def _prove(self) -> None:
        nonce = self.ask("challenge")
        if nonce == "NONE":
            return
        if not self._token:
            raise ConfigError(f"{self.settings.resource} asks for a token: set token_env or token_file of this device")
        try:
            self.ask("response", proof(self._token, nonce))
        except ScpiError as error:
            if error.code != PROTECTED:
                raise
            raise DeviceError(f"{self.settings.resource}: {error.detail}") from None


def _message(units: list[tuple[str, Block | None]], number: int | None = None) -> Pieces:
    """Units between SYSTem:CHECk and SYSTem:ERRor:CHECk?, which guard the text; the blocks guard themselves."""
    first = b";" if number is None else b",%d;" % number
    pieces: list[bytes | memoryview] = [first]
    crc = zlib.crc32(first)
    for text, block in units:
        before = text.encode("ascii") + (b"" if block is None else block_head(len(block.head) + len(block.rows)))
        crc = zlib.crc32(before, crc)
        pieces.append(before)
        if block is not None:
            pieces += [block.head, block.rows]
        pieces.append(b";")
        crc = zlib.crc32(b";", crc)
    last = compose("error_and_check").encode()
    crc = zlib.crc32(last, crc)
    return [compose("check", f"{crc:08X}").encode(), *pieces, last + b"\n"]


def _text(transport: Transport) -> tuple[str, bytes, bytes]:
    """A reply of text: it, its bytes, and the error and check after it."""
    line = transport.line()
    found = _BEFORE_LAST.match(line.decode("ascii"))
    text = found[1] if found else ""
    return text, text.encode(), line[found.end() :] if found else line


def _block(transport: Transport) -> tuple[bytearray, bytes, bytes]:
    """A reply of one block, likewise; no bytes where an error came instead of it."""
    head, length, last = _block_start(transport)
    if not head:
        return bytearray(), b"", last
    if length > LARGEST_RECORD:
        raise LinkError(f"a record of {length} bytes")
    content = transport.receive(length)
    return content, head + content, _after_block(transport)


def _readings(transport: Transport, sequence: int, into: memoryview) -> tuple[bool, bytes, bytes]:
    """A reply of readings, read into place; the check covers the head alone, whose own covers the readings."""
    start, length, last = _block_start(transport)
    if not start:
        return False, b"", last
    if not length:
        return False, start, _after_block(transport)
    content = bytes(transport.receive(HEAD_BYTES))
    if length != HEAD_BYTES + len(into) or (head := read_head(content)).sequence != sequence:
        raise LinkError(f"readings of {length} bytes where {len(into)} of block {sequence} were asked for")
    transport.receive_into(into)
    try:
        head.check(READINGS, into)
    except ScpiError as error:
        raise LinkError(f"readings arrived damaged: {error.text}") from None
    return True, start + content, _after_block(transport)


def _block_start(transport: Transport) -> tuple[bytes, int, bytes]:
    """(what stands before a block's content, its length, b""), or (b"", 0, the line that came instead)."""
    first = bytes(transport.receive(1))
    if first != b"#":
        return b"", 0, first + transport.line()
    digits = bytes(transport.receive(1))
    if not digits.isdigit() or digits == b"0":
        raise LinkError(f"a block that begins with #{digits!r}")
    length = bytes(transport.receive(int(digits)))
    if not length.isdigit() or int(length) > LARGEST_READINGS:
        raise LinkError(f"a block of {length!r} bytes")
    return first + digits + length, int(length), b""


def _after_block(transport: Transport) -> bytes:
    line = transport.line()
    if not line.startswith(b";"):
        raise LinkError("a block that does not end where it says")
    return line[1:]


def _connect(settings: VisaSettings) -> Transport:
    """Open the resource; over SOCKET with pyvisa-py its socket is used directly, for what SocketTransport says."""
    is_socket = settings.resource.upper().endswith("SOCKET")
    context = None if settings.tls_ca is None else client_tls(settings.tls_ca)
    forms = "TCPIP::host::port::SOCKET or TCPIP::host::hislip0,port::INSTR"
    resource = open_resource(settings.resource, settings.library, settings.timeout_s, forms)
    try:
        connection = socket_of(resource) if is_socket else None
        if connection is not None:
            return SocketTransport(resource, connection, settings, context)
        if context is not None:
            raise ConfigError(
                f"tls_ca: library {settings.library!r} does not let its socket be encrypted; use library = '@py'"
            )
        if not is_socket:
            notice_the_end(resource)
        return VisaTransport(resource, has_end=not is_socket)
    except BaseException:
        resource.close()
        raise
