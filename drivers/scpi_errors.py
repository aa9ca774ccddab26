"""Errors on the wire: the numbers of SCPI-99 (volume 2, chapter 21) and, above zero, this instrument's own."""

from __future__ import annotations

from opu.errors import CapabilityError, ConfigError, DeviceClosed, DeviceError, DeviceLost, InputError, OPUError

LONGEST = 255
"""Characters of an error's text in SYSTem:ERRor?, by SCPI-99; SYSTem:ERRor:FULL? gives all of it."""

NAMES: dict[int, str] = {
    0: "No error",
    -101: "Invalid character",
    -102: "Syntax error",
    -103: "Invalid separator",
    -104: "Data type error",
    -108: "Parameter not allowed",
    -109: "Missing parameter",
    -113: "Undefined header",
    -120: "Numeric data error",
    -131: "Invalid suffix",
    -151: "Invalid string data",
    -161: "Invalid block data",
    -200: "Execution error",
    -203: "Command protected",
    -221: "Settings conflict",
    -222: "Data out of range",
    -223: "Too much data",
    -224: "Illegal parameter value",
    -230: "Data corrupt or stale",
    -240: "Hardware error",
    -310: "System error",
    -350: "Queue overflow",
    -363: "Input buffer overrun",
    1: "Input refused",
    2: "Device error",
    3: "Device closed",
    4: "Device lost",
    5: "Capability missing",
    6: "Sequence gap",
    7: "Not shown",
    8: "Reading no longer kept",
    9: "Lease held by another",
    10: "No lease",
    11: "Checksum mismatch",
    12: "Interlock open",
}

INPUT, DEVICE, CLOSED, LOST, CAPABILITY = 1, 2, 3, 4, 5
GAP, NOT_SHOWN, FORGOTTEN, TAKEN, NO_LEASE, CHECKSUM, INTERLOCK = 6, 7, 8, 9, 10, 11, 12
PROTECTED = -203

_CLASSES: dict[int, type[OPUError]] = {
    INPUT: InputError,
    CLOSED: DeviceClosed,
    LOST: DeviceLost,
    CAPABILITY: CapabilityError,
    FORGOTTEN: DeviceLost,
    NO_LEASE: DeviceLost,
    PROTECTED: ConfigError,
}


class ScpiError(Exception):
    """One entry of an error queue. code: a key of NAMES. detail: what happened and what to do."""

    def __init__(self, code: int, detail: str = "") -> None:
        super().__init__(code, detail)
        self.code, self.detail = code, detail

    @property
    def text(self) -> str:
        """Name and detail as SCPI-99 joins them, on one line."""
        name = NAMES.get(self.code, "Execution error")
        return f"{name};{self.detail}" if self.detail else name

    def shown(self, longest: int | None = LONGEST) -> str:
        """`code,"text"`, quotes doubled, ASCII, at most `longest` characters of text (None: all)."""
        text = " ".join(self.text.encode("ascii", "backslashreplace").decode().split())
        if longest is not None and len(text) > longest:
            text = text[: longest - 3] + "..."
        return f'{self.code},"{text.replace(chr(34), chr(34) * 2)}"'


NO_ERROR = ScpiError(0)


def coded(error: Exception) -> ScpiError:
    """The entry for an exception that a device or a handler raised."""
    if isinstance(error, ScpiError):
        return error
    for code, kind in (
        (INPUT, InputError),
        (CLOSED, DeviceClosed),
        (LOST, DeviceLost),
        (CAPABILITY, CapabilityError),
        (DEVICE, OPUError),
    ):
        if isinstance(error, kind):
            return ScpiError(code, str(error))
    return ScpiError(-310, f"{type(error).__name__}: {error}")


def parsed(line: str) -> ScpiError:
    """What shown() wrote; ValueError for anything else."""
    number, _, text = line.partition(",")
    if not (len(text) >= 2 and text[0] == text[-1] == '"'):
        raise ValueError(f"{line[:80]!r} is not a reply of SYSTem:ERRor?")
    return ScpiError(int(number), text[1:-1].replace('""', '"').partition(";")[2])


def raised(error: ScpiError, where: str) -> OPUError:
    """The exception that a client raises for an entry; its class is the one that the device raised."""
    kind = _CLASSES.get(error.code, DeviceError)
    own = error.code in (INPUT, DEVICE, CLOSED, CAPABILITY)
    message = error.detail if own and error.detail else f"{where}: {error.text} ({error.code})"
    return kind(message)
