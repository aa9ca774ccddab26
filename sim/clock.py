"""Rates and energy: how long a frame takes, what sets that, what it costs, and how to take that long.

The stages of a frame overlap: while the camera exposes one, the one before is read out and sent, and the next pattern is
loaded. So the slowest stage alone sets the frame time:

=========== ========================================================== =============================================
stage       its time                                                   to shorten it
=========== ========================================================== =============================================
exposure    exposure_s + clock.gap_s                                   shorter exposure, more laser power
readout     camera.readout_s + clock.gap_s                             a faster camera, or fewer rows of it
panel       dmd.pattern_time_min_s                                     a faster panel
link        n_outputs, 1 byte each (2 above 8 bits) / link_bytes_per_s fewer outputs, a faster link
upload      a bit per mirror of the region's rows / upload_bytes_per_s a lower region of interest, a faster link
rate table  1 / published rate, in place of readout and panel          fewer inputs or outputs, another generation
=========== ========================================================== =============================================

Published rates of real devices stand for readout, panel and everything between them. Generation 2: 2 kHz at any size.
Generation 3, by the size that is still served: 145 k inputs and 81 k outputs 8 kHz, 290 k / 81 k 6.3 kHz, 583 k / 163 k
3.8 kHz, 1 M / 326 k 1.9 kHz, 1 M / 600 k 1 kHz, 1 M / 2 M 0.34 kHz. Energy is mains power times time, lit or not.

Time is counted in whole nanoseconds: sums of integers do not depend on how frames are batched, as sums of floats would.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from typing import Literal

from opu.errors import ConfigError

from .camera_settings import CameraSettings
from .clock_settings import ClockSettings
from .dmd_settings import DMDSettings

Stage = Literal["exposure", "readout", "panel", "link", "upload", "rate table"]

# (most inputs, most outputs, frames per second), as published. 1 M inputs is the reference panel of 912 x 1140 mirrors.
RATES_HZ: dict[str, tuple[tuple[float, float, float], ...]] = {
    "generation2": ((float("inf"), float("inf"), 2000.0),),
    "generation3": (
        (145_000, 81_000, 8000.0),
        (290_000, 81_000, 6300.0),
        (583_000, 163_000, 3800.0),
        (1_039_680, 326_000, 1900.0),
        (1_039_680, 600_000, 1000.0),
        (1_039_680, 2_000_000, 340.0),
    ),
}

REMEDIES: dict[Stage, str] = {
    "exposure": "exposure_s plus clock.gap_s; shorten the exposure",
    "readout": "camera.readout_s plus clock.gap_s; ask for a longer one",
    "panel": "dmd.pattern_time_min_s; ask for a longer one",
    "link": "the outputs' bytes over clock.link_bytes_per_s; read fewer outputs",
    "upload": "the pattern's bytes over clock.upload_bytes_per_s; use fewer rows of mirrors (dmd.roi)",
    "rate table": "the published rate for this size (clock.rates); use fewer inputs or outputs",
}

STALL_S = 0.1
"""A sleep that ends later than this was a stall of the computer, which later calls do not make up."""


@dataclass(frozen=True)
class FrameTime:
    """The shortest time of a frame, in seconds (whole nanoseconds), and the stage that sets it."""

    seconds: float
    limit: Stage

    def refusal(self, asked_s: float) -> str:
        """Why `asked_s` is too short, and what to do."""
        return (
            f"frame_time_s = {asked_s:g} s is shorter than {self.seconds:g} s, set by the {self.limit}: "
            f"{REMEDIES[self.limit]}, or pass None for the shortest"
        )


def to_ns(seconds: float) -> int:
    """Seconds to whole nanoseconds; exact for a float that came from `to_s` (up to 2^51 ns, 26 days)."""
    return round(seconds * 1e9)


def to_s(nanoseconds: int) -> float:
    """Nanoseconds to seconds."""
    return nanoseconds / 1e9


def frame_time(
    clock: ClockSettings, camera: CameraSettings, dmd: DMDSettings, exposure_s: float, n_inputs: int, n_outputs: int
) -> FrameTime:
    """The slowest of the pipelined stages. ConfigError if the size is beyond the published table.

    n_inputs: data inputs; n_outputs: all outputs of the device, not those of one shard.
    """
    stages: dict[Stage, float] = {"exposure": exposure_s + clock.gap_s}
    if clock.rates == "camera":
        stages |= {"readout": camera.readout_s + clock.gap_s, "panel": dmd.pattern_time_min_s}
    else:
        stages["rate table"] = 1 / published_rate_hz(clock.rates, n_inputs, n_outputs)
    if clock.link_bytes_per_s is not None:
        stages["link"] = n_outputs * (1 if camera.bit_depth <= 8 else 2) / clock.link_bytes_per_s
    if clock.upload_bytes_per_s is not None:
        stages["upload"] = dmd.region[3] * -(-dmd.columns // 8) / clock.upload_bytes_per_s
    limit = max(stages, key=stages.__getitem__)
    # A nanosecond's millionth forgives 450e-6 + 50e-6 for not being 500e-6.
    return FrameTime(to_s(ceil(stages[limit] * 1e9 - 1e-6)), limit)


def published_rate_hz(rates: str, n_inputs: int, n_outputs: int) -> float:
    """The highest published rate of a size; ConfigError beyond the table."""
    for most_inputs, most_outputs, rate_hz in RATES_HZ[rates]:
        if n_inputs <= most_inputs and n_outputs <= most_outputs:
            return rate_hz
    inputs, outputs, _ = RATES_HZ[rates][-1]
    raise ConfigError(
        f'clock.rates = "{rates}": {n_inputs} inputs and {n_outputs} outputs are beyond the published {inputs:,.0f} and '
        f'{outputs:,.0f}; use fewer, or clock.rates = "camera"'
    )


def joules(clock: ClockSettings, seconds: float) -> float:
    """Energy drawn from the mains in J."""
    return clock.power_w * seconds


class Pace:
    """Makes calls last as long as the device would take, without drift.

    Sleeping ends a little late every time; what is overslept is taken off the next call, so that many calls together last
    as long as the device takes, within one oversleep. Computing that takes longer than the device is not made up.
    """

    def __init__(
        self, now_s: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._now_s, self._sleep = now_s, sleep
        self._overslept_s = 0.0

    @contextmanager
    def lasting(self, seconds: float) -> Iterator[None]:
        """What is done inside lasts `seconds` at least; an exception leaves at once."""
        start_s = self._now_s()
        yield
        left_s = seconds - (self._now_s() - start_s)
        if left_s <= 0:
            return
        due_s = start_s + seconds - self._overslept_s
        if left_s <= self._overslept_s:
            self._overslept_s -= left_s
            return
        self._sleep(left_s - self._overslept_s)
        late_s = max(0.0, self._now_s() - due_s)
        self._overslept_s = late_s if late_s <= STALL_S else 0.0
