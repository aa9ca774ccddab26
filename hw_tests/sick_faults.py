"""What the sick devices of the catalogue do: each a function of what would have been and of the fault's state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opu.device import Acquisition, DeviceSpec, DeviceStatus

from .sick_device import Bits, State


def dark(acquisition: Acquisition, state: State) -> Acquisition:
    """Light is never let out."""
    return replace(acquisition, light=False)


def always_lit(acquisition: Acquisition, state: State) -> Acquisition:
    """Blanking does nothing."""
    return replace(acquisition, light=True)


def milliseconds(acquisition: Acquisition, state: State) -> Acquisition:
    """Asked for seconds, the camera takes the number for milliseconds, within its limits."""
    spec = state.spec
    return replace(
        acquisition,
        exposure_s=float(np.clip(acquisition.exposure_s * 1e-3, spec.exposure_min_s, spec.exposure_max_s)),
        frame_time_s=None,
    )


def bit_stuck(readings: NDArray[Any], state: State) -> NDArray[Any]:
    """Bit 3 is 1."""
    return np.asarray(readings | readings.dtype.type(1 << 3))


def six_bits(readings: NDArray[Any], state: State) -> NDArray[Any]:
    """Two bits fewer than told."""
    return readings >> 2


def coarse(readings: NDArray[Any], state: State) -> NDArray[Any]:
    """The lowest two bits are 0."""
    return readings >> 2 << 2


def swapped(readings: NDArray[Any], state: State) -> NDArray[Any]:
    """High byte and low byte change places."""
    return readings.byteswap()


def shifted(readings: NDArray[Any], state: State) -> NDArray[Any]:
    """Each output gives the one before."""
    return np.roll(readings, 1, axis=1)


def after_last(readings: NDArray[Any], state: State) -> NDArray[Any]:
    """The reading of the call before, then those of this one."""
    before = readings[:1] if state.last is None else state.last
    state.last = readings[-1:].copy()
    return np.concatenate([before, readings])


def duplicated(readings: NDArray[Any], state: State) -> NDArray[Any]:
    """3 % of frames read as the one before."""
    chain = after_last(readings, state)
    old = state.rng.random(len(readings)) < 0.03
    return np.where(old[:, None], chain[:-1], chain[1:])


def trigger_lost(readings: NDArray[Any], state: State) -> NDArray[Any]:
    """From the 40th frame after configure() on, one behind."""
    chain = after_last(readings, state)
    late = state.since + np.arange(len(readings)) >= 40
    return np.where(late[:, None], chain[:-1], chain[1:])


def leak(readings: NDArray[Any], state: State) -> NDArray[Any]:
    """One frame in fifty is never delivered: the next stands in its place, once."""
    ahead = np.concatenate([readings[1:], readings[-1:]])
    gone = state.rng.random(len(readings)) < 0.02
    return np.where(gone[:, None], ahead, readings)


def dead_column(readings: NDArray[Any], state: State) -> NDArray[Any]:
    """One output in sixteen, neighbours, is dark."""
    out = readings.copy()
    n = out.shape[1]
    out[:, 3 * n // 16 : n // 4] = readings.min()
    return out


def stuck_outputs(readings: NDArray[Any], state: State) -> NDArray[Any]:
    """One output in sixteen reads a third of the range."""
    out = readings.copy()
    out[:, ::16] = state.spec.saturation_dn // 3
    return out


def frozen(frames: Bits, state: State) -> Bits:
    """Whatever is asked for, one pattern is shown."""
    out = np.zeros_like(frames)
    out[:, : frames.shape[1] // 2] = True
    return out & frames.any(axis=1, keepdims=True)


def dead_cable(frames: Bits, state: State) -> Bits:
    """A cable of eight inputs is off."""
    out = frames.copy()
    out[:, 8:16] = False
    return out


def of_data(frames: Bits, state: State, change: Callable[[Bits], Bits]) -> Bits:
    """The data inputs changed; the anchor stays in its place."""
    where = state.spec.anchor_input
    if where is None:
        return change(frames)
    return np.insert(change(np.delete(frames, where, axis=1)), where, frames[:, where], axis=1)


def neighbours(frames: Bits, state: State) -> Bits:
    """Every input switches the next on too."""
    return of_data(frames, state, lambda data: np.asarray(data | np.roll(data, 1, axis=1)))


def inputs_shifted(frames: Bits, state: State) -> Bits:
    """Every pattern lies two inputs further."""
    return of_data(frames, state, lambda data: np.roll(data, 2, axis=1))


def backwards(packed: NDArray[np.uint8], state: State) -> NDArray[np.uint8]:
    """Least significant bit first."""
    bits = np.unpackbits(packed, axis=1, bitorder="little")
    bits[:, state.spec.n_inputs :] = 0
    return np.packbits(bits, axis=1)


def blurred(readings: NDArray[Any], state: State) -> NDArray[Any]:
    """Every second output sees its neighbour's speckle as much as its own."""
    out = readings.astype(np.float64)
    mean = (out[:, 0::2][:, : out.shape[1] // 2] + out[:, 1::2]) / 2
    out[:, 0 : 2 * mean.shape[1] : 2] = mean
    out[:, 1::2] = mean
    return np.rint(out)


def brighter(readings: NDArray[Any], state: State) -> NDArray[Any]:
    """A fifth more DN for every electron."""
    return np.minimum(np.rint(readings * 1.2), state.spec.saturation_dn)


def flicker(readings: NDArray[Any], state: State) -> NDArray[Any]:
    """Noise in proportion to the light, as gamma or gain control makes it."""
    black = float(readings.min())
    noise = 1 + 0.2 * state.rng.standard_normal(readings.shape)
    return np.clip(np.rint(black + (readings - black) * noise), 0, state.spec.saturation_dn)


def noisy(readings: NDArray[Any], state: State) -> NDArray[Any]:
    """Interference far above the speckle."""
    top = state.spec.saturation_dn
    return np.clip(np.rint(readings / 4 + 0.2 * top + state.rng.normal(0, 0.2 * top, readings.shape)), 0, top)


def hot(readings: NDArray[Any], state: State) -> NDArray[Any]:
    """One output in twenty glows, in proportion to the exposure."""
    out = readings.astype(np.int64)
    exposure = state.acquisition.exposure_s if state.acquisition else 0.0
    out[:, 7::20] += int(200 * exposure / state.spec.exposure_max_s)
    return np.minimum(out, state.spec.saturation_dn)


def unsteady(readings: NDArray[Any], state: State) -> NDArray[Any]:
    """The light swings between all and half, a thousand frames there and back."""
    phase = (state.shown + np.arange(len(readings)))[:, None] / 1000 % 1
    black = float(readings.min())
    return np.rint(black + (readings - black) * (0.5 + np.abs(phase - 0.5)))


def interlock(status: DeviceStatus, state: State) -> DeviceStatus:
    """The interlock is said to be open."""
    return replace(status, interlock="open")


def miscounts(status: DeviceStatus, state: State) -> DeviceStatus:
    """Every second frame is counted."""
    return replace(status, frames_shown=status.frames_shown // 2)


def slow_clock(status: DeviceStatus, state: State) -> DeviceStatus:
    """Everything takes four times as long."""
    return replace(status, device_seconds=4 * status.device_seconds)


def glows(status: DeviceStatus, state: State) -> DeviceStatus:
    """The light is said to be on."""
    return replace(status, light_on=True)


def drops(status: DeviceStatus, state: State) -> DeviceStatus:
    """One frame in twenty is said to be dropped."""
    return replace(status, frames_dropped=status.frames_shown // 20)


def other_serial(spec: DeviceSpec) -> DeviceSpec:
    """The serial of another device."""
    return replace(spec, serial=spec.serial + "-b")


def other_fingerprint(spec: DeviceSpec) -> DeviceSpec:
    """The fingerprint of another medium."""
    return replace(spec, fingerprint="0" * 16)
