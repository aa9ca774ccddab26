"""Coherent OBIS lasers on a serial line, directly or through the OBIS Remote: a power, held by the laser itself.

Commands and status bits from the public manual. Tested on expected-protocol scripts; it has never met hardware.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from pydantic import Field

from opu.device import Interlock
from opu.errors import DeviceClosed, DeviceError, OPUError
from opu.part_kinds import PartKind
from opu.parts import LaserSpec, LaserStatus

from .scpi_link import Identity, Instrument, Link, LinkSettings, VisaLink, despite_loss
from .visa_settings import Seconds

POLL_S = 0.1
GREETING = "SYST:COMM:HAND ON"
"""From here on every answer ends in OK, or is ERR and a number: nothing is refused unnoticed."""
NEARLY = 0.5
"""Part of the power asked for at which the laser counts as lit: it rises through the emission delay and the warm-up."""
FAULT, STANDBY, INTERLOCK, REMOTE = 1 << 0, 1 << 25, 1 << 26, 1 << 31
"""Bits of SYSTem:STATus?: a fault of the laser; of the Remote: key off, interlock open (not told while the key is off), and
that there is a Remote at all."""
_FAULTS = (
    *(
        "base plate temperature",
        "diode temperature",
        "internal temperature",
        "laser power supply",
        "I2C",
        "over-current",
    ),
    *(
        "laser checksum",
        "checksum recovery",
        "buffer overflow",
        "warm-up limit",
        "TEC driver",
        "CCB",
        "diode temperature limit",
    ),
    *("laser ready", "photodiode", "fatal", "start-up", "watchdog timer reset", "field calibration", "", "over-power"),
)
"""Names of the bits of SYSTem:FAULt?."""


class ObisSettings(LinkSettings):
    """Settings of the laser kind `obis`.

    power_w: what open() sets, in the dark. power_max_w: a limit of your own, below the laser's. on_timeout_s: how long light
    may take to come (the emission delay of 5 s is left as it is, warm-up comes on top).
    """

    power_w: float | None = Field(None, gt=0)
    power_max_w: float | None = Field(None, gt=0)
    on_timeout_s: Seconds = 30.0


class Obis:
    """An OBIS laser as `opu.parts.Laser`; constant power, continuous wave."""

    def __init__(
        self, settings: ObisSettings, link: Link | None = None, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.settings = settings
        self._sleep = sleep
        self._stopped = threading.Event()
        """Set by off(), which another thread may call while on() waits for light."""
        self._instrument = Instrument(
            f"laser obis at {settings.resource}",
            link or VisaLink(settings, end="\r\n"),
            errors="SYST:ERR:NEXT?",
            acknowledged=True,
        )
        self._spec: LaserSpec | None = None
        self._power_min_w = 0.0
        self._power_w = 0.0

    @property
    def spec(self) -> LaserSpec:
        """Model, serial number, wavelength, and the lower of the laser's limit and power_max_w."""
        if self._spec is None:
            raise DeviceClosed(f"{self._instrument.name}: is closed; open() it first")
        return self._spec

    def open(self) -> None:
        """Take it with its light off, in constant power, its limits read and the configured power set."""
        line = self._instrument.open(GREETING)
        if not line.upper().startswith("COHERENT") or "OBIS" not in line.upper():
            self._instrument.close()
            raise DeviceError(
                f"{self._instrument.name}: {line[:80]!r} is no Coherent OBIS; set resource to the laser's address"
            )
        try:
            self._set_up(Identity.read(line, "-"))
        except BaseException:
            self._release()
            raise

    def close(self) -> None:
        """Light off, link dropped; idempotent. DeviceLost if that cannot be made sure of: turn the key."""
        self._stopped.set()
        with self._instrument.lock:
            if self._instrument.is_open:
                self._release()

    def set_power(self, power_w: float) -> float:
        """Set the power; returns what the laser then has. Never turns the light on."""
        with self._instrument.lock:
            most_w = self.spec.power_max_w
            if not self._power_min_w <= power_w <= most_w:
                raise DeviceError(
                    f"{self._instrument.name}: {power_w:g} W is not within {self._power_min_w:g} to {most_w:g} W, the limits "
                    "of the laser and of power_max_w"
                )
            self._instrument.command(f"SOUR:POW:LEV:IMM:AMPL {power_w:.6f}")
            self._power_w = self._instrument.number("SOUR:POW:LEV:IMM:AMPL?")
            if abs(self._power_w - power_w) > 0.01 * most_w:
                raise DeviceError(
                    f"{self._instrument.name}: was set to {power_w:g} W and says {self._power_w:g} W; is something else in "
                    "control of it?"
                )
            return self._power_w

    def on(self) -> None:
        """Light, checked; DeviceError with the light off if the interlock is open, a fault stands or no light comes."""
        self._stopped.clear()
        self._refuse_unsafe(self._system())
        if self._power_w <= 0:
            raise DeviceError(f"{self._instrument.name}: its power is 0 W; set power_w")
        try:
            with self._instrument.lock:
                self._refuse_stopped()
                self._instrument.command("SOUR:AM:STAT ON")
            for _ in range(max(1, round(self.settings.on_timeout_s / POLL_S))):
                on = self._instrument.flag("SOUR:AM:STAT?")
                if on and self._instrument.number("SOUR:POW:LEV?") >= NEARLY * self._power_w:
                    return
                self._refuse_stopped()
                self._refuse_unsafe(self._system())
                self._sleep(POLL_S)
            raise DeviceError(
                f"{self._instrument.name}: gives less than {100 * NEARLY:.0f} % of {self._power_w:g} W after "
                f"{self.settings.on_timeout_s:g} s; wait for its warm-up, or raise on_timeout_s"
            )
        except BaseException:
            self.off()
            raise

    def off(self) -> None:
        """Dark, checked, over a new link if the old one is lost; DeviceLost if it cannot be reached: turn the key."""
        self._stopped.set()
        with self._instrument.lock:
            if self._instrument.is_open:
                despite_loss(self._instrument, self._dark, GREETING)

    def status(self) -> LaserStatus:
        """State now."""
        if not self._instrument.is_open:
            return LaserStatus(is_open=False, light_on=None)
        try:
            with self._instrument.lock:
                system = self._system()
                light_on = self._instrument.flag("SOUR:AM:STAT?")
                power_w = self._instrument.number("SOUR:POW:LEV?") if light_on else 0.0
                temperature_c = self._instrument.number("SOUR:TEMP:BAS?")
                fault = self._unsafe(system)
        except OPUError as error:
            return LaserStatus(is_open=self._instrument.is_open, light_on=None, fault=str(error))
        interlock: Interlock = "closed" if system & REMOTE else "none"
        if system & INTERLOCK and not system & STANDBY:
            interlock = "open"
        return LaserStatus(True, light_on, interlock, power_w, temperature_c, fault)

    def _set_up(self, identity: Identity) -> None:
        settings, instrument = self.settings, self._instrument
        self._dark()
        instrument.drain()  # errors from before are nobody's here
        instrument.command("SOUR:AM:INT CWP")
        self._power_min_w = instrument.number("SOUR:POW:LIM:LOW?")
        most_w = instrument.number("SOUR:POW:LIM:HIGH?")
        self._power_w = 0.0
        self._spec = LaserSpec(
            model=identity.model or "OBIS",
            serial=instrument.query("SYST:INF:SNUM?"),
            power_max_w=most_w if settings.power_max_w is None else min(most_w, settings.power_max_w),
            wavelength_m=1e-9 * instrument.number("SYST:INF:WAV?"),
        )
        if settings.power_w is not None:
            self.set_power(settings.power_w)

    def _dark(self) -> None:
        self._instrument.send("SOUR:AM:STAT OFF")
        if self._instrument.flag("SOUR:AM:STAT?"):
            raise DeviceError(f"{self._instrument.name}: stays on after SOUR:AM:STAT OFF; turn the key")

    def _release(self) -> None:
        try:
            despite_loss(self._instrument, self._dark, GREETING)
        finally:
            self._instrument.close()

    def _system(self) -> int:
        return self._bits("SYST:STAT?")

    def _bits(self, query: str) -> int:
        answer = self._instrument.query(query)
        try:
            return int(answer, 16)
        except ValueError:
            raise DeviceError(
                f"{self._instrument.name}: answers {answer[:60]!r} to {query!r}, which is not hexadecimal"
            ) from None

    def _unsafe(self, system: int) -> str:
        """Why there is, or may be, no light; empty if nothing is against it."""
        reasons = []
        if system & STANDBY:
            reasons.append("the key switch is off: turn the key")
        elif system & INTERLOCK:
            reasons.append("the interlock is open: close it, and turn the key off and on")
        if system & FAULT:
            bits = self._bits("SYST:FAUL?")
            named = [name for bit, name in enumerate(_FAULTS) if name and bits >> bit & 1]
            reasons.append(f"a fault stands ({', '.join(named) or 'unnamed'}, {bits:08X}): see the manual of the laser")
        return "; ".join(reasons)

    def _refuse_stopped(self) -> None:
        if self._stopped.is_set():
            raise DeviceError(f"{self._instrument.name}: was turned off while its light came on")

    def _refuse_unsafe(self, system: int) -> None:
        reason = self._unsafe(system)
        if reason:
            raise DeviceError(f"{self._instrument.name}: no light: {reason}")


STARTER = """\
kind = "obis"
resource = "ASRL/dev/ttyUSB0::INSTR"   # on Windows "ASRL3::INSTR"
power_w = 0.02
# power_max_w = 0.03      # a limit of your own, below the laser's
# baud_rate = 115200
# on_timeout_s = 30       # the 5 s emission delay is kept; warm-up comes on top
"""

OBIS = PartKind(
    name="obis",
    role="laser",
    summary="Coherent OBIS lasers, over a serial line",
    settings=ObisSettings,
    build=Obis,
    starter=STARTER,
)
