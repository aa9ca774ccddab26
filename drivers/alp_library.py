"""ALP4lib, called with a cure for each of its traps, and the return codes of ViALUX's library as errors with remedies."""

from __future__ import annotations

import ctypes
import logging
import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from opu.errors import ConfigError, DeviceClosed, DeviceError, DeviceLost

T = TypeVar("T")
_log = logging.getLogger(__name__)

SEQUENCE_WORDS = 64
PROJ_STATE, PROJ_ACTIVE, PROJ_PROGRESS, QUEUE_IDLE = 2400, 1200, 2318, 1

_REMEDIES = {
    1001: "no device is there, or another serial number: check its cable, power and serial",
    1002: "it is still showing: stop() it first",
    1003: "its handle is no longer valid: close() and open() it",
    1004: "another program holds it: end that program, or switch the device off and on",
    1005: "a parameter is out of its range",
    1007: "its memory is full: load fewer patterns",
    1008: "the sequence is being shown: stop() it first",
    1009: "it was halted while patterns were loaded: load them again",
    1010: "it cannot be initialised: switch it off and on",
    1011: "communication with it failed: check its cable, then close() and open() it",
    1012: "its cable was pulled or its power is off: plug it in, then close() and open() it",
    1013: "its FPGA is not configured: switch it off and on",
    1018: "the mirrors do not wake up: switch it off and on",
    1019: "its drivers are too old: update them, then switch it off and on",
    1020: "its memory does not work: switch it off and on",
}
_LOST = {1003, 1011, 1012}


