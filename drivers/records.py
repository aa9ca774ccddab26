"""Spec, status and acquisition as they travel: JSON for the first two, numbers between commas for the last."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import Any

from opu.device import Acquisition, DeviceSpec, DeviceStatus


def record_text(record: DeviceSpec | DeviceStatus) -> str:
    """Its fields as JSON; floats come back to the bit."""
    return json.dumps(asdict(record))


def parse_spec(text: bytes | str) -> DeviceSpec:
    """From JSON; what a later minor version adds is left out. Readings arrive as NumPy's from any device."""
    table = _known(json.loads(text), DeviceSpec)
    return DeviceSpec(**{name: _tuple(value) for name, value in table.items()} | {"frame_arrays": ("numpy",)})


def parse_status(text: bytes | str) -> DeviceStatus:
    """From JSON, likewise."""
    table = _known(json.loads(text), DeviceStatus)
    inner = table.get("acquisition")
    if inner is not None:
        inner = _known(inner, Acquisition)
        table["acquisition"] = Acquisition(**{name: _tuple(value) for name, value in inner.items()})
    return DeviceStatus(**table)


def acquisition_text(acquisition: Acquisition | None) -> str:
    """`exposure,frame time or DEF,light[,phases...]`; NONE."""
    if acquisition is None:
        return "NONE"
    frame_time = "DEF" if acquisition.frame_time_s is None else repr(float(acquisition.frame_time_s))
    phases = [repr(float(phase)) for phase in acquisition.reference_rad]
    return ",".join([repr(float(acquisition.exposure_s)), frame_time, str(int(acquisition.light)), *phases])


def parse_acquisition(text: str) -> Acquisition:
    """What acquisition_text() wrote for an acquisition."""
    exposure, frame_time, light, *phases = text.split(",")
    frame_time_s = None if frame_time == "DEF" else float(frame_time)
    return Acquisition(float(exposure), frame_time_s, light == "1", tuple(map(float, phases)))


def _known(table: dict[str, Any], record: type[Any]) -> dict[str, Any]:
    names = {field.name for field in fields(record)}
    return {name: value for name, value in table.items() if name in names}


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
