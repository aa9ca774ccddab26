"""docs/scpi.md, written from the table: `python -m opu.drivers.reference > docs/scpi.md`."""

from __future__ import annotations

import sys

from .messages import HEAD_BYTES
from .parsing import LONGEST_TEXT
from .registers import QUEUE_LENGTH
from .scpi import COMMANDS, PROTOCOL, SCPI_YEAR, Command, Parameter
from .scpi_errors import NAMES

_INTRODUCTION = f"""\
# Commands of the appliance

Made from `drivers/scpi.py` by `python -m opu.drivers.reference`; a test compares.
Version {PROTOCOL[0]}.{PROTOCOL[1]} of the table; IEEE 488.2 syntax and SCPI {SCPI_YEAR} errors.

Capitals are the short form, brackets may be left out, `;` joins commands, and a header without a leading colon starts where
the one before it in the same message branched off.

A message ends with a newline (SOCKET) or with its last HiSLIP packet. Text is ASCII, {LONGEST_TEXT} characters a message
beside its blocks. Each link has its own registers and its own queue of {QUEUE_LENGTH} errors.

**Who may.** *anyone*: before a token has been shown. *reader*: after it, where the server asks for one. *controller*: the link
that holds the lease. Any message of the controller renews the lease; after the dead-man time without one the light goes off and
another may take it. A lost link turns the light off at once, and `LEASe:RESume?` goes on over a new one.

**Blocks.** `#`, one digit n, n digits of length, the content. Frames and readings, little-endian: magic (4 bytes, `OPUF` or
`OPUR`), sequence number (8), rows (4), bytes of a row (4), CRC-32 (4) of those 20 bytes and the rows, then the rows:
{HEAD_BYTES} bytes and rows. A frame is packed most significant bit first; a reading is uint8, or uint16 above 8 bits.

**Exactly once.** Blocks of frames are numbered from 1 since `LEASe:TAKE?`. A number that was shown is not shown again, and
its readings may be asked for again as long as they are kept; a gap is refused. When a block fails, those sent after it
are not shown, until its error has been fetched by `MEASure:FRAMes?`.

**Guarded messages.** A link that begins a message with `SYSTem:CHECk crc,number` numbers its messages from 1 and does so from
then on: one that is damaged, not numbered or out of turn is not carried out, and the link is closed, since where its messages
begin is no longer known. The check of `SYSTem:ERRor:CHECk?` begins with the number's digits, so that a reply belongs to
one message alone.

| command | arguments | reply | who | |
|---|---|---|---|---|
"""

_ERRORS = """
## Errors

Negative numbers are SCPI-99's, positive ones this instrument's.

| number | |
|---|---|
"""


def reference_page() -> str:
    """The whole page."""
    rows = "".join(map(_row, COMMANDS))
    errors = "".join(f"| {code} | {name} |\n" for code, name in sorted(NAMES.items(), key=lambda item: -item[0]))
    return _INTRODUCTION + rows + _ERRORS + errors


def _row(command: Command) -> str:
    arguments = [_argument(parameter) for parameter in command.parameters]
    if command.more is not None:
        arguments.append(f"[{_argument(command.more)}...]")
    reply = f"`{command.reply}`" if command.reply else ""
    return f"| `{command.header}` | {', '.join(arguments)} | {reply} | {command.access} | {command.description} |\n"


def _argument(parameter: Parameter) -> str:
    what = [parameter.kind, parameter.unit, f"or {parameter.default}" if parameter.default else ""]
    if parameter.high is not None and parameter.high < 2**62:
        what.append(f"{parameter.low:g} to {parameter.high:g}")
    text = f"{parameter.name} ({' '.join(filter(None, what))})"
    return f"[{text}]" if parameter.optional else text


if __name__ == "__main__":
    sys.stdout.write(reference_page())
