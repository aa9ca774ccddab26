"""Program messages taken apart (IEEE 488.2, 7): where one ends, its units, their headers and arguments."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from .scpi import HEADERS, Command, Parameter
from .scpi_errors import ScpiError

Raw: TypeAlias = bytes | bytearray | memoryview

LONGEST_TEXT = 4096
"""Bytes of a message outside of its blocks."""

_SPECIAL = re.compile(rb"[#\"';\n]")
_AFTER_CHECK = re.compile(rb"[,;]")
_RARE = re.compile(rb"[#\"'\n]")
_NUMBER = re.compile(r"([+-]?(?:\d{1,40}\.?\d{0,40}|\.\d{1,40})(?:[eE][+-]?\d{1,4})?)\s*([A-Za-z]*)")
_HEADER = re.compile(r"\*[A-Z]{2,12}\??|:?[A-Z][A-Z0-9_]{0,20}(?::[A-Z][A-Z0-9_]{0,20}){0,5}\??")
_COMMA = re.compile(r"\"[^\"]*\"|'[^']*'|,")
_WORD = re.compile(r"[A-Za-z0-9_.+-]{1,256}")
_BLANKS = bytes.maketrans(b"\t\r", b"  ")
_SCALES = {"": 1.0, "M": 1e-3, "U": 1e-6, "N": 1e-9}


@dataclass(frozen=True)
class Call:
    """A command with its arguments: int, float, bool, str, memoryview, or None for a default left open."""

    command: Command
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class _Block:
    """Where a definite-length block lies: from its # to its content to its end, which may not have arrived yet."""

    start: int
    content: int
    end: int


class MessageEnd:
    """Finds where the message at the start of a growing buffer ends, looking at each byte once."""

    def __init__(self, largest_block: int) -> None:
        self.largest_block = largest_block
        self._looked = self._blocks = self._contents = 0

    def find(self, buffer: bytearray) -> tuple[int, int]:
        """(length of the message with its newline, 0), or (0, bytes surely missing); ScpiError when it is too large."""
        while True:
            if self._looked > len(buffer):
                return 0, self._looked - len(buffer) + 1
            found = _SPECIAL.search(buffer, self._looked)
            if found is None:
                self._check_text(len(buffer))
                self._looked = len(buffer)
                return 0, 1
            at, mark = found.start(), found.group()
            if mark == b"\n":
                self._looked = self._blocks = self._contents = 0
                return at + 1, 0
            if mark == b"#":
                block = _block(buffer, at)
                if block is None:  # its length has not arrived
                    self._check_text(len(buffer))
                    self._looked = at
                    return 0, 1
                self._blocks += block.end - block.start
                self._contents += block.end - block.content
                if self._contents > self.largest_block:
                    raise ScpiError(
                        -223, f"blocks of {self._contents} bytes; {self.largest_block} is the limit of a message"
                    )
                self._looked = max(block.end, at + 1)
            elif mark == b";":
                self._looked = at + 1
            else:
                self._looked = self._after_string(buffer, at, mark)
                if self._looked == at:
                    self._check_text(len(buffer))
                    return 0, 1

    def _check_text(self, length: int) -> None:
        if length - self._blocks > LONGEST_TEXT:
            raise ScpiError(-363, f"a message of more than {LONGEST_TEXT} characters outside of its blocks")

    @staticmethod
    def _after_string(buffer: bytearray, at: int, quote: bytes) -> int:
        """Past the closing quote; at a newline before it; `at` itself when neither is there yet."""
        close, newline = buffer.find(quote, at + 1), buffer.find(b"\n", at + 1)
        if newline >= 0 and not 0 <= close < newline:
            return newline
        return close + 1 if close >= 0 else at


def text_after_check(raw: Raw) -> bytes:
    """Everything outside of blocks from the first `,` or `;` on: what the crc of SYSTem:CHECk covers."""
    view, pieces = memoryview(raw), []
    first = _AFTER_CHECK.search(view)
    at = start = len(view) if first is None else first.start()
    while found := _SPECIAL.search(view, at):
        at = found.end()
        block = _block(view, at - 1) if found.group() == b"#" else None
        if block is not None and block.end > block.start:
            pieces.append(bytes(view[start : block.content]))
            start = at = min(block.end, len(view))
    return b"".join([*pieces, bytes(view[start:])])


def _block(raw: Raw, at: int) -> _Block | None:
    """The block whose # is at `at`; end = start where it is none; None if its length is not complete."""
    if len(raw) < at + 2:
        return None
    digits = raw[at + 1] - 48
    if not 1 <= digits <= 9:
        return _Block(at, at, at)
    content = at + 2 + digits
    if len(raw) < content:
        return None
    length = bytes(raw[at + 2 : content])
    return _Block(at, content, content + int(length)) if length.isdigit() else _Block(at, at, at)


def calls(raw: Raw) -> Iterator[Call | ScpiError]:
    """The units of one program message, in order; an error ends the message, as a command error does in IEEE 488.2."""
    path = ""
    try:
        for unit, blocks in _units(raw):
            header, _, rest = unit.strip().partition(" ")
            if not header:
                continue
            command, path = _command(header.upper(), path)
            yield Call(command, _arguments(command, rest.strip(), blocks))
    except ScpiError as error:
        yield error


