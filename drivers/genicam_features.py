"""Exposure, gain, region and trigger of a GenICam camera, under whichever names it has them."""

from __future__ import annotations

from math import lcm

from opu.errors import CapabilityError, DeviceError
from opu.parts import CameraSettings, Region

from . import genicam_names as names
from .genicam_names import Name
from .genicam_port import Limits, Port
from .genicam_settings import GenicamSettings


def spelt(port: Port, spellings: tuple[Name, ...]) -> Name | None:
    """The spelling that the camera has, the standard's first."""
    return next((name for name in spellings if port.has(name.name)), None)


def text(port: Port, spellings: tuple[str, ...]) -> str:
    """The first of these that the camera has, as text."""
    return next((str(port.get(name)) for name in spellings if port.has(name)), "")


def number(port: Port, spellings: tuple[Name, ...]) -> float | None:
    """The first of these that the camera has, in SI units."""
    name = spelt(port, spellings)
    return None if name is None else float(port.get(name.name)) * (name.unit_si or 1.0)


def rest(port: Port, settings: GenicamSettings, who: str) -> None:
    """Continuous, untriggered, nothing automatic, whole sensor, the pixel format and further features as set."""
    for name, value in names.AT_REST:
        if port.has(name) and port.writable(name) and (not isinstance(value, str) or value in port.entries(name)):
            port.set(name, value)
    _trigger_off(port)
    rate = spelt(port, names.FRAME_RATE_LIMIT)
    if rate is not None and not port.has(names.FRAME_RATE_ENABLE) and port.writable(rate.name):
        port.set(rate.name, port.limits(rate.name).high)
    formats = port.entries(names.PIXEL_FORMAT)
    if settings.pixel_format not in formats:
        raise DeviceError(
            f"{who} has no pixel format {settings.pixel_format}; it has {', '.join(formats)}: set pixel_format to one of these"
        )
    port.set(names.PIXEL_FORMAT, settings.pixel_format)
    for name, value in settings.features.items():
        if not port.has(name):
            raise DeviceError(f"{who} has no feature {name!r}; see its manual, and correct [features]")
        port.set(name, value)


class Exposure:
    """Exposure in s; the camera counts in its own unit."""

    def __init__(self, port: Port, who: str) -> None:
        name = spelt(port, names.EXPOSURE)
        if name is None:
            tried = " or ".join(each.name for each in names.EXPOSURE)
            raise CapabilityError(
                f"{who} has no {tried}: its exposure cannot be set, and calibration needs that; use another camera"
            )
        self._port, self._who, self._name = port, who, name.name
        self._unit_s = names.UNITS_S.get(port.unit(name.name).strip(), name.unit_si or 1.0)

    def limits_s(self) -> Limits:
        """Shortest and longest, now."""
        limits = self._port.limits(self._name)
        return Limits(limits.low * self._unit_s, limits.high * self._unit_s)

    def set(self, exposure_s: float) -> float:
        """Set it, and return what the camera made of it."""
        limits = self.limits_s()
        if not limits.low * (1 - 1e-9) <= exposure_s <= limits.high * (1 + 1e-9):
            raise DeviceError(
                f"{self._who}: exposure_s = {exposure_s:g} s is outside {limits.low:g} to {limits.high:g} s; choose one "
                "inside, or change the laser power"
            )
        within, wanted = self._port.limits(self._name), exposure_s / self._unit_s
        if within.step:  # a camera with a step refuses what lies between
            wanted = within.low + round((wanted - within.low) / within.step) * within.step
        self._port.set(self._name, min(max(wanted, within.low), within.high))
        return float(self._port.get(self._name)) * self._unit_s


class Gain:
    """Gain in dB, or none where the camera has none or does not say what a step is worth.

    Steps (GainRaw) count from the camera's least, which need not be 0.
    """

    def __init__(self, port: Port, settings: GenicamSettings, who: str) -> None:
        name = spelt(port, names.GAIN)
        self._port, self._who = port, who
        self._name = "" if name is None else name.name
        self._in_steps = name is not None and name.unit_si is None
        self._unit_db = settings.gain_db_per_step if name is None or self._in_steps else name.unit_si
        limits = Limits(0.0, 0.0) if name is None else port.limits(name.name)
        self._zero = limits.low if self._in_steps else 0.0
        self._low_db, self.max_db = 0.0, 0.0
        if self._unit_db is not None and name is not None:
            self._low_db, self.max_db = ((end - self._zero) * self._unit_db for end in (limits.low, limits.high))

    def set(self, gain_db: float) -> float:
        """Set it, and return what the camera made of it."""
        if not self._low_db - 1e-9 <= gain_db <= self.max_db + 1e-9:
            unknown = self._in_steps and self._unit_db is None
            remedy = f"{self._name} counts steps: set gain_db_per_step" if unknown else "choose one inside"
            raise DeviceError(
                f"{self._who}: gain_db = {gain_db:g} dB is outside {self._low_db:g} to {self.max_db:g} dB; {remedy}"
            )
        if not self._name:
            return 0.0
        wanted = self._zero + gain_db / (self._unit_db or 1.0)
        self._port.set(self._name, round(wanted) if self._in_steps else wanted)
        return (float(self._port.get(self._name)) - self._zero) * (self._unit_db or 0.0)


