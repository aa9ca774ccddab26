"""Any GenICam camera as `opu.parts.Camera`, over a Port to the library that speaks to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from opu.errors import DeviceClosed, DeviceError, DeviceLost, OPUError
from opu.parts import CameraFrame, CameraSettings, CameraSpec, PartStatus

from . import genicam_names as names
from .block_numbers import BlockNumbers
from .genicam_features import Exposure, Gain, Sensor, number, rest, set_trigger, spelt, text
from .genicam_port import Block, Port
from .genicam_settings import GenicamSettings
from .pixel_formats import PACKINGS, bit_depth, unpack

TRIGGER_KEPT_S = 0.2
TICKS_PER_S = 1e9
"""What GigE Vision 2 and USB3 Vision count in; a GigE Vision 1 camera states its own."""


class GenicamCamera:
    """Frames on trigger, numbered by block id, damaged ones said to be so. See GenicamSettings."""

    def __init__(self, settings: GenicamSettings, make_port: Callable[[], Port]) -> None:
        self._settings, self._make_port = settings, make_port
        self._port: Port | None = None
        self._who = "camera"
        self._spec: CameraSpec | None = None
        self._in_force: CameraSettings | None = None
        self._numbers: BlockNumbers | None = None
        self._taken = self._dropped = self._newest = self._unanswered = 0
        self._tick_hz = TICKS_PER_S

    @property
    def spec(self) -> CameraSpec:
        """What it is and can do."""
        if self._spec is None:
            raise DeviceClosed("the camera has not been opened, so what it can do is not known; open() it first")
        return self._spec

    def open(self) -> None:
        """Connect, and set what would change readings behind our back to rest."""
        if self._port is not None:
            raise DeviceError(f"{self._who} is already open; close() it first")
        port = self._make_port()
        self._who = port.open()
        try:
            with self._watched(port, "opening it"):
                rest(port, self._settings, self._who)
                self._exposure = Exposure(port, self._who)
                self._gain = Gain(port, self._settings, self._who)
                self._sensor = Sensor(port, self._who)
                self._tick_hz = number(port, names.TICK_RATE) or TICKS_PER_S
                self._spec = self._asked_spec(port)
        except BaseException:
            with suppress(Exception):
                port.close()
            raise
        self._port, self._in_force, self._numbers = port, None, None
        self._taken = self._dropped = 0

    def close(self) -> None:
        """Stop and disconnect; idempotent."""
        port, self._port = self._port, None
        self._numbers = self._in_force = None
        if port is not None:
            for action in (port.stop, port.close):
                with suppress(Exception):  # it may be gone
                    action()

    def configure(self, settings: CameraSettings) -> CameraSettings:
        """Region, exposure, gain and trigger; DeviceError outside what the camera allows, naming the nearest."""
        port = self._opened("configure")
        if self._numbers is not None:
            raise DeviceError(f"{self._who} is taking frames; stop() it before configure()")
        self._sensor.check(settings.region)
        with self._watched(port, f"setting {settings}"):
            self._sensor.set(settings.region)
            gain_db = self._gain.set(settings.gain_db)
            exposure_s = self._exposure.set(settings.exposure_s)
            set_trigger(port, settings, self._settings.trigger_line, self._who)
            rate_hz = number(port, names.FRAME_RATE)
        frame_time_s = None if not rate_hz else 1 / rate_hz
        self._in_force = replace(settings, exposure_s=exposure_s, gain_db=gain_db, frame_time_s=frame_time_s)
        return self._in_force

    def start(self) -> None:
        """Arm; the next frame has number 0."""
        port = self._opened("start")
        if self._in_force is None:
            raise DeviceError(f"{self._who}: configure() it before start()")
        if self._numbers is not None:
            raise DeviceError(f"{self._who} is already taking frames; stop() it first")
        first = port.first_block if self._settings.first_block is None else self._settings.first_block
        with self._watched(port, "starting"):
            port.start(drained=self._in_force.trigger == "hardware")
        self._numbers = BlockNumbers(first)
        self._taken = self._dropped = self._unanswered = 0
        self._newest = -1

    def trigger(self) -> None:
        """Take one frame (software trigger)."""
        port, settings = self._started("trigger")[0], self._in_force
        if settings is None or settings.trigger != "software":
            raise DeviceError(f"{self._who} waits for pulses; configure() trigger = 'software' before trigger()")
        with self._watched(port, "triggering"):
            port.execute(names.TRIGGER_SOFTWARE)
        self._unanswered += 1

    def grab(self, timeout_s: float) -> CameraFrame:
        """The next frame; DeviceError if none comes in time, DeviceLost if the camera no longer answers."""
        port, numbers = self._started("grab")
        with self._watched(port, "taking a frame"):
            block = port.grab(timeout_s)
        if block is None:
            self._check_alive(port, "no frame")
            raise DeviceError(
                f"{self._who}: no frame within {timeout_s:g} s; was it triggered? Check the trigger's cable and trigger_line, "
                "or lengthen the timeout"
            )
        self._unanswered = max(0, self._unanswered - 1)
        number_ = numbers.number(block.block_id)
        pixels = self._pixels(block)
        self._taken += 1
        self._dropped += max(0, number_ - self._newest - 1) + (not block.complete)
        self._newest = max(self._newest, number_)
        time_s = None if block.ticks is None else block.ticks / self._tick_hz
        return CameraFrame(number_, pixels, block.complete, time_s)

    def stop(self) -> None:
        """Disarm and forget frames not grabbed; idempotent.

        A trigger that has not been answered is given a moment: a camera might keep it, and expose at the next start.
        """
        if self._port is not None and self._numbers is not None:
            self._numbers = None
            wait_s = TRIGGER_KEPT_S + (self._in_force.exposure_s if self._in_force is not None else 0.0)
            with self._watched(self._port, "stopping"):
                while self._unanswered and self._port.grab(wait_s) is not None:
                    self._unanswered -= 1
                self._port.stop()

    def status(self) -> PartStatus:
        """State now."""
        port, temperature_c, message = self._port, None, ""
        if port is not None:
            try:
                temperature_c = number(port, names.TEMPERATURE)
                if not port.alive():
                    message = f"{self._who} no longer answers"
            except Exception as error:
                message = f"{self._who}: {error}"
        return PartStatus(port is not None, self._taken, self._dropped, temperature_c, message)

    def _pixels(self, block: Block) -> NDArray[Any]:
        assert self._in_force is not None
        region, name = self._in_force.region, self._settings.pixel_format
        as_set = (block.rows, block.columns, block.pixel_format) == (region.rows, region.columns, name)
        if block.complete and not as_set:
            raise DeviceError(
                f"{self._who}: a frame of {block.rows} x {block.columns} {block.pixel_format}, and {region.rows} x "
                f"{region.columns} {name} were set; did another program change it? Close that, then stop and start"
            )
        needed = PACKINGS[name].n_bytes(region.rows * region.columns)
        if not block.complete and (not as_set or len(block.payload) < needed):
            return unpack(bytes(needed), name, region.rows, region.columns)
        return unpack(block.payload, name, region.rows, region.columns, block.padding_x)

    def _asked_spec(self, port: Port) -> CameraSpec:
        exposure, rate = self._exposure.limits_s(), spelt(port, names.FRAME_RATE_LIMIT)
        rate_hz = port.limits(rate.name).high if rate is not None else number(port, names.FRAME_RATE)
        return CameraSpec(
            model=text(port, names.MODEL),
            serial=text(port, names.SERIAL) or self._who,
            rows=self._sensor.rows,
            columns=self._sensor.columns,
            bit_depth=bit_depth(self._settings.pixel_format),
            exposure_min_s=exposure.low,
            exposure_max_s=exposure.high,
            frame_rate_max_hz=rate_hz or 1 / max(exposure.low, 1e-6),
            gain_max_db=self._gain.max_db,
            step=self._sensor.step,
        )

    def _opened(self, action: str) -> Port:
        if self._port is None:
            raise DeviceClosed(f"{self._who} is not open, so it cannot {action}; call open() first")
        return self._port

    def _started(self, action: str) -> tuple[Port, BlockNumbers]:
        port = self._opened(action)
        if self._numbers is None:
            raise DeviceError(f"{self._who} is not taking frames, so it cannot {action}; call start() first")
        return port, self._numbers

    @contextmanager
    def _watched(self, port: Port, doing: str) -> Iterator[None]:
        """Whatever the library throws becomes a refusal, or the loss of the camera."""
        try:
            yield
        except OPUError:
            raise
        except Exception as error:
            self._check_alive(port, f"{doing}: {error}")
            raise DeviceError(f"{self._who}: {doing}: {error}") from error

    def _check_alive(self, port: Port, why: str) -> None:
        with suppress(Exception):
            if port.alive():
                return
        raise DeviceLost(f"{self._who} no longer answers ({why}); check its power and cable, then close and open again")