def _units(raw: Raw) -> Iterator[tuple[str, list[memoryview]]]:
    """Each unit's text, a block in it shown as one # , and its blocks."""
    view = memoryview(raw)
    if len(view) < LONGEST_TEXT and not _RARE.search(view):
        yield from ((_text([], unit), []) for unit in bytes(view).split(b";"))
        return
    pieces: list[bytes] = []
    blocks: list[memoryview] = []
    start = at = 0
    while found := _SPECIAL.search(view, at):
        at, mark = found.start(), found.group()
        if mark == b"#":
            block = _block(view, at)
            if block is None or block.end > len(view):
                raise ScpiError(-161, "a block that ends before its length")
            if block.end == block.start:
                raise ScpiError(-161, "a block is #, one digit n, n digits of length, then that many bytes")
            pieces.append(bytes(view[start : at + 1]))
            blocks.append(view[block.content : block.end])
            start = at = block.end
        elif mark in b"\"'":
            close = bytes(view[at + 1 : at + 1 + LONGEST_TEXT]).find(mark)
            if close < 0:
                raise ScpiError(-151, "a string without its closing quote")
            at += close + 2
        else:
            yield _text(pieces, view[start:at]), blocks
            pieces, blocks = [], []
            start = at = at + 1
    yield _text(pieces, view[start:]), blocks


def _text(pieces: list[bytes], last: Raw) -> str:
    whole = b"".join([*pieces, last])
    if len(whole) > LONGEST_TEXT:
        raise ScpiError(-363, f"a unit of more than {LONGEST_TEXT} characters")
    try:
        return whole.translate(_BLANKS).decode("ascii")
    except UnicodeDecodeError as error:
        raise ScpiError(-101, f"byte {whole[error.start]:#04x} outside of a block") from None


def _command(header: str, path: str) -> tuple[Command, str]:
    """The command that a header means after `path`, and the path after it (SCPI-99 volume 1, 6.2.4)."""
    if header.startswith("*"):
        full = header
    else:
        full = header.removeprefix(":") if header.startswith(":") or not path else f"{path}:{header}"
        path = full.rpartition(":")[0]
    command = HEADERS.get(full)
    if command is None:
        if not _HEADER.fullmatch(header):
            raise ScpiError(-102, f"{header[:40]!r} is no header")
        raise ScpiError(-113, f"{full[:80]}; docs/scpi.md lists the commands")
    return command, path


def _arguments(command: Command, rest: str, blocks: list[memoryview]) -> tuple[Any, ...]:
    expected = command.parameters
    if not rest and not expected:
        return ()
    words = [word.strip() for word in _split(rest)] if rest else []
    needed = sum(not parameter.optional for parameter in expected)
    if len(words) < needed:
        raise ScpiError(-109, f"{command.header} needs {expected[len(words)].name}")
    if len(words) > len(expected) and command.more is None:
        raise ScpiError(-108, f"{command.header} takes {len(expected)} arguments, not {len(words)}")
    more = [command.more] * (len(words) - len(expected)) if command.more else []
    waiting = iter(blocks)
    return tuple(_value(p, w, waiting) for p, w in zip([*expected, *more], words, strict=False) if p is not None)


def _split(rest: str) -> Sequence[str]:
    if '"' not in rest and "'" not in rest:
        return rest.split(",")
    ends = [found.start() for found in _COMMA.finditer(rest) if found.group() == ","]
    return [rest[start:end] for start, end in zip([0, *(end + 1 for end in ends)], [*ends, len(rest)], strict=True)]


def _value(parameter: Parameter, word: str, blocks: Iterator[memoryview]) -> Any:
    if (word == "#") != (parameter.kind == "block"):
        raise ScpiError(-104, f"{parameter.name} = {word[:40]!r}: expected {parameter.kind}")
    if parameter.kind == "block":
        return next(blocks)
    if parameter.default and word.upper() in (parameter.default, "DEFAULT"):
        return None
    if parameter.kind == "word":
        bare = word[1:-1] if len(word) > 1 and word[0] == word[-1] and word[0] in "\"'" else word
        if not _WORD.fullmatch(bare):
            raise ScpiError(-224, f"{parameter.name} = {word[:40]!r}: letters, digits and _ . + - only, at most 256")
        return bare
    if parameter.kind == "boolean" and word.upper() in ("ON", "OFF"):
        return word.upper() == "ON"
    return _number(parameter, word)


def _number(parameter: Parameter, word: str) -> Any:
    found = _NUMBER.fullmatch(word)
    if found is None:
        raise ScpiError(-120, f"{parameter.name} = {word[:40]!r}: expected {parameter.kind}")
    text, suffix = found.group(1), found.group(2).upper()
    whole = parameter.kind == "integer" and text.lstrip("+-").isdigit()
    value: Any = int(text) if whole else float(text)
    if suffix:
        scale = _SCALES.get(suffix.removesuffix(parameter.unit.upper())) if parameter.unit else None
        if scale is None or not suffix.endswith(parameter.unit.upper()):
            raise ScpiError(-131, f"{parameter.name} = {word[:40]!r}: its unit is {parameter.unit or 'none'}")
        value = value * scale
    if parameter.kind == "integer" and not whole:
        raise ScpiError(-120, f"{parameter.name} = {word[:40]!r}: expected an integer")
    low, high = parameter.low, parameter.high
    if (
        value in (float("inf"), float("-inf"))
        or (low is not None and value < low)
        or (high is not None and value > high)
    ):
        raise ScpiError(-222, f"{parameter.name} = {word[:40]} is outside {low} to {high} {parameter.unit}".rstrip())
    return bool(value) if parameter.kind == "boolean" else value
