"""What a bench says of itself: its parts' health in one DeviceStatus."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from opu.device import Acquisition, DeviceStatus
from opu.parts import LaserStatus, PartStatus

from .bench_light import Light
from .bench_sequence import Counts


def bench_status(
    is_open: bool,
    light: Light,
    parts: tuple[PartStatus | None, PartStatus | None],
    acquisition: Acquisition | None,
    counts: Counts,
    notes: Iterable[str],
    **figures: Any,
) -> DeviceStatus:
    """parts: the modulator's and the camera's last word; notes: what else to say. Never raises."""
    words = list(notes)
    laser = _laser(light, words) if is_open else None
    for part, status in zip(("modulator", "camera"), parts, strict=True):
        if status is not None and status.message:
            words.append(f"{part}: {status.message}")
    if counts != Counts():
        words.append(str(counts))
    temperatures = [status.temperature_c for status in (*reversed(parts), laser) if status is not None]
    return DeviceStatus(
        is_open=is_open,
        light_on=None
        if light.laser is None
        else False
        if not is_open
        else laser.light_on
        if laser is not None
        else None,
        interlock="none" if laser is None else laser.interlock,
        temperature_c=next((value for value in temperatures if value is not None), None),
        frames_dropped=counts.lost + counts.incomplete + counts.frozen,
        acquisition=acquisition,
        message="; ".join(filter(None, words)),
        **figures,
    )


def _laser(light: Light, words: list[str]) -> LaserStatus | None:
    if light.laser is None:
        words.append("the laser is not under this program's control")
        return None
    try:
        status = light.status()
    except Exception as error:
        words.append(f"the laser does not answer: {error}")
        return None
    if status.fault:
        words.append(f"laser: {status.fault}")
    return status
