"""Numbers as people read them."""

from __future__ import annotations


def seconds_text(seconds: float) -> str:
    """Return a duration: '4.2 s', '3 min 20 s'."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s"


def joules_text(joules: float) -> str:
    """Return an energy: '540 J', '1.20 kJ'; a dash for 0, which says that the device does not know its power."""
    if not joules:
        return "–"
    if joules >= 999.5:  # would be shown as 1e+03
        return f"{joules / 1e6:.3g} MJ" if joules >= 999.5e3 else f"{joules / 1e3:.3g} kJ"
    return f"{joules:.3g} J"


def angle_text(angle_deg: float | None) -> str:
    """Return an angle: '72.5°', a dash for none."""
    return "–" if angle_deg is None else f"{angle_deg:.1f}°"


def device_text(frames: int, device_seconds: float, device_joules: float) -> str:
    """Return what was asked of a device: '3,386 frames, 2.4 s and 70.8 J of device'."""
    energy = f" and {joules_text(device_joules)}" if device_joules else ""
    return f"{frames:,} frames, {seconds_text(device_seconds)}{energy} of device"
