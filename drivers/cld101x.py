"""Thorlabs laser diode controllers CLD1010, CLD1011, CLD1015 and the ITC4000 series: a current, and the light it makes.

Commands from the public manuals. Tested on expected-protocol scripts; it has never met hardware.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from typing import Literal, Self

from pydantic import Field, model_validator

from opu.errors import DeviceClosed, DeviceError, OPUError
from opu.part_kinds import PartKind
from opu.parts import LaserSpec, LaserStatus

from .scpi_link import Identity, Instrument, Link, LinkSettings, VisaLink, despite_loss
from .visa_settings import Seconds

POLL_S = 0.1
_MODELS = re.compile(r"CLD101[015]|ITC40\d\d")
_TRIPS = {
    "INTL": "the interlock is open: close it",
    "KEYL": "the key switch is off: turn the key",
    "OTEM": "the diode or the controller is too warm: let it cool, and look at the temperature controller",
    "CONN": "the diode is badly connected: look at cable and mount",
    "VOLT": "the diode's voltage is over the compliance limit: look at cable and diode",
}
_TRIPS_OF = {"CLD": ("INTL", "KEYL", "OTEM", "CONN"), "ITC": ("INTL", "KEYL", "OTEM", "VOLT")}
"""What OUTPut:PROTection:...:TRIPped? is asked for; another model's name would only fill its error queue."""


class Cld101xSettings(LinkSettings):
    """Settings of the laser kind `cld101x`.

    current_a, or power_w with slope_w_per_a: what open() sets, in the dark. slope_w_per_a, threshold_a: the diode's power is
    slope (current - threshold), from its data sheet or a power meter; without a slope power in W cannot be set or told.
    current_max_a: a limit of your own; the controller's own limit is lowered to it, never raised. tec: "required" refuses
    light while the temperature controller is off, "ignored" is for diodes without one. on_timeout_s: how long the output
    may take to come on (soft start, safety delay).
    """

    current_a: float | None = Field(None, gt=0)
    power_w: float | None = Field(None, gt=0)
    slope_w_per_a: float | None = Field(None, gt=0)
    threshold_a: float = Field(0.0, ge=0)
    current_max_a: float | None = Field(None, gt=0)
    wavelength_m: float | None = Field(None, gt=1e-7, lt=1e-4)
    tec: Literal["required", "ignored"] = "required"
    on_timeout_s: Seconds = 10.0

    @model_validator(mode="after")
    def _one_level(self) -> Self:
        if self.current_a is not None and self.power_w is not None:
            raise ValueError("current_a and power_w are both set; leave one out")
        if self.power_w is not None and self.slope_w_per_a is None:
            raise ValueError(
                f"power_w = {self.power_w:g} W needs slope_w_per_a (and threshold_a) of the diode, since the controller sets "
                "a current; or set current_a instead"
            )
        return self


