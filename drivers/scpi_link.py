"""A text instrument on USB, a serial line or TCP: one question, one answer, and the instrument's errors raised."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Annotated, Protocol, TypeVar

from pydantic import Field

from opu.errors import DeviceClosed, DeviceError, DeviceLost, OPUError

from .checked import Settings
from .transport import LinkError, SocketTransport, Transport, VisaTransport
from .visa_resource import open_resource, socket_of
from .visa_settings import Seconds, VisaSettings

T = TypeVar("T")
MOST_ERRORS = 100
FORMS = "USB0::0x1313::0x804F::SERIAL::INSTR, ASRL/dev/ttyUSB0::INSTR, ASRL3::INSTR or TCPIP::host::port::SOCKET"
_ENTRY = re.compile(r'\s*([+-]?\d+)\s*(?:,\s*"?(.*?)"?\s*)?$', re.DOTALL)
_REFUSAL = re.compile(r"ERR\s*-?\d+")


class LinkSettings(Settings):
    """Where an instrument is.

    resource: VISA address, such as `USB0::0x1313::0x804F::M00300000::INSTR`, `ASRL/dev/ttyUSB0::INSTR`, `ASRL3::INSTR` or
    `TCPIP::host::port::SOCKET`. timeout_s: an answer that takes longer is a lost link. baud_rate: of a serial line, left
    out: the instrument's usual one. library: pyvisa's word for the VISA library, "@py" for pyvisa-py, "" for one installed.
    """

    resource: str = Field(min_length=1)
    timeout_s: Seconds = 3.0
    baud_rate: Annotated[int, Field(ge=300, le=4_000_000)] | None = None
    library: str = "@py"


class Link(Protocol):
    """Lines of text both ways. Every method but close() raises LinkError, after which the link is of no more use."""

    def open(self) -> None:
        """Connect; ConfigError if that can never work (no such library, no such address)."""
        ...

    def close(self) -> None:
        """Drop the link; idempotent."""
        ...

    def send(self, line: str) -> None:
        """One line, without its end."""
        ...

    def receive(self) -> str:
        """The next line, without its end."""
        ...


class VisaLink:
    """A link over pyvisa, with the cures that `transport` has for its traps. end: what ends a line that is sent."""

    def __init__(self, settings: LinkSettings, *, end: str = "\n", baud_rate: int = 115200) -> None:
        self._settings, self._end, self._baud_rate = settings, end, settings.baud_rate or baud_rate
        self._transport: Transport | None = None

    def open(self) -> None:
        """Connect."""
        self.close()
        self._transport = _dial(self._settings, self._baud_rate)

    def close(self) -> None:
        """Drop the link; idempotent."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()

    def send(self, line: str) -> None:
        """One line."""
        self._there().send([(line + self._end).encode("ascii")])

    def receive(self) -> str:
        """The next line."""
        return self._there().line().decode("ascii", "replace").strip()

    def _there(self) -> Transport:
        if self._transport is None:
            raise LinkError("the link is closed")
        return self._transport


@dataclass(frozen=True)
class Identity:
    """What *IDN? says: maker, model, serial number and firmware."""

    maker: str
    model: str
    serial: str = ""
    firmware: str = ""

    @classmethod
    def read(cls, line: str, separator: str = ",") -> Identity:
        """From the reply; what is missing is empty."""
        fields = [field.strip() for field in line.split(separator, 3)] + ["", "", "", ""]
        return cls(*fields[:4])


