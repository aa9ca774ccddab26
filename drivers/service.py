"""What each command of the table does, and one program message after another carried out."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from time import sleep
from typing import TypeAlias

import opu
from opu.device import Acquisition

from .access import MOST_REFUSALS, Gate
from .instrument import Instrument
from .lease import Link
from .messages import EMPTY, FRAMES, text_block, unpack_rows
from .parsing import Call, Raw, calls, text_after_check
from .records import acquisition_text, record_text
from .scpi import PROTOCOL, SCPI_YEAR, Command
from .scpi_errors import CHECKSUM, PROTECTED, ScpiError, coded

Piece: TypeAlias = bytes | memoryview
Reply: TypeAlias = str | bytes | tuple[bytes, memoryview] | None

REFUSAL_DELAY_S = 0.2
"""What a wrong token costs, so that guessing takes longer than a token lives."""


class Hangup(Exception):
    """The link is to be closed after what it has been answered."""


@dataclass
class Exchange:
    """One message on its way: the replies of its units so far."""

    service: Service
    link: Link
    raw: Raw
    replies: list[list[Piece]] = field(default_factory=list)
    number: int | None = None
    """The message's own, where it is guarded."""

    @property
    def instrument(self) -> Instrument:
        """The device behind the table."""
        return self.service.instrument

    def crc(self, more: bytes = b"") -> str:
        """CRC-32 of the message's number, the replies so far, readings left out, and of `more`."""
        number = b"" if self.number is None else b"%d" % self.number
        text = b"".join(piece for reply in self.replies for piece in reply if isinstance(piece, bytes))
        return f"{zlib.crc32(more, zlib.crc32(text, zlib.crc32(number))):08X}"


class Service:
    """An instrument and who may use it; execute() may be called from the thread of every link."""

    def __init__(self, instrument: Instrument, gate: Gate) -> None:
        self.instrument, self.gate = instrument, gate
        self.damaged = 0
        """Messages and blocks that arrived damaged or out of turn, and were not carried out."""

    def connect(self, peer: str) -> Link:
        """A link for a client that has been admitted."""
        return self.gate.link(peer)

    def disconnect(self, link: Link) -> None:
        """The link is gone, for whatever reason."""
        self.instrument.drop(link)

    def execute(self, link: Link, raw: Raw) -> list[Piece]:
        """Carry out one program message, without its newline. Returns the pieces of the reply, if it has one, and newline.

        Errors go to the link's queue; a message that begins with SYSTem:CHECk is always answered, unless its link numbers
        its messages and this one is not the next: Hangup then, with nothing done.
        """
        self.instrument.heard(link)
        exchange = Exchange(self, link, raw)
        checked = False
        for call in calls(raw):
            try:
                if link.numbered and exchange.number is None and not _is_check(call):
                    self.damaged += 1
                    raise Hangup
                if isinstance(call, ScpiError):
                    raise call
                self._admit(call.command, link)
                reply = HANDLERS[call.command.name](exchange, *call.arguments)
                checked = checked or call.command.name == "check"
                if reply is not None:
                    exchange.replies.append(_pieces(reply))
            except Hangup:
                raise
            except Exception as error:
                refusal = coded(error)
                link.registers.add(refusal)
                self.damaged += refusal.code == CHECKSUM
                if isinstance(call, ScpiError) or refusal.code == CHECKSUM:
                    if checked or refusal.code == CHECKSUM:
                        exchange.replies.append([_error_and_check(exchange).encode()])
                    break
        return _joined(exchange.replies)

    def _admit(self, command: Command, link: Link) -> None:
        if command.access == "anyone":
            return
        if not link.trusted:
            raise ScpiError(PROTECTED, f"{command.header} needs a token: SYSTem:AUTHenticate:CHALlenge? first")
        if command.access == "controller":
            self.instrument.lease.check_link(link)


def _is_check(call: Call | ScpiError) -> bool:
    return isinstance(call, Call) and call.command.name == "check"


def _pieces(reply: str | bytes | tuple[bytes, memoryview]) -> list[Piece]:
    if isinstance(reply, tuple):
        return list(reply)
    return [reply if isinstance(reply, bytes) else reply.encode("ascii", "backslashreplace")]


def _joined(replies: list[list[Piece]]) -> list[Piece]:
    pieces: list[Piece] = []
    for reply in replies:
        pieces += [b";", *reply] if pieces else reply
    return [*pieces, b"\n"] if pieces else pieces


_NO_SEPARATORS = str.maketrans(",;\n", "   ")


def _identity(x: Exchange) -> str:
    spec = x.instrument.device.spec
    words = ("openopu", f"{spec.kind} {spec.model}", spec.serial, opu.__version__)
    return ",".join(word.translate(_NO_SEPARATORS) for word in words)


