"""Any device made sick on purpose: frames, readings, settings and words pass through the fault on their way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from opu.device import Acquisition, Device, DeviceSpec, DeviceStatus, Frames, Readings
from opu.frames import checked_frames

Bits: TypeAlias = NDArray[np.bool_]


@dataclass
class State:
    """What a fault may need to know: frames shown since configure(), the acquisition asked for, the reading before."""

    spec: DeviceSpec
    shown: int = 0
    since: int = 0
    acquisition: Acquisition | None = None
    last: NDArray[Any] | None = None
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(99))


@dataclass(frozen=True)
class Fault:
    """What goes wrong, each a function of what would have been and of the state; None: nothing.

    frames: of the frames shown, bool[n, n_inputs]. packed: of frames that came packed, before they are unpacked. readings:
    of what the camera says, dark: where the light is blanked too. configure: of what is asked for. spec, status: of the
    device's word. opened: after open().
    """

    frames: Callable[[Bits, State], Bits] | None = None
    packed: Callable[[NDArray[np.uint8], State], NDArray[np.uint8]] | None = None
    readings: Callable[[NDArray[Any], State], NDArray[Any]] | None = None
    configure: Callable[[Acquisition, State], Acquisition] | None = None
    spec: Callable[[DeviceSpec], DeviceSpec] | None = None
    status: Callable[[DeviceStatus, State], DeviceStatus] | None = None


class SickDevice:
    """A device with a fault. It keeps the seam, and lies."""

    def __init__(self, device: Device, fault: Fault) -> None:
        self.device, self.fault = device, fault
        self._spec = device.spec if fault.spec is None else fault.spec(device.spec)
        self._state = State(self._spec)

    @property
    def spec(self) -> DeviceSpec:
        """What the device says it is."""
        return self._spec

    def open(self) -> None:
        """As the device does."""
        self.device.open()
        self._state = State(self._spec)

    def close(self) -> None:
        """As the device does."""
        self.device.close()

    def configure(self, acquisition: Acquisition) -> Acquisition:
        """What is really set may differ from what is said to be."""
        wanted = acquisition if self.fault.configure is None else self.fault.configure(acquisition, self._state)
        really = self.device.configure(wanted)
        told = replace(really, exposure_s=acquisition.exposure_s, light=acquisition.light)
        self._state.acquisition = told if self.fault.configure else really
        self._state.since = 0
        return self._state.acquisition

    def measure(self, frames: Frames) -> Readings:
        """Frames through the fault to the device, readings back through it."""
        fault, state = self.fault, self._state
        if fault.packed is not None and frames.dtype == np.uint8:
            frames = fault.packed(np.asarray(frames, np.uint8), state)
        if fault.frames is not None:
            frames = fault.frames(checked_frames(frames, self._spec.n_inputs), state)
        readings: Any = self.device.measure(frames)
        if fault.readings is not None:
            readings = fault.readings(readings, state).astype(readings.dtype)
        state.shown += len(readings)
        state.since += len(readings)
        really: Readings = readings
        return really

    def status(self) -> DeviceStatus:
        """The device's word, or the fault's."""
        status = self.device.status()
        if self.fault.configure is not None and status.acquisition is not None:
            status = replace(status, acquisition=self._state.acquisition)
        return status if self.fault.status is None else self.fault.status(status, self._state)