class Cld101x:
    """A laser diode on such a controller, as `opu.parts.Laser`; constant current, continuous wave."""

    def __init__(
        self, settings: Cld101xSettings, link: Link | None = None, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.settings = settings
        self._sleep = sleep
        self._stopped = threading.Event()
        """Set by off(), which another thread may call while on() waits for light."""
        self._instrument = Instrument(f"laser cld101x at {settings.resource}", link or VisaLink(settings))
        self._spec: LaserSpec | None = None
        self._trips: tuple[str, ...] = ()
        self._limit_a = 0.0
        self._current_a = 0.0

    @property
    def spec(self) -> LaserSpec:
        """Model, serial number and the most power that the current's limit allows (0: no slope, no power in W)."""
        if self._spec is None:
            raise DeviceClosed(f"{self._instrument.name}: is closed; open() it first")
        return self._spec

    def open(self) -> None:
        """Take it with its output off, in constant current, its limits read and the configured level set."""
        line = self._instrument.open()
        try:
            identity = Identity.read(line)
            if _MODELS.match(identity.model) is None:
                raise DeviceError(
                    f"{self._instrument.name}: {line[:80]!r} is no CLD1010, CLD1011, CLD1015 or ITC4000; nothing was sent "
                    "to it: set resource to the laser's address"
                )
        except BaseException:
            self._instrument.close()
            raise
        try:
            self._set_up(identity)
        except BaseException:
            self._release()
            raise

    def close(self) -> None:
        """Output off, link dropped; idempotent. DeviceLost if that cannot be made sure of: turn the key."""
        self._stopped.set()
        with self._instrument.lock:
            if self._instrument.is_open:
                self._release()

    def set_power(self, power_w: float) -> float:
        """Set the current for this power; returns the power of the current that the controller then has."""
        slope = self._slope(f"set_power({power_w:g} W)")
        if not 0 <= power_w <= self.spec.power_max_w:
            raise DeviceError(
                f"{self._instrument.name}: {power_w:g} W is not within 0 to {self.spec.power_max_w:.6g} W, the power at "
                f"{self._limit_a:g} A; ask for less, or raise the limit at the instrument"
            )
        current_a = self.set_current(self.settings.threshold_a + power_w / slope if power_w else 0.0)
        return max(0.0, slope * (current_a - self.settings.threshold_a))

    def set_current(self, current_a: float) -> float:
        """Set the diode's current in A; returns the current that the controller then has. Never turns the output on."""
        with self._instrument.lock:
            limit_a = self._limit_a
            if not 0 <= current_a <= limit_a:
                raise DeviceError(
                    f"{self._instrument.name}: {current_a:g} A is not within 0 to {limit_a:g} A, the controller's limit; "
                    "ask for less, or raise the limit at the instrument (or current_max_a)"
                )
            self._instrument.command(f"SOUR:CURR:LEV:IMM:AMPL {current_a:.6g}")
            self._current_a = self._instrument.number("SOUR:CURR:LEV:IMM:AMPL?")
            if abs(self._current_a - current_a) > 0.01 * limit_a:
                raise DeviceError(
                    f"{self._instrument.name}: was set to {current_a:g} A and says {self._current_a:g} A; look at its panel"
                )
            return self._current_a

    def on(self) -> None:
        """Light, checked; DeviceError with the output off if a protection has tripped or the output does not come on."""
        self._stopped.clear()
        self._refuse_tripped()
        if self._current_a <= 0:
            raise DeviceError(f"{self._instrument.name}: its current is 0 A; set power_w or current_a")
        if self.settings.tec == "required" and not self._instrument.flag("OUTP2:STAT?"):
            raise DeviceError(
                f"{self._instrument.name}: its temperature controller is off; turn it on, or set tec = 'ignored' for a "
                "diode without one"
            )
        try:
            with self._instrument.lock:
                self._refuse_stopped()
                self._instrument.command("OUTP:STAT ON")
            for _ in range(max(1, round(self.settings.on_timeout_s / POLL_S))):
                if self._instrument.flag("OUTP:STAT?"):
                    return
                self._refuse_stopped()
                self._refuse_tripped()
                self._sleep(POLL_S)
            raise DeviceError(
                f"{self._instrument.name}: its output is still off {self.settings.on_timeout_s:g} s after it was turned "
                "on; look at its panel, or raise on_timeout_s"
            )
        except BaseException:
            self.off()
            raise

    def off(self) -> None:
        """Dark, checked, over a new link if the old one is lost; DeviceLost if it cannot be reached: turn the key."""
        self._stopped.set()
        with self._instrument.lock:
            if self._instrument.is_open:
                despite_loss(self._instrument, self._dark)

    def status(self) -> LaserStatus:
        """State now, from few questions while the output is on: a tripped protection turns it off."""
        if not self._instrument.is_open:
            return LaserStatus(is_open=False, light_on=None)
        try:
            with self._instrument.lock:
                light_on = self._instrument.flag("OUTP:STAT?")
                tripped = () if light_on else self._tripped()
                current_a = self._instrument.number("SENS3:CURR:DATA?")
                temperature_c = self._instrument.number("SENS2:TEMP:DATA?") if self.settings.tec == "required" else None
        except OPUError as error:
            return LaserStatus(is_open=self._instrument.is_open, light_on=None, fault=str(error))
        slope = self.settings.slope_w_per_a
        power_w = None if slope is None else max(0.0, slope * (current_a - self.settings.threshold_a)) * light_on
        return LaserStatus(
            is_open=True,
            light_on=light_on,
            interlock="open" if "INTL" in tripped else "closed",
            power_w=power_w,
            temperature_c=temperature_c,
            fault="; ".join(_TRIPS[name] for name in tripped),
        )

    def _set_up(self, identity: Identity) -> None:
        settings, instrument = self.settings, self._instrument
        self._dark()
        instrument.drain()  # errors from before are nobody's here
        self._trips = _TRIPS_OF[identity.model[:3]]
        instrument.command("SOUR:FUNC:MODE CURR")
        limit_a = instrument.number("SOUR:CURR:LIM:AMPL?")
        if settings.current_max_a is not None and settings.current_max_a < limit_a:
            instrument.command(f"SOUR:CURR:LIM:AMPL {settings.current_max_a:.6g}")
            limit_a = instrument.number("SOUR:CURR:LIM:AMPL?")
            if limit_a > 1.001 * settings.current_max_a:
                raise DeviceError(
                    f"{instrument.name}: its limit was set to current_max_a = {settings.current_max_a:g} A and is "
                    f"{limit_a:g} A; set it at the instrument"
                )
        self._limit_a = limit_a
        slope = settings.slope_w_per_a or 0.0
        self._spec = LaserSpec(
            model=f"{identity.maker} {identity.model}",
            serial=identity.serial,
            power_max_w=max(0.0, slope * (limit_a - settings.threshold_a)),
            wavelength_m=settings.wavelength_m,
        )
        if settings.power_w is not None:
            self.set_power(settings.power_w)
        else:
            self.set_current(settings.current_a or 0.0)

    def _dark(self) -> None:
        self._instrument.send("OUTP:STAT OFF")
        if self._instrument.flag("OUTP:STAT?"):
            raise DeviceError(f"{self._instrument.name}: its output stays on after OUTP:STAT OFF; turn the key")

    def _release(self) -> None:
        try:
            despite_loss(self._instrument, self._dark)
        finally:
            self._instrument.close()

    def _tripped(self) -> tuple[str, ...]:
        return tuple(name for name in self._trips if self._instrument.flag(f"OUTP:PROT:{name}:TRIP?"))

    def _refuse_tripped(self) -> None:
        tripped = self._tripped()
        if tripped:
            raise DeviceError(f"{self._instrument.name}: no light: {'; '.join(_TRIPS[name] for name in tripped)}")

    def _refuse_stopped(self) -> None:
        if self._stopped.is_set():
            raise DeviceError(f"{self._instrument.name}: was turned off while its light came on")

    def _slope(self, what: str) -> float:
        if self.settings.slope_w_per_a is None:
            raise DeviceError(f"{self._instrument.name}: {what} needs slope_w_per_a in its settings; or set current_a")
        return self.settings.slope_w_per_a


STARTER = """\
kind = "cld101x"
resource = "USB0::0x1313::0x804F::M00300000::INSTR"
current_max_a = 0.08      # the controller's limit is lowered to it, never raised
current_a = 0.06          # or: power_w = 0.02, with
# slope_w_per_a = 0.5     #   power = slope (current - threshold)
# threshold_a = 0.02
# wavelength_m = 5.2e-7
# tec = "ignored"         # for a diode without temperature control
"""

CLD101X = PartKind(
    name="cld101x",
    role="laser",
    summary="Thorlabs CLD1010/1011/1015 and ITC4000 laser diode controllers, over VISA",
    settings=Cld101xSettings,
    build=Cld101x,
    starter=STARTER,
)
