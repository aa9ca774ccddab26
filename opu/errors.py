"""One family of errors and warnings. Each message names the thing, its value, the limit, the unit and the remedy."""

from __future__ import annotations


class OPUError(Exception):
    """Root of every error that openopu raises on purpose."""


class InputError(OPUError, ValueError):
    """Data handed to an OPU is not what it can show or project: wrong width, type, values or an empty batch."""


class ConfigError(OPUError):
    """A configuration is wrong: the message names the key, where it stands and what is allowed."""


class DeviceError(OPUError):
    """A device refused or failed; nothing was measured by the call."""


class DeviceClosed(DeviceError):
    """The device was used before it was opened or after it was closed."""


class DeviceLost(DeviceError):
    """The device stopped answering; its state is unknown."""


class CalibrationError(OPUError):
    """A calibration could not be made, or does not belong to this device."""


class CapabilityError(DeviceError):
    """The device lacks what the retrieval needs (an anchor, a reference arm, a shutter)."""


class OPUWarning(UserWarning):
    """Root of every warning that openopu gives."""


class Saturated(OPUWarning):
    """More readings than speckle allows sit at full scale: their true value is unknown."""


class TooDark(OPUWarning):
    """Most readings cannot be told from a dark camera."""


class EncodingWarning(OPUWarning):
    """An encoding's parameter is known to ruin what it will be used for."""


class AlignmentWarning(OPUWarning):
    """A network does not turn towards its feedback: its hidden layers learn nothing from it."""


class DriftWarning(OPUWarning):
    """The medium changes faster than what is learned from it."""
