"""Thorlabs optical power meters PM100D, PM100A, PM100USB and PM400.

Commands from the public manuals. Tested on expected-protocol scripts; it has never met hardware.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from pydantic import Field

from opu.errors import DeviceError
from opu.part_kinds import PartKind

from .scpi_link import Identity, Instrument, Link, LinkSettings, VisaLink
from .visa_settings import Seconds

POLL_S = 0.1
OVER_RANGE = 9e37
"""SCPI-99 answers 9.9E37 for infinity and 9.91E37 for what is no number."""
_MODELS = re.compile(r"PM100|PM400")


class Pm100dSettings(LinkSettings):
    """Settings of the power meter kind `pm100d`.

    wavelength_m: of the light, for the sensor's responsivity; a sensor calibrated at another one reads wrong.
    zero_timeout_s: how long zero() may take.
    """

    wavelength_m: float = Field(gt=1e-7, lt=1e-4)
    zero_timeout_s: Seconds = 30.0


class Pm100d:
    """A power meter as `opu.parts.PowerMeter`, its range chosen by itself."""

    def __init__(
        self, settings: Pm100dSettings, link: Link | None = None, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.settings = settings
        self._sleep = sleep
        self._instrument = Instrument(f"power meter pm100d at {settings.resource}", link or VisaLink(settings))
        self._model = "PM100D"

    @property
    def model(self) -> str:
        """Maker, model and serial number, once it was open."""
        return self._model

    def open(self) -> None:
        """Take it: power in W at the configured wavelength, range by itself."""
        instrument = self._instrument
        line = instrument.open()
        try:
            identity = Identity.read(line)
            if _MODELS.match(identity.model) is None:
                raise DeviceError(
                    f"{instrument.name}: {line[:80]!r} is no PM100 or PM400; set resource to the meter's address"
                )
            instrument.drain()
            least_nm, most_nm = instrument.number("SENS:CORR:WAV? MIN"), instrument.number("SENS:CORR:WAV? MAX")
            wanted_nm = 1e9 * self.settings.wavelength_m
            if not least_nm - 0.5 <= wanted_nm <= most_nm + 0.5:
                raise DeviceError(
                    f"{instrument.name}: wavelength_m = {self.settings.wavelength_m:g} m is not within "
                    f"{least_nm:g} to {most_nm:g} nm of its sensor; use another sensor, or correct wavelength_m"
                )
            instrument.command(f"SENS:CORR:WAV {wanted_nm:.6g}")
            instrument.command("SENS:POW:UNIT W")
            instrument.command("SENS:POW:RANG:AUTO 1")
            self._model = f"{identity.maker} {identity.model} {identity.serial}".strip()
        except BaseException:
            instrument.close()
            raise

    def close(self) -> None:
        """Release it; idempotent."""
        self._instrument.close()

    def zero(self) -> None:
        """Take the present reading as zero: cover the sensor, or turn the light off, first. DeviceError if it does not end."""
        with self._instrument.lock:
            self._instrument.command("SENS:CORR:COLL:ZERO:INIT")
            for _ in range(max(1, round(self.settings.zero_timeout_s / POLL_S))):
                if not self._instrument.flag("SENS:CORR:COLL:ZERO:STAT?"):
                    self._instrument.check("SENS:CORR:COLL:ZERO:INIT")
                    return
                self._sleep(POLL_S)
            self._instrument.command("SENS:CORR:COLL:ZERO:ABOR")
        raise DeviceError(
            f"{self._instrument.name}: zeroing does not end within {self.settings.zero_timeout_s:g} s; is light on the sensor?"
        )

    def read_w(self) -> float:
        """Power in W now; DeviceError if it is over the sensor's range."""
        power_w = self._instrument.number("MEAS:POW?")
        if abs(power_w) > OVER_RANGE:
            raise DeviceError(f"{self._instrument.name}: over its range; take light away, or use an attenuator")
        return power_w


STARTER = """\
kind = "pm100d"
resource = "USB0::0x1313::0x8078::P0000000::INSTR"
wavelength_m = 5.32e-7    # of the light: the sensor's responsivity depends on it
"""

PM100D = PartKind(
    name="pm100d",
    role="power_meter",
    summary="Thorlabs PM100 and PM400 optical power meters, over VISA",
    settings=Pm100dSettings,
    build=Pm100d,
    starter=STARTER,
)