class Instrument:
    """One SCPI instrument. `name` begins every message. Any thread may use it: a lock keeps question and answer together.

    errors: the query that reads the next entry of the error queue. acknowledged: the instrument ends every answer with a
    line OK, or sends a line ERR-number instead. After a failed exchange the link is dropped, since the next answer could
    be the one that did not come; what follows raises DeviceLost until revive() or a new open().
    """

    def __init__(self, name: str, link: Link, *, errors: str = "SYST:ERR?", acknowledged: bool = False) -> None:
        self.name = name
        self._link, self._errors, self._acknowledged = link, errors, acknowledged
        self._is_open, self._lost = False, ""
        self.lock = threading.RLock()

    @property
    def is_open(self) -> bool:
        """Between open() and close(), also while the link is lost."""
        return self._is_open

    def open(self, greeting: str = "") -> str:
        """Connect, send a greeting if there is one, and return the answer to *IDN?. DeviceLost if nothing answers."""
        with self.lock:
            if self._is_open:
                raise DeviceError(f"{self.name}: is open already; close() it first")
            self._is_open = True
            try:
                return self.revive(greeting)
            except BaseException:
                self.close()
                raise

    def revive(self, greeting: str = "") -> str:
        """Connect anew, whatever became of the link before, and identify."""
        with self.lock:
            if not self._is_open:
                raise DeviceClosed(f"{self.name}: is closed; open() it first")
            self._link.close()
            try:
                self._link.open()
            except LinkError as error:
                self._lost = f"cannot be reached: {error}"
                raise DeviceLost(self._told()) from None
            self._lost = ""
            if greeting:
                self.send(greeting)
            return self.query("*IDN?")

    def close(self) -> None:
        """Drop the link; idempotent."""
        with self.lock:
            self._is_open, self._lost = False, ""
            self._link.close()

    def send(self, command: str) -> None:
        """A command without an answer, its errors not asked for (acknowledged: its OK awaited)."""
        with self._exchange(command):
            self._link.send(command)
            refusal = self._link.receive() if self._acknowledged else "OK"
            if not refusal.upper().startswith(("OK", "ERR")):
                raise LinkError(f"{refusal!r} came instead of OK")
        if refusal.upper() != "OK":
            raise DeviceError(f"{self.name}: refuses {command!r} with {refusal}{self._queued()}")

    def command(self, command: str) -> None:
        """A command without an answer; DeviceError with what the error queue says of it."""
        with self.lock:
            self.send(command)
            if not self._acknowledged:
                self.check(command)

    def query(self, query: str) -> str:
        """The answer to a query."""
        with self._exchange(query):
            self._link.send(query)
            answer = self._link.receive()
            refused = self._acknowledged and _REFUSAL.match(answer) is not None
            if self._acknowledged and not refused and (last := self._link.receive()).upper() != "OK":
                raise LinkError(f"{last!r} came instead of OK")
        if refused:
            raise DeviceError(f"{self.name}: refuses {query!r} with {answer}")
        return answer

    def number(self, query: str) -> float:
        """The number that a query answers, its unit left out; DeviceError if it is none."""
        answer = self.query(query)
        found = re.match(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", answer)
        if found is None or not math.isfinite(float(found[0])):
            raise DeviceError(f"{self.name}: answers {answer[:60]!r} to {query!r}, which is no number")
        return float(found[0])

    def flag(self, query: str) -> bool:
        """The yes or no that a query answers: 1 or ON, 0 or OFF."""
        answer = self.query(query).strip().upper()
        if answer not in {"0", "1", "ON", "OFF"}:
            raise DeviceError(f"{self.name}: answers {answer[:60]!r} to {query!r}, which is neither 0 nor 1")
        return answer in {"1", "ON"}

    def check(self, after: str = "") -> None:
        """Empty the error queue; DeviceError with all that stood in it."""
        found = self.drain()
        if found:
            raise DeviceError(f"{self.name}: {after!r} is refused: {'; '.join(found)}")

    def drain(self) -> list[str]:
        """Empty the error queue; what stood in it, oldest first."""
        entries: list[str] = []
        with self.lock:
            while len(entries) < MOST_ERRORS:
                answer = self.query(self._errors)
                found = _ENTRY.match(answer)
                if found is None:
                    raise DeviceError(
                        f"{self.name}: answers {answer[:60]!r} to {self._errors!r}, which is no error entry"
                    )
                if int(found[1]) == 0:
                    return entries
                entries.append(f"{found[2] or 'error'} ({found[1]})")
        raise DeviceError(f"{self.name}: its error queue does not end: {entries[0]} ...; switch it off and on")

    def _queued(self) -> str:
        try:
            found = self.drain()
        except OPUError:
            return ""
        return f": {'; '.join(found)}" if found else ""

    def _told(self) -> str:
        return (
            f"{self.name}: {self._lost}; its state is unknown: look at it, check power, cable and address, then close() and "
            "open() it"
        )

    @contextmanager
    def _exchange(self, text: str) -> Iterator[None]:
        with self.lock:
            if not self._is_open:
                raise DeviceClosed(f"{self.name}: is closed; open() it first")
            if self._lost:
                raise DeviceLost(self._told())
            try:
                yield
            except LinkError as error:
                self._lost = f"no answer to {text!r} ({error})"
                self._link.close()
                raise DeviceLost(self._told()) from None
            except BaseException:  # interrupted: the answer may still come
                self._lost = f"interrupted at {text!r}"
                self._link.close()
                raise


def despite_loss(instrument: Instrument, action: Callable[[], T], greeting: str = "") -> T:
    """The action, over a new link if the old one is lost: for turning light off."""
    try:
        return action()
    except DeviceLost:
        instrument.revive(greeting)
        return action()


def _dial(settings: LinkSettings, baud_rate: int) -> Transport:
    """Open the resource; LinkError if nothing is there, ConfigError if it cannot be opened here at all."""
    kind = settings.resource.upper()
    is_serial, is_socket = kind.startswith("ASRL"), kind.endswith("SOCKET")
    resource = open_resource(settings.resource, settings.library, settings.timeout_s, FORMS)
    try:
        if is_serial:
            from pyvisa.constants import BufferOperation

            resource.baud_rate = baud_rate
            with suppress(Exception):  # what was left from before; an empty buffer is an error to some
                resource.flush(BufferOperation.discard_read_buffer)
        connection = socket_of(resource) if is_socket else None
        if connection is not None:
            visa = VisaSettings(resource=settings.resource, timeout_s=settings.timeout_s)
            return SocketTransport(resource, connection, visa, None)
        return VisaTransport(resource, has_end=not (is_socket or is_serial))
    except BaseException:
        resource.close()
        raise
