"""ViALUX micromirror devices through ALP4lib and ViALUX's own library (ALP-4 high-speed API, ALP-5).

Calls from the public API and from ALP4lib 1.1.0. Tested through ALP4lib's real ctypes layer on a C stub of the library; it
has never met hardware.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from opu.errors import DeviceClosed, DeviceError, DeviceLost, InputError, OPUError
from opu.part_kinds import PartKind
from opu.parts import ModulatorSpec, PartStatus, Trigger

from .alp_library import AlpLibrary
from .alp_rows import DataFormat, RowBytes, encode, row_bytes_of
from .checked import Settings

HOLD_US = 10_000
"""Picture time of a pattern that show() holds: it is latched anew this often, and a halt may have to wait for its end."""
HALT_S = 5.0
POLL_S = 0.001
CHUNK_BYTES = 1 << 26


class AlpSettings(Settings):
    """Settings of the modulator kind `alp`.

    version: of the ALP software. library_dir: where its library is; left out, the registry (Windows) or
    /usr/lib/x86_64-linux-gnu (Linux). serial: of the device, left out: the first one. data_format: how patterns are
    uploaded, "packed" bits or a byte per mirror; "auto" packs for the DMDs whose row format ViALUX publishes. trigger_edge: of
    the pulses in. synch_polarity: of the pulses out. settle_s: what show() waits after the start for the mirrors to stand.
    """

    version: Literal["4.1", "4.2", "4.3", "4.4", "5.0", "5.1"] = "4.3"
    library_dir: str | None = None
    serial: int | None = Field(None, ge=1)
    data_format: DataFormat = "auto"
    trigger_edge: Literal["rising", "falling"] = "rising"
    synch_polarity: Literal["high", "low"] = "high"
    settle_s: float = Field(0.001, ge=0, le=10)


class AlpPanel:
    """A micromirror panel behind the ALP library, as `opu.parts.Modulator`. Any thread may stop() or close() it."""

    def __init__(self, settings: AlpSettings) -> None:
        self.settings = settings
        self._name = f"modulator alp (serial {'any' if settings.serial is None else settings.serial})"
        self._library: AlpLibrary | None = None
        self._spec: ModulatorSpec | None = None
        self._picture_us = (0, 0)
        self._row_bytes: RowBytes | None = None
        self._sequence: Any = None
        self._capacity = self._n_loaded = self._n_started = 0
        self._range = (0, 0)
        self._stopped = True
        self._begun: int | None = 0
        """Whether the last run was stopped, and how many patterns had begun then (None: the library does not tell)."""

    @property
    def spec(self) -> ModulatorSpec:
        """Size, memory and shortest picture time, as the device tells them."""
        if self._spec is None:
            raise DeviceClosed(f"{self._name}: is closed; open() it first")
        return self._spec

    def open(self) -> None:
        """Take it, its mirrors at rest; ConfigError where a library is missing, DeviceError where the device is."""
        if self._library is not None:
            raise DeviceError(f"{self._name}: is open already; close() it first")
        settings = self.settings
        library = AlpLibrary(self._name, settings.version, settings.library_dir)
        library.allocate(settings.serial)
        try:
            library.halt()
            library.set_device("ALP_TRIGGER_EDGE", f"ALP_EDGE_{settings.trigger_edge.upper()}")
            library.set_device("ALP_SYNCH_POLARITY", f"ALP_LEVEL_{settings.synch_polarity.upper()}")
            kind = library.ask_device("ALP_DEV_DMDTYPE")
            rows, columns = library.ask_device("ALP_DEV_DISPLAY_HEIGHT"), library.ask_device("ALP_DEV_DISPLAY_WIDTH")
            max_patterns = library.ask_device("ALP_AVAIL_MEMORY")
            probe = library.allocate_sequence(1)
            limits = tuple(library.ask_sequence(probe, f"ALP_{end}_PICTURE_TIME") for end in ("MIN", "MAX"))
            library.free_sequence(probe)
            serial = str(library.ask_device("ALP_DEVICE_NUMBER"))
        except BaseException:
            with suppress(OPUError):
                library.free()
            raise
        self._picture_us = (limits[0], limits[1])
        self._row_bytes = row_bytes_of(kind, columns, settings.data_format)
        self._spec = ModulatorSpec(
            model=f"ViALUX ALP-{settings.version}, DMD type {kind}",
            serial=serial,
            rows=rows,
            columns=columns,
            frame_time_min_s=1e-6 * limits[0],
            max_patterns=max_patterns,
            triggered=True,
        )
        self._library = library

    def close(self) -> None:
        """Halt, let the mirrors float, free memory and device; idempotent. A device that is gone is simply let go."""
        library, self._library = self._library, None
        if library is None:
            return
        with library.lock:
            with suppress(OPUError):
                self._halt(library)
            with suppress(OPUError):
                if self._sequence is not None:
                    library.free_sequence(self._sequence)
            with suppress(OPUError):  # older versions cannot
                library.set_device("ALP_DEV_DMD_MODE", "ALP_DMD_POWER_FLOAT")
            self._sequence, self._capacity, self._n_loaded, self._n_started, self._begun = None, 0, 0, 0, 0
            with suppress(DeviceLost):
                library.free()

    def load(self, patterns: NDArray[np.uint8]) -> None:
        """Upload patterns, uint8[n, rows, ceil(columns / 8)], in place of those there; stops what is being shown."""
        library, spec = self._there(), self.spec
        wanted = (spec.rows, -(-spec.columns // 8))
        if patterns.dtype != np.uint8 or patterns.ndim != 3 or patterns.shape[1:] != wanted or not len(patterns):
            raise InputError(
                f"{self._name}: takes patterns as uint8[n, {wanted[0]}, {wanted[1]}], n at least 1, and was given "
                f"{patterns.dtype}{list(patterns.shape)}"
            )
        n = len(patterns)
        if n > spec.max_patterns:
            raise DeviceError(
                f"{self._name}: {n} patterns do not fit into its memory of {spec.max_patterns}; load fewer at a time"
            )
        with library.lock:
            self.stop()
            self._n_loaded = self._n_started = self._begun = 0
            if n > self._capacity:
                sequence, self._sequence, self._capacity = self._sequence, None, 0
                if sequence is not None:
                    library.free_sequence(sequence)
                self._sequence = library.allocate_sequence(n)
                self._capacity, self._range = n, (0, n - 1)
                layout = "ALP_DATA_MSB_ALIGN" if self._row_bytes is None else "ALP_DATA_BINARY_TOPDOWN"
                library.set_sequence(self._sequence, "ALP_DATA_FORMAT", library.constant(layout))
            chunk = max(
                1, CHUNK_BYTES // (spec.rows * (spec.columns if self._row_bytes is None else self._row_bytes[0]))
            )
            for first in range(0, n, chunk):
                library.put(
                    self._sequence, first, encode(patterns[first : first + chunk], spec.columns, self._row_bytes)
                )
            self._n_loaded = n

    def show(self, index: int) -> None:
        """Show one loaded pattern until stop() or another; returns settle_s after the start."""
        library = self._there()
        if not 0 <= index < self._n_loaded:
            raise InputError(
                f"{self._name}: pattern {index} is not one of the {self._n_loaded} loaded; load() it first"
            )
        with library.lock:
            self._run(library, (index, index), HOLD_US, "software", forever=True)
        if self.settings.settle_s:
            time.sleep(self.settings.settle_s)

    def start(self, frame_time_s: float, trigger: Trigger = "software") -> None:
        """Show all loaded patterns once, each for frame_time_s, or each from one pulse in to the next; returns at once.

        With pulses frame_time_s is only checked: the panel is left its shortest picture time, or a pulse that comes a little
        early would be lost.
        """
        library = self._there()
        if not self._n_loaded:
            raise InputError(f"{self._name}: nothing is loaded; load() patterns first")
        shortest_us, longest_us = self._picture_us
        picture_us = round(1e6 * frame_time_s)
        if not shortest_us <= picture_us <= longest_us:
            raise DeviceError(
                f"{self._name}: a frame time of {1e6 * frame_time_s:g} µs is not within its {shortest_us} to {longest_us} µs"
            )
        with library.lock:
            picture_us = shortest_us if trigger == "hardware" else picture_us
            self._run(library, (0, self._n_loaded - 1), picture_us, trigger, forever=False)

    def wait(self, timeout_s: float) -> None:
        """Until the last pattern has been shown; DeviceError, after stop(), if that takes longer or stop() came first."""
        deadline_s = time.monotonic() + timeout_s
        while not self._stopped and self._progress(self._there())[0]:
            if time.monotonic() > deadline_s:
                self.stop()
                break
            time.sleep(POLL_S)
        if self._stopped and self._begun != self._n_started:
            begun = "an unknown number" if self._begun is None else self._begun
            raise DeviceError(
                f"{self._name}: was stopped when {begun} of {self._n_started} patterns had begun, at the latest "
                f"{timeout_s:g} s after wait(); with a hardware trigger, check its line, edge and pulses"
            )

    def stop(self) -> None:
        """Stop showing; what is loaded stays. Idempotent."""
        library = self._library
        if library is not None:
            with library.lock:
                self._halt(library)

    def status(self) -> PartStatus:
        """State now; patterns begun since the last start, as far as the library tells."""
        library = self._library
        if library is None:
            return PartStatus(is_open=False)
        temperature_c = None
        try:
            with library.lock:
                frames = self._frames(library)
                with suppress(DeviceError):
                    temperature_c = library.ask_device("ALP_PCB_TEMPERATURE") / 256
        except OPUError as error:
            return PartStatus(is_open=True, message=str(error))
        return PartStatus(is_open=True, frames=frames, temperature_c=temperature_c)

    def _there(self) -> AlpLibrary:
        if self._library is None:
            raise DeviceClosed(f"{self._name}: is closed; open() it first")
        return self._library

    def _run(
        self, library: AlpLibrary, shown: tuple[int, int], picture_us: int, trigger: Trigger, *, forever: bool
    ) -> None:
        self._halt(library)
        library.set_projection("ALP_PROJ_MODE", "ALP_SLAVE" if trigger == "hardware" else "ALP_MASTER")
        # never first > last in between: it would be refused
        ends = [("ALP_FIRSTFRAME", shown[0]), ("ALP_LASTFRAME", shown[1])]
        for kind, value in ends if shown[0] <= self._range[1] else reversed(ends):
            library.set_sequence(self._sequence, kind, value)
        self._range = shown
        shortest_us, longest_us = self._picture_us
        library.set_timing(self._sequence, min(max(picture_us, shortest_us), longest_us))
        library.run(self._sequence, forever=forever)
        self._n_started, self._stopped, self._begun = shown[1] - shown[0] + 1, False, None

    def _halt(self, library: AlpLibrary) -> None:
        """Halt and see to it: the library may return before the mirrors have stopped."""
        if self._n_started and not self._stopped:
            self._begun, self._stopped = self._frames(library), True
        library.halt()
        deadline_s = time.monotonic() + HALT_S
        while self._n_started and self._progress(library)[0]:
            if time.monotonic() > deadline_s:
                raise DeviceError(f"{self._name}: still shows {HALT_S:g} s after it was halted; switch it off and on")
            time.sleep(POLL_S)

    def _progress(self, library: AlpLibrary) -> tuple[bool, int | None]:
        if self._sequence is None:
            return False, None
        return library.progress(self._sequence, self._n_started)

    def _frames(self, library: AlpLibrary) -> int | None:
        """Patterns begun since the last start."""
        if not self._n_started:
            return None
        if self._stopped:
            return self._begun
        running, left = self._progress(library)
        if not running:
            return self._n_started
        return None if left is None else self._n_started - left


STARTER = """\
kind = "alp"
# serial = 12345                # left out: the first device
# version = "4.3"               # of the ALP software
# library_dir = "/opt/vialux"   # where its library is, if not where the installer puts it
# trigger_edge = "rising"       # of pulses in
# settle_s = 0.001              # after a software step, before the camera may expose
"""

ALP = PartKind(
    name="alp",
    role="modulator",
    summary="ViALUX micromirror devices, through ALP4lib",
    settings=AlpSettings,
    build=AlpPanel,
    starter=STARTER,
)