def _check(x: Exchange, crc: str, number: int | None = None) -> None:
    right = crc.upper() == f"{zlib.crc32(text_after_check(x.raw)):08X}"
    link, first = x.link, x.number is None and not x.replies
    if link.numbered and not (right and first and number == link.numbered + 1):
        x.service.damaged += 1
        raise Hangup  # where messages begin on this link is not certain any more
    link.registers.errors.clear()
    if not right:
        raise ScpiError(CHECKSUM, "a message arrived damaged and was not carried out; send it again")
    if number is not None:
        if number != link.numbered + 1:
            raise Hangup
        x.number = link.numbered = number


def _error_and_check(x: Exchange) -> str:
    entry = x.link.registers.next_error().shown(None)
    return f"{entry},{x.crc(entry.encode())}"


def _response(x: Exchange, response: str) -> None:
    try:
        x.service.gate.answer(x.link, response)
    except ScpiError:
        sleep(REFUSAL_DELAY_S)
        if x.link.refusals >= MOST_REFUSALS:
            raise Hangup from None
        raise


def _lease(x: Exchange) -> str:
    lease = x.instrument.lease
    if not lease.held or lease.silent:
        return "FREE,0"
    return f"{'YOU' if lease.link is x.link else 'OTHER'},{max(0.0, lease.dead_man_s - lease.silence_s):.3f}"


def _configure(x: Exchange, exposure_s: float, frame_time_s: float | None, light: bool, *reference_rad: float) -> str:
    wanted = Acquisition(exposure_s, frame_time_s, light, reference_rad)
    return acquisition_text(x.instrument.configure(wanted))


def _show(x: Exchange, block: memoryview) -> None:
    x.instrument.show(unpack_rows(FRAMES, block))


def _readings(x: Exchange, sequence: int, wait_s: float | None = None) -> Reply:
    longest_s = x.instrument.limits.dead_man_s / 2  # the link must be looked at while light is on
    reply = x.instrument.queue.reading(sequence, longest_s if wait_s is None else min(wait_s, longest_s))
    x.instrument.heard(x.link)
    return EMPTY if reply is None else reply


def _complete(x: Exchange) -> str:
    x.instrument.complete()
    return "1"


def _set(name: str) -> Callable[[Exchange, int], None]:
    return lambda x, value: setattr(x.link.registers, name, value)


def _operation_complete(x: Exchange) -> None:
    x.instrument.complete()
    x.link.registers.events |= 1


def _self_test(x: Exchange) -> str:
    healthy = x.instrument.queue.alive and x.instrument.device.status().interlock != "open"
    return str(int(not healthy))


HANDLERS: dict[str, Callable[..., Reply]] = {
    "clear": lambda x: x.link.registers.clear(),
    "set_event_mask": _set("event_mask"),
    "event_mask": lambda x: str(x.link.registers.event_mask),
    "events": lambda x: str(x.link.registers.take_events()),
    "identity": _identity,
    "complete": _operation_complete,
    "is_complete": _complete,
    "reset": lambda x: x.instrument.reset(),
    "set_service_mask": _set("service_mask"),
    "service_mask": lambda x: str(x.link.registers.service_mask),
    "status_byte": lambda x: str(x.link.registers.status_byte),
    "self_test": _self_test,
    "wait": lambda x: x.instrument.complete(),
    "error": lambda x: x.link.registers.next_error().shown(),
    "error_count": lambda x: str(len(x.link.registers.errors)),
    "error_in_full": lambda x: x.link.registers.next_error().shown(None),
    "check": _check,
    "error_and_check": _error_and_check,
    "version": lambda _: SCPI_YEAR,
    "protocol": lambda _: "{}.{}".format(*PROTOCOL),
    "health": lambda x: text_block(json.dumps(x.instrument.health() | {"damaged": x.service.damaged})),
    "limits": lambda x: text_block(json.dumps(asdict(x.instrument.limits))),
    "challenge": lambda x: x.service.gate.challenge(x.link),
    "response": _response,
    "take": lambda x, session: x.instrument.take(session, x.link),
    "resume": lambda x, session: x.instrument.resume(session, x.link),
    "release": lambda x, session: x.instrument.release(session),
    "lease": _lease,
    "specification": lambda x: text_block(x.instrument.spec_json),
    "status": lambda x: text_block(record_text(x.instrument.status())),
    "configure": _configure,
    "acquisition": lambda x: acquisition_text(x.instrument.status().acquisition),
    "light_off": lambda x: x.instrument.light_off(),
    "light": lambda x: {True: "1", False: "0", None: "-1"}[x.instrument.status().light_on],
    "interlock": lambda x: x.instrument.status().interlock.upper(),
    "inputs": lambda x: str(x.instrument.device.spec.n_inputs),
    "outputs": lambda x: str(x.instrument.device.spec.n_outputs),
    "anchor": lambda x: str(
        -1 if x.instrument.device.spec.anchor_input is None else x.instrument.device.spec.anchor_input
    ),
    "frame_bytes": lambda x: str(-(-x.instrument.device.spec.n_inputs // 8)),
    "show": _show,
    "next": lambda x: str(x.instrument.queue.next_sequence),
    "readings": _readings,
}
"""Name of a command -> what it does. Called with the exchange and the arguments; None: no reply."""
