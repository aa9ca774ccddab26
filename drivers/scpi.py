"""The one table of commands: server, client and docs/scpi.md are made from it (IEEE 488.2, SCPI-99)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Literal, TypeAlias

PROTOCOL = (1, 0)
"""Version of this table, (major, minor): a client refuses another major."""

SCPI_YEAR = "1999.0"

Kind: TypeAlias = Literal["integer", "real", "boolean", "word", "block"]
Access: TypeAlias = Literal["anyone", "reader", "controller"]


@dataclass(frozen=True)
class Parameter:
    """One argument. unit: SI unit of a real, whose suffix (MS, US...) is allowed. default: the word that stands for None."""

    name: str
    kind: Kind
    unit: str = ""
    low: float | None = None
    high: float | None = None
    optional: bool = False
    default: str = ""


@dataclass(frozen=True)
class Command:
    """One line of the table. header: long form with the short form in capitals, optional nodes in brackets.

    name: the handler's. access: anyone, reader (has shown a token where one is asked for) or controller (holds the lease).
    more: kind of any number of further arguments. reply: what a query answers.
    """

    name: str
    header: str
    description: str
    parameters: tuple[Parameter, ...] = ()
    more: Parameter | None = None
    reply: str = ""
    access: Access = "reader"

    @property
    def is_query(self) -> bool:
        """Whether it has a reply."""
        return self.header.endswith("?")


_MASK = Parameter("mask", "integer", low=0, high=255)
_SESSION = Parameter("session", "word")
_SEQUENCE = Parameter("sequence", "integer", low=1, high=2**63 - 1)

COMMANDS: tuple[Command, ...] = (
    Command("clear", "*CLS", "Empty this link's error queue and event register."),
    Command("set_event_mask", "*ESE", "Which events set bit 5 of the status byte.", (_MASK,)),
    Command("event_mask", "*ESE?", "That mask.", reply="integer"),
    Command("events", "*ESR?", "Events since last asked: 1 done, 4 query, 8 device, 16 execution, 32 command error.",
            reply="integer"),
    Command("identity", "*IDN?", "Maker, model, serial, version.", reply="text", access="anyone"),
    Command("complete", "*OPC", "Set bit 0 of the event register once every block accepted has been shown."),
    Command("is_complete", "*OPC?", "1 once every block accepted has been shown.", reply="1"),
    Command("reset", "*RST", "Light off, acquisition forgotten; lease and sequence stay.", access="controller"),
    Command("set_service_mask", "*SRE", "Which bits of the status byte ask for service; kept, never sent.", (_MASK,)),
    Command("service_mask", "*SRE?", "That mask.", reply="integer"),
    Command("status_byte", "*STB?", "4 errors queued, 32 events, 64 service asked for.", reply="integer"),
    Command("self_test", "*TST?", "0 if device and queue answer and the interlock is not open, else 1.", reply="integer"),
    Command("wait", "*WAI", "Wait until every block accepted has been shown."),
    Command("error", "SYSTem:ERRor[:NEXT]?", "Oldest entry of this link's error queue.", reply='number,"text"',
            access="anyone"),
    Command("error_count", "SYSTem:ERRor:COUNt?", "Entries in it.", reply="integer", access="anyone"),
    Command("error_in_full", "SYSTem:ERRor:FULL?", "As SYSTem:ERRor?, its text not cut at 255 characters.",
            reply='number,"text"', access="anyone"),
    Command("check", "SYSTem:CHECk",
            "As a message's first unit: empties the error queue; crc is the CRC-32 of all text after its own digits, blocks' "
            "contents left out, and if that is wrong nothing is done. number: see Guarded messages.",
            (Parameter("crc", "word"), Parameter("number", "integer", low=1, high=2**63 - 1, optional=True)),
            access="anyone"),
    Command("error_and_check", "SYSTem:ERRor:CHECk?",
            "Oldest error in full, then the CRC-32 of the message's number, its replies before this one, readings left out, "
            "and this error.",
            reply='number,"text",hexadecimal', access="anyone"),
    Command("version", "SYSTem:VERSion?", "Year of SCPI.", reply=SCPI_YEAR, access="anyone"),
    Command("protocol", "SYSTem:PROTocol?", "Version of this table, major.minor.", reply="text", access="anyone"),
    Command("health", "SYSTem:HEALth?", "Uptime, lease, light, queue, what came twice or damaged.",
            reply="block of JSON"),
    Command("limits", "SYSTem:LIMits?", "Largest block and reply in bytes, dead-man time and others.",
            reply="block of JSON"),
    Command("challenge", "SYSTem:AUTHenticate:CHALlenge?", "A fresh random nonce; NONE where no token is asked for.",
            reply="hexadecimal text", access="anyone"),
    Command("response", "SYSTem:AUTHenticate:RESPonse", "HMAC-SHA256 of the nonce's text under the token, hexadecimal.",
            (Parameter("hmac", "word"),), access="anyone"),
    Command("take", "LEASe:TAKE?", "Open the device and hold it as the one controller; RESUMED if the session holds it.",
            (_SESSION,), reply="NEW or RESUMED"),
    Command("resume", "LEASe:RESume?", "Hold on to it over a new link; the old one is closed. An error if it is not held.",
            (_SESSION,), reply="RESUMED"),
    Command("release", "LEASe:RELease", "Close the device, light off.", (_SESSION,)),
    Command("lease", "LEASe?", "Who may control: FREE, YOU or OTHER, and the seconds until silence turns the light off.",
            reply="word,seconds"),
    Command("specification", "DEVice:SPECification?", "Fields of opu.DeviceSpec.", reply="block of JSON"),
    Command("status", "DEVice:STATus?", "Fields of opu.DeviceStatus.", reply="block of JSON"),
    Command("configure", "ACQuisition:CONFigure?",
            "Set exposure, frame time (DEF: the shortest), light and the reference arm's phases; answers what was set.",
            (Parameter("exposure", "real", "s"), Parameter("frame_time", "real", "s", default="DEF"),
             Parameter("light", "boolean")),
            more=Parameter("phase", "real", "rad"), reply="seconds,seconds,0 or 1[,radians...]", access="controller"),
    Command("acquisition", "ACQuisition?", "The acquisition in force, as CONFigure? answers; NONE before the first.",
            reply="seconds,seconds,0 or 1[,radians...]"),
    Command("light_off", "LASer:OFF", "Light off now; the controller's next configuration or block turns it on again."),
    Command("light", "LASer[:STATe]?", "1 on, 0 off, -1 unknown.", reply="integer"),
    Command("interlock", "LASer:INTerlock?", "CLOSED, OPEN or NONE.", reply="word"),
    Command("inputs", "LAYout:INPuts?", "Inputs of a frame, the anchor included.", reply="integer"),
    Command("outputs", "LAYout:OUTPuts?", "Readings of a frame.", reply="integer"),
    Command("anchor", "LAYout:ANCHor?", "Index of the anchor among the inputs; -1: none.", reply="integer"),
    Command("frame_bytes", "LAYout:BYTes?", "Bytes of one packed frame.", reply="integer"),
    Command("show", "FRAMes[:DATA]",
            "Queue a block of packed frames under the next sequence number; one shown before is not shown again.",
            (Parameter("frames", "block"),), access="controller"),
    Command("next", "FRAMes:NEXT?", "The sequence number to use next.", reply="integer"),
    Command("readings", "MEASure:FRAMes?", "Readings of a block; `#10` when they are not there after the wait.",
            (_SEQUENCE, Parameter("wait", "real", "s", low=0, high=60, optional=True)), reply="block of readings",
            access="controller"),
)  # fmt: skip

BY_NAME: dict[str, Command] = {command.name: command for command in COMMANDS}


def spellings(header: str) -> list[str]:
    """Every accepted way to write a header, in capitals: long or short form of each node, optional nodes with or without."""
    query = header.endswith("?")
    if header.startswith("*"):
        return [header]
    choices: list[list[str]] = []
    for node in header.removesuffix("?").replace("[:", ":[").split(":"):
        name = node.strip("[]")
        short = "".join(c for c in name if not c.islower())
        forms = [short] if short == name.upper() else [short, name.upper()]
        choices.append(["", *forms] if node.startswith("[") else forms)
    return [":".join(filter(None, nodes)) + "?" * query for nodes in product(*choices)]


HEADERS: dict[str, Command] = {spelling: command for command in COMMANDS for spelling in spellings(command.header)}

_SHORTEST = {
    command.name: ("" if command.header.startswith("*") else ":") + spellings(command.header)[0] for command in COMMANDS
}


def compose(name: str, *arguments: object) -> str:
    """A program message unit that calls the command: short form, absolute path. Blocks are appended by the caller."""
    text = ",".join(map(_written, arguments))
    return f"{_SHORTEST[name]} {text}" if text else _SHORTEST[name]


def _written(value: object) -> str:
    if value is None:
        return "DEF"
    if isinstance(value, bool):
        return "1" if value else "0"
    return repr(float(value)) if isinstance(value, float) else str(value)  # a NumPy float prints its type
