"""The one table of GenICam feature names: what the standard calls a thing, what older cameras call it, and in which unit.

Sources: GenICam Standard Features Naming Convention (SFNC) 2.7, its section on deprecated features, and the feature lists
that Basler (ace classic), Allied Vision, FLIR and Aravis publish for their GigE Vision cameras. Read from paper: of these
only Aravis's camera, viva-genicam's and the two vendors' emulators named in the drivers were ever asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

Value: TypeAlias = bool | int | float | str


@dataclass(frozen=True)
class Name:
    """One spelling. `unit_si` is what one of its units is in s or Hz, or in dB; None: steps of the camera's own."""

    name: str
    unit_si: float | None = None


EXPOSURE = (Name("ExposureTime", 1e-6), Name("ExposureTimeAbs", 1e-6))
GAIN = (Name("Gain", 1.0), Name("GainAbs", 1.0), Name("GainRaw"))
FRAME_RATE = (
    Name("AcquisitionResultingFrameRate", 1.0),  # as the region and exposure allow
    Name("ResultingFrameRate", 1.0),
    Name("ResultingFrameRateAbs", 1.0),
)
FRAME_RATE_LIMIT = (Name("AcquisitionFrameRate", 1.0), Name("AcquisitionFrameRateAbs", 1.0))
TEMPERATURE = (Name("DeviceTemperature", 1.0), Name("TemperatureAbs", 1.0))
TICK_RATE = (Name("GevTimestampTickFrequency", 1.0), Name("DeviceTimestampFrequency", 1.0))

UNITS_S: dict[str, float] = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9}
"""Where a camera states the unit of its exposure, that holds: some count ExposureTime in ms. µ is spelt in two ways."""

MODEL = ("DeviceModelName",)
SERIAL = ("DeviceSerialNumber", "DeviceID")
ROWS = ("HeightMax", "SensorHeight")
COLUMNS = ("WidthMax", "SensorWidth")

WIDTH, HEIGHT, OFFSET_X, OFFSET_Y = "Width", "Height", "OffsetX", "OffsetY"
PIXEL_FORMAT = "PixelFormat"
TRIGGER_SELECTOR, TRIGGER_MODE, TRIGGER_SOURCE = "TriggerSelector", "TriggerMode", "TriggerSource"
TRIGGER_SOFTWARE, TRIGGER_ACTIVATION = "TriggerSoftware", "TriggerActivation"
FRAME_RATE_ENABLE = "AcquisitionFrameRateEnable"
FRAME_TRIGGER = "FrameStart"
SOFTWARE_SOURCE = "Software"

AT_REST: tuple[tuple[str, Value], ...] = (
    ("AcquisitionMode", "Continuous"),
    ("ExposureMode", "Timed"),
    ("ExposureAuto", "Off"),
    ("GainAuto", "Off"),
    ("BlackLevelAuto", "Off"),
    ("BalanceWhiteAuto", "Off"),
    ("GammaEnable", False),
    ("Gamma", 1.0),
    ("LUTEnable", False),
    ("TestPattern", "Off"),
    ("TestImageSelector", "Off"),
    ("ReverseX", False),
    ("ReverseY", False),
    ("BinningHorizontal", 1),
    ("BinningVertical", 1),
    ("DecimationHorizontal", 1),
    ("DecimationVertical", 1),
    (FRAME_RATE_ENABLE, False),
    ("ChunkModeActive", False),
)
"""What would change a reading behind our back, or bound the rate below what the trigger asks: set where there is one."""