class AlpLibrary:
    """One allocated device. Any thread may use it: a lock lets one call in at a time.

    Traps of ALP4lib 1.1.0: a freed object is of no more use (make another); it prints; an error carries a text and no
    number, and one that its table lacks is a KeyError; ProjInquire() passes a sequence where the library expects the type;
    on 64-bit Linux numbers below 0 come back as 2^32 more, since it reads 32 bits into a long.
    """

    def __init__(self, name: str, version: str, library_dir: str | None) -> None:
        try:
            module: Any = import_module("ALP4")
        except ImportError as error:
            raise ConfigError(f"{name}: needs ALP4lib ({error}): pip install 'openopu[alp]'") from None
        module.print = _log.debug
        self.name, self.lock = name, threading.RLock()
        self._module = module
        self._codes = {text: code for code, text in module.ALP_ERRORS.items()}
        try:
            self._alp: Any = module.ALP4(version=version, libDir=library_dir)
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"{name}: ViALUX's library of version {version} cannot be loaded ({error}): install the ALP-{version} "
                "software, and set version and library_dir (the folder with the library, or on Windows with its folder x64)"
            ) from None

    def constant(self, name: str) -> int:
        """A constant of alp.h."""
        return int(getattr(self._module, name))

    def allocate(self, serial: int | None) -> None:
        """Take the device of this serial number, or the first one."""
        self._do("opening it", self._there().Initialize, serial)

    def free(self) -> None:
        """Give the device back; idempotent. This object is of no more use."""
        with self.lock:
            alp, self._alp = self._alp, None
            if alp is not None:
                self._do("freeing it", alp.Free)

    def ask_device(self, kind: str) -> int:
        """AlpDevInquire."""
        return _signed(self._do(kind, self._there().DevInquire, self.constant(kind)))

    def set_device(self, kind: str, value: str) -> None:
        """AlpDevControl."""
        self._do(f"{kind} = {value}", self._there().DevControl, self.constant(kind), self.constant(value))

    def set_projection(self, kind: str, value: str) -> None:
        """AlpProjControl."""
        self._do(f"{kind} = {value}", self._there().ProjControl, self.constant(kind), self.constant(value))

    def allocate_sequence(self, n_patterns: int) -> Any:
        """Memory for so many binary patterns, shown without a dark phase between them."""
        sequence = self._do(f"memory for {n_patterns} patterns", self._there().SeqAlloc, n_patterns, 1)
        self.set_sequence(sequence, "ALP_BIN_MODE", self.constant("ALP_BIN_UNINTERRUPTED"))
        return sequence

    def free_sequence(self, sequence: Any) -> None:
        """AlpSeqFree; ALP4lib only prints what is wrong with it."""
        self._do("freeing memory", self._there().FreeSeq, sequence)

    def set_sequence(self, sequence: Any, kind: str, value: int) -> None:
        """AlpSeqControl."""
        self._do(f"{kind} = {value}", self._there().SeqControl, self.constant(kind), value, sequence)

    def ask_sequence(self, sequence: Any, kind: str) -> int:
        """AlpSeqInquire."""
        return _signed(self._do(kind, self._there().SeqInquire, self.constant(kind), sequence))

    def put(self, sequence: Any, first: int, data: NDArray[np.uint8]) -> None:
        """Load patterns, C-contiguous and in the sequence's format, from number `first` on; nothing is copied on the way."""
        pointer = data.ctypes.data_as(ctypes.c_void_p)
        self._do(f"loading {len(data)} patterns", self._there().SeqPut, pointer, sequence, first, len(data), "C")

    def set_timing(self, sequence: Any, picture_us: int) -> None:
        """AlpSeqTiming: the time from picture to picture."""
        self._do(f"a picture time of {picture_us} µs", self._there().SetTiming, sequence, None, picture_us)

    def run(self, sequence: Any, *, forever: bool) -> None:
        """AlpProjStart or AlpProjStartCont; returns at once."""
        self._do("starting", self._there().Run, sequence, forever)

    def halt(self) -> None:
        """AlpDevHalt."""
        self._do("halting", self._there().Halt)

    def progress(self, sequence: Any, n_patterns: int) -> tuple[bool, int | None]:
        """Whether a sequence is being shown, and how many of its n_patterns have not begun; None if that cannot be told.

        AlpProjInquire and AlpProjInquireEx are called in the library itself. The structure that the second fills has no one
        size on all systems, so it counts only where sequence and length stand in it as they must.
        """
        with self.lock:
            library, device = self._there()._ALPLib, self._alp.ALP_ID
            state = ctypes.c_int64(0)
            self._code("ALP_PROJ_STATE", library.AlpProjInquire(device, ctypes.c_long(PROJ_STATE), ctypes.byref(state)))
            running = _signed(state.value) == PROJ_ACTIVE
            words = (ctypes.c_uint32 * SEQUENCE_WORDS)()
            inquire = getattr(library, "AlpProjInquireEx", None)
            if inquire is None or inquire(device, ctypes.c_long(PROJ_PROGRESS), ctypes.byref(words)):
                return running, None
            if words[1] != sequence.value & 0xFFFFFFFF or words[7] != n_patterns or words[5] > n_patterns:
                return running, None
            running = running or not words[8] & QUEUE_IDLE
            return running, words[5] if running else 0

    def _there(self) -> Any:
        if self._alp is None:
            raise DeviceClosed(f"{self.name}: is closed; open() it first")
        return self._alp

    def _do(self, what: str, function: Callable[..., T], *arguments: Any) -> T:
        with self.lock:
            try:
                return function(*arguments)
            except self._module.ALPError as error:
                code = self._codes.get(str(error), 0)
                raise self._error(what, code, str(error)) from None
            except KeyError as error:
                raise self._error(what, int(error.args[0]), "") from None
            except OSError as error:  # an access violation within the library
                raise DeviceLost(f"{self.name}: {what} fails: {error}; close() and open() it") from None

    def _code(self, what: str, code: int) -> None:
        if code:
            raise self._error(what, code, "")

    def _error(self, what: str, code: int, text: str) -> DeviceError:
        kind = DeviceLost if code in _LOST else DeviceError
        told = _REMEDIES.get(code) or f"{text or 'an error that is not in its manual'}; close() and open() it"
        return kind(f"{self.name}: {what} is refused (ALP code {code}): {told}")


def _signed(value: int) -> int:
    """The signed 32-bit number in a long of any size."""
    return (value & 0xFFFFFFFF ^ 0x80000000) - 0x80000000
