"""The micromirror panel that alp_stub.c pretends to be: makes its file, reads its mirrors, steps it from any process."""

import mmap
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

ENVIRONMENT = "ALP_STUB"
SOURCE = Path(__file__).with_suffix(".c")

MAGIC_NUMBER, LOG, LOG_ENTRIES, PICTURES = 0x414C5053, 8192, 1024, 16384
MAGIC, ROWS, COLUMNS, MEMORY, DMD_TYPE, SERIAL, MIN_US, MAX_US, STEPPED, REFUSE, TEMPERATURE, REMOVED = range(12)
(
    GENERATION,
    ALLOCATED,
    MODE,
    SLAVE,
    BASE,
    FIRST,
    LAST,
    PICTURE_US,
    STARTED_NS,
    SHOWN_BEFORE,
    PULSES_BEFORE,
    TICKS_BEFORE,
    PARKED,
    FLOATING,
    TRIGGER_EDGE,
    SYNCH_POLARITY,
    RUNS,
    UPLOADED,
    OWNER,
) = range(16, 35)
PULSES, TICKS, LOGGED, SLOTS = 40, 41, 48, 64
IDLE, ONCE, FOREVER = range(3)
DEVICE_REMOVED = 1012
CALLS = (
    *("", "DevAlloc", "DevInquire", "DevControl", "DevHalt", "DevFree", "SeqAlloc", "SeqFree", "SeqControl"),
    *("SeqInquire", "SeqTiming", "SeqPut", "ProjControl", "ProjInquire", "ProjInquireEx", "ProjStart", "ProjStartCont"),
    *("ProjHalt", "ProjWait"),
)


def compile_stub(folder: Path, version: str = "4.3") -> Path:
    """The folder with libalp43.so in it; skips the test where there is no C compiler or no ALP4lib."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler: apt-get install gcc")
    if find_spec("ALP4") is None:
        pytest.skip("needs ALP4lib: pip install 'openopu[alp]'")
    library = folder / f"libalp{version.replace('.', '')}.so"
    command = [compiler, "-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run([*command, "-o", library, SOURCE], check=True, timeout=120)
    return folder


@dataclass(frozen=True)
class Displayed:
    """What the mirrors show. index: of the loaded pattern, None while parked. shown: pictures since the allocation."""

    index: int | None
    pattern: NDArray[np.uint8] | None
    shown: int
    running: bool
    slave: bool


class AlpStub:
    """The panel's file, mapped. One process may write pulses, one ticks; any number may look."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        self._slots = np.frombuffer(self._map, np.int64, PICTURES // 8)
        assert self._slots[MAGIC] == MAGIC_NUMBER
        self.rows, self.columns, self.memory = (int(self._slots[k]) for k in (ROWS, COLUMNS, MEMORY))
        self._memory = np.frombuffer(self._map, np.uint8, offset=PICTURES).reshape(self.memory, self.rows, -1)

    @classmethod
    def create(
        cls,
        path: Path,
        rows: int = 48,
        columns: int = 64,
        memory: int = 256,
        dmd_type: int = 0,
        clock: str = "real",
        serial: int = 4242,
        min_us: int = 100,
    ) -> "AlpStub":
        """A panel at rest, on the real clock or one that is `stepped` by tick()."""
        wide = -(-columns // 8)
        slots = np.zeros(PICTURES // 8, np.int64)
        for slot, value in (
            (MAGIC, MAGIC_NUMBER),
            (ROWS, rows),
            (COLUMNS, columns),
            (MEMORY, memory),
            (DMD_TYPE, dmd_type),
            (SERIAL, serial),
            (MIN_US, min_us),
            (MAX_US, 10_000_000),
            (STEPPED, {"real": 0, "stepped": 1}[clock]),
            (TEMPERATURE, 31 * 256 + 128),
            (PARKED, 1),
        ):
            slots[slot] = value
        with path.open("wb") as file:
            file.write(slots.tobytes())
            file.truncate(PICTURES + memory * rows * wide)
        return cls(path)

    @classmethod
    def attach(cls, path: Path) -> "AlpStub":
        """The panel that another process made."""
        return cls(path)

    def displayed(self) -> Displayed:
        """What stands on the mirrors now; the pattern is a copy."""
        while True:
            before = int(self._slots[GENERATION])
            slots = self._slots[:SLOTS].copy()
            if before % 2 == 0 and int(self._slots[GENERATION]) == before == int(slots[GENERATION]):
                break
            time.sleep(0)
        shown, running = _progress(slots)
        index = None
        if shown and not slots[PARKED]:
            n = int(slots[LAST] - slots[FIRST]) + 1
            index = int(slots[FIRST]) + (shown - 1) % n
        pattern = None if index is None else self._memory[int(slots[BASE]) + index].copy()
        return Displayed(index, pattern, int(slots[SHOWN_BEFORE]) + shown, running, bool(slots[SLAVE]))

    def loaded(self, n: int, base: int = 0) -> NDArray[np.uint8]:
        """The first n pictures of the memory, a copy."""
        return self._memory[base : base + n].copy()

    def pulse(self, n: int = 1) -> None:
        """Pulses on the trigger input."""
        self._slots[PULSES] += n

    def tick(self, n: int = 1) -> None:
        """Picture times gone by, on a stepped clock."""
        self._slots[TICKS] += n

    def unplug(self) -> None:
        """The cable is pulled: mirrors park, every call is answered 'removed', also by handles from before plug_in()."""
        self._slots[REFUSE], self._slots[REMOVED] = DEVICE_REMOVED, 1
        self._slots[MODE], self._slots[PARKED] = IDLE, 1

    def plug_in(self) -> None:
        """The cable is back; what was allocated before stays lost."""
        self._slots[REFUSE] = 0

    def refuse(self, code: int) -> None:
        """Every call answers this return code; 0: none."""
        self._slots[REFUSE] = code

    def slot(self, number: int) -> int:
        """The value of a slot."""
        return int(self._slots[number])

    def set_slot(self, number: int, value: int) -> None:
        """Set a slot."""
        self._slots[number] = value

    def calls(self) -> list[str]:
        """Names of the calls made, oldest first (the last 1024); one refused ends in its code."""
        n = int(self._slots[LOGGED])
        entries = [int(self._slots[LOG // 8 + k % LOG_ENTRIES]) for k in range(max(0, n - LOG_ENTRIES), n)]
        return [CALLS[entry // 100000] + (f" {entry % 100000}" if entry % 100000 else "") for entry in entries]


def _progress(slots: NDArray[np.int64]) -> tuple[int, bool]:
    """Pictures that the present run has shown, and whether it goes on: alp_stub.c's progress()."""
    mode, n = int(slots[MODE]), int(slots[LAST] - slots[FIRST]) + 1
    if mode == IDLE:
        return 0, False
    if slots[SLAVE]:
        passed = int(slots[PULSES] - slots[PULSES_BEFORE])
        return (passed, True) if mode == FOREVER else (min(passed, n), passed < n)
    if slots[STEPPED]:
        passed = int(slots[TICKS] - slots[TICKS_BEFORE])
    else:
        passed = (time.monotonic_ns() - int(slots[STARTED_NS])) // (1000 * int(slots[PICTURE_US]))
    if mode == FOREVER:
        return (1 if n == 1 else passed + 1), True
    return min(passed + 1, n), passed < n


def environment(path: Path) -> dict[str, str]:
    """This process's environment, with the panel at `path` plugged in."""
    return os.environ | {ENVIRONMENT: str(path)}