class Sensor:
    """Size, steps and region, in pixels. Offsets are moved to 0 first: sizes are bounded by them."""

    def __init__(self, port: Port, who: str) -> None:
        self._port, self._who = port, who
        self._place(0, 0)
        self._rows, self._columns = port.limits(names.HEIGHT), port.limits(names.WIDTH)
        self.rows = int(text(port, names.ROWS) or self._rows.high)
        self.columns = int(text(port, names.COLUMNS) or self._columns.high)
        self._offset_steps = self._offset_step(names.OFFSET_Y), self._offset_step(names.OFFSET_X)
        self.step = lcm(_step(self._rows), self._offset_steps[0]), lcm(_step(self._columns), self._offset_steps[1])

    def _offset_step(self, name: str) -> int:
        return _step(self._port.limits(name)) if self._port.has(name) else 1

    def check(self, region: Region) -> None:
        """DeviceError that names the nearest region allowed."""
        row, rows = _nearest(region.row, region.rows, self._rows, self._offset_steps[0], self.rows)
        column, columns = _nearest(region.column, region.columns, self._columns, self._offset_steps[1], self.columns)
        nearest = Region(row, column, rows, columns)
        if region != nearest:
            raise DeviceError(
                f"{self._who}: {region} is not possible on {self.rows} x {self.columns} pixels, of which it gives "
                f"{_counts(self._rows)} rows and {_counts(self._columns)} columns, from every {self._offset_steps[0]}. row and "
                f"{self._offset_steps[1]}. column on; the nearest is {nearest}"
            )

    def set(self, region: Region) -> None:
        """Offsets to 0, sizes, offsets: in this order every step is allowed."""
        self._place(0, 0)
        self._port.set(names.WIDTH, region.columns)
        self._port.set(names.HEIGHT, region.rows)
        self._place(region.row, region.column)

    def _place(self, row: int, column: int) -> None:
        for name, value in ((names.OFFSET_X, column), (names.OFFSET_Y, row)):
            if self._port.has(name) and self._port.get(name) != value:
                self._port.set(name, value)


def _nearest(start: int, length: int, lengths: Limits, start_step: int, whole: int) -> tuple[int, int]:
    """GenICam's law: what is allowed is the least and whole steps more."""
    least, step = int(lengths.low), _step(lengths)
    length = least + min(max(round((length - least) / step), 0), (whole - least) // step) * step
    return min(max(round(start / start_step), 0), (whole - length) // start_step) * start_step, length


def _step(limits: Limits) -> int:
    return int(limits.step or 1)


def _counts(limits: Limits) -> str:
    return f"{int(limits.low)}, {int(limits.low) + _step(limits)} ..."


def set_trigger(port: Port, settings: CameraSettings, line: str, who: str) -> None:
    """One frame per software trigger, or per pulse on the line, rising edge."""
    source = names.SOFTWARE_SOURCE if settings.trigger == "software" else line
    if not port.has(names.TRIGGER_SOURCE):
        raise CapabilityError(
            f"{who} has no {names.TRIGGER_SOURCE}: frames could not be matched to patterns; use another camera"
        )
    if port.has(names.TRIGGER_SELECTOR):
        port.set(names.TRIGGER_SELECTOR, names.FRAME_TRIGGER)
    sources = port.entries(names.TRIGGER_SOURCE)
    if source not in sources:
        raise DeviceError(
            f"{who}: it has no trigger source {source!r}; it has {', '.join(sources)}: "
            + (
                "it takes hardware triggers alone"
                if settings.trigger == "software"
                else "set trigger_line to one of these"
            )
        )
    port.set(names.TRIGGER_SOURCE, source)
    if settings.trigger == "hardware" and port.has(names.TRIGGER_ACTIVATION):
        port.set(names.TRIGGER_ACTIVATION, "RisingEdge")
    port.set(names.TRIGGER_MODE, "On")


def _trigger_off(port: Port) -> None:
    """Of every kind: an AcquisitionStart trigger left on by another program would hold every frame back."""
    if not port.has(names.TRIGGER_MODE):
        return
    selectors = port.entries(names.TRIGGER_SELECTOR) if port.has(names.TRIGGER_SELECTOR) else []
    for selector in selectors:
        port.set(names.TRIGGER_SELECTOR, selector)
        port.set(names.TRIGGER_MODE, "Off")
    if not selectors:
        port.set(names.TRIGGER_MODE, "Off")
