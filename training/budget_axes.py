"""What a budget sweeps: any key of the device's table, or a named axis that sets several keys by physics."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from opu.errors import ConfigError

from .budget_bench import Bench, Overrides
from .budget_snr import snr_overrides

WELL_OVER_DARK_NOISE = 16


@dataclass(frozen=True)
class Axis:
    """One named axis. overrides(value, bench) gives the keys to set; `measured` ones need the bench calibrated."""

    name: str
    label: str
    help: str
    overrides: Callable[[float, Bench], Overrides]
    measured: bool = False


@dataclass(frozen=True)
class Sweep:
    """One axis or one key, and the values it takes, in the order given."""

    name: str
    values: tuple[Any, ...]
    axis: Axis | None

    @property
    def label(self) -> str:
        """What a plot writes under its axis."""
        return self.name if self.axis is None else self.axis.label

    @property
    def numeric(self) -> bool:
        """Whether all values are numbers, which can be put in order."""
        return all(isinstance(v, int | float) and not isinstance(v, bool) for v in self.values)

    @property
    def measured(self) -> bool:
        """Whether the device must be lit to know what to set."""
        return self.axis is not None and self.axis.measured

    def overrides(self, value: Any, bench: Bench) -> Overrides:
        """Keys to set for one value. ConfigError where the axis cannot reach it."""
        if self.axis is None:
            return {self.name: value}
        try:
            return self.axis.overrides(value, bench)
        except ConfigError as error:
            raise ConfigError(f"--sweep {self.name}: {value!r} {error}") from None


def parse_sweep(text: str) -> Sweep:
    """'camera.bit_depth=8,4,2' or 'snr=1,0.3' as a Sweep; ConfigError says what is missing.

    Values are read as TOML, or as plain strings where they are none (preset=ideal,harsh).
    """
    name, separator, listed = text.partition("=")
    name = name.strip()
    if not separator or not all(part.strip() for part in name.split(".")):
        raise ConfigError(
            f"--sweep {text!r}: expected KEY=V1,V2,... with a key of the device's table, such as camera.bit_depth=8,4,2,1, "
            f"or one of {', '.join(AXES)}"
        )
    values = _values(listed)
    if len(values) < 2:
        raise ConfigError(f"--sweep {text!r}: {len(values)} value; a sweep needs two or more, separated by commas")
    if len({repr(value) for value in values}) < len(values):
        raise ConfigError(f"--sweep {text!r}: a value is there twice; give each once, and more --seeds for repetitions")
    axis = AXES.get(name)
    if axis is not None:
        for value in values:
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
                raise ConfigError(f"--sweep {name}: {value!r} is not a number above 0; {axis.help}")
    return Sweep(name, values, axis)


def _values(listed: str) -> tuple[Any, ...]:
    try:
        return tuple(tomllib.loads(f"v = [{listed}]")["v"])
    except tomllib.TOMLDecodeError:
        return tuple(_value(part.strip()) for part in listed.split(",") if part.strip())


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        return text


def _whole(value: float) -> int:
    if value != int(value):
        raise ConfigError("is not a whole number")
    return int(value)


def _bits(value: float, bench: Bench) -> Overrides:
    """The same analogue signal before a converter of other depth: gain and black level keep their share of the range."""
    bits, base = _whole(value), bench.get("camera.bit_depth")
    ratio = (2**bits - 1) / (2**base - 1)
    keys: Overrides = {"camera.bit_depth": bits}
    for key in ("camera.black_level_dn", "camera.gain_dn_per_e"):
        if bench.get(key) is not None:
            keys[key] = bench.get(key) * ratio
    return keys


def _full_well(value: float, bench: Bench) -> Overrides:
    """Light in proportion to the well, so that exposures stay within the camera's; dark noises that fit it."""
    base, read_noise_e = bench.get("camera.full_well_e"), bench.get("camera.read_noise_e")
    most_e = value / WELL_OVER_DARK_NOISE
    keys: Overrides = {"camera.full_well_e": float(value), "camera.read_noise_e": min(read_noise_e, most_e)}
    if bench.has("camera.dsnu_e"):
        keys["camera.dsnu_e"] = min(bench.get("camera.dsnu_e"), most_e)
    if bench.has("laser.power_w"):
        keys["laser.power_w"] = bench.get("laser.power_w") * value / base
    return keys


def _key(key: str) -> Callable[[float, Bench], Overrides]:
    def overrides(value: float, bench: Bench) -> Overrides:
        bench.get(key)
        return {key: float(value)}

    return overrides


def _drift_steps(value: float, bench: Bench) -> Overrides:
    bench.get("speckle.drift_time_s")
    return {"speckle.drift_time_s": value * step_time_s(bench)}


def step_time_s(bench: Bench) -> float:
    """Device time of one update: its frames at the calibrated frame time, in seconds."""
    calibration = bench.calibrated
    acquisition = calibration.intensity if calibration.reference is None else calibration.reference.acquisition
    return bench.frames_per_step * (acquisition.frame_time_s or acquisition.exposure_s)


AXES: dict[str, Axis] = {
    axis.name: axis
    for axis in (
        Axis(
            "snr",
            "signal-to-noise of one projection (ratio of standard deviations)",
            "standard deviation of a projection over that of its noise, reached by less light (a shorter "
            "exposure) in a smaller full well",
            snr_overrides,
            measured=True,
        ),
        Axis("bits", "bits of the converter", "camera.bit_depth, black level and gain keeping their share", _bits),
        Axis(
            "full_well",
            "full well (electrons)",
            "camera.full_well_e, in electrons, and laser.power_w in proportion; read noise and dark differences of pixels at "
            "most a sixteenth of it each",
            _full_well,
        ),
        Axis("contrast", "mirror contrast, on over off", "dmd.contrast_ratio", _key("dmd.contrast_ratio")),
        Axis("anchor_share", "anchor's share of the mirrors", "anchor_share, between 0 and 1", _key("anchor_share")),
        Axis(
            "drift_steps",
            "1/e time of the medium's field (training steps)",
            "speckle.drift_time_s in training steps, at the device's own frame time; an anchor "
            "drifts with the medium, so that a projection's correlation falls twice as fast",
            _drift_steps,
            measured=True,
        ),
        Axis("laser_rin", "laser's relative intensity noise (rms)", "laser.rin_rms", _key("laser.rin_rms")),
    )
}
