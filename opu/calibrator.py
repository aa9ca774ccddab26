"""The calibration procedure: dark frame, exposures, anchor reference, scale. Any device, no knowledge of its medium."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from opu.calibration import Calibration
from opu.device import Acquisition, Device, DeviceSpec
from opu.errors import CalibrationError, InputError
from opu.exposure import TARGET_LEVEL, auto_exposure, blanked, saturated_fraction
from opu.retrieval import Anchor, with_anchor

Bits = NDArray[np.bool_]

N_DARK = 16
N_ANCHOR = 64
N_LEAK = 8
MAX_SCALE_ERROR = 0.5
MAX_DARK_ROUNDS = 4
QUANTISATION_VARIANCE_DN2 = 1 / 12


def calibrate(device: Device, *, fill: float = 0.5, seed: int = 0) -> Calibration:
    """Measure everything an OPU needs, with random probes that switch on the fraction `fill` of the data inputs.

    `fill` should resemble the data: exposures are chosen for it, and brighter frames saturate. The device is open.
    Raises CalibrationError (too dark, too bright) and InputError (fill outside (0, 1]).
    """
    if not 0 < fill <= 1:
        raise InputError(f"fill = {fill:g}: the fraction of inputs on must lie in (0, 1]; 0.5 suits dense binary data")
    spec = device.spec
    rng = np.random.default_rng(seed)
    dark = _mean_frame(device, spec, Acquisition(spec.exposure_min_s, light=not spec.can_blank), N_DARK)
    probes = _random_frames(rng, spec, fill, _n_probes(spec, 4096, least=4))
    acquisition, readings, shown, dark = _exposed(
        device, with_anchor(probes, spec, False), dark, f"frames with {fill:.0%} of the inputs on"
    )
    off = _mean_frame(device, spec, acquisition, N_LEAK)
    partial = Calibration(
        response=spec.response,
        device=f"{spec.kind} {spec.model} {spec.serial}",
        fingerprint=spec.fingerprint,
        n_inputs=spec.n_inputs,
        created_utc=datetime.now(UTC).isoformat(timespec="seconds"),
        fill=fill,
        dark_dn=dark,
        intensity=acquisition,
        intensity_dn_per_input=_per_input(readings, off, probes),
        intensity_saturated=saturated_fraction(readings, spec.saturation_dn),
        frames_used=shown + N_DARK + N_LEAK,
    )
    return partial if spec.anchor_input is None else _with_anchor_reference(device, partial, rng)


def _exposed(
    device: Device, frames: Bits, dark: NDArray[np.float32], purpose: str
) -> tuple[Acquisition, NDArray[Any], int, NDArray[np.float32]]:
    """Exposure, readings, frames shown and the dark frame at that exposure, whose thermal electrons are not light."""
    spec, shown = device.spec, 0
    for _ in range(MAX_DARK_ROUNDS):
        assumed = float(dark.mean())
        acquisition, readings, more = auto_exposure(device, frames, assumed, purpose=purpose)
        shown += more
        if not spec.can_blank:
            break
        dark = _mean_frame(device, spec, blanked(acquisition), N_DARK)
        shown += N_DARK
        if abs(float(dark.mean()) - assumed) < 0.02 * TARGET_LEVEL * spec.saturation_dn:
            break
    return acquisition, readings, shown, dark


class _Signal(NamedTuple):
    power: float
    relative_error: float
    noise_dn2: float


def _with_anchor_reference(device: Device, partial: Calibration, rng: np.random.Generator) -> Calibration:
    spec, fill = device.spec, partial.fill
    anchored = with_anchor(_random_frames(rng, spec, fill, _n_probes(spec, 4096, least=4)), spec, True)
    acquisition, readings, shown, dark = _exposed(device, anchored, partial.dark_dn, "frames with the anchor on")
    device.configure(acquisition)
    nothing = np.zeros((N_ANCHOR, spec.n_data_inputs), dtype=np.bool_)
    anchor = device.measure(with_anchor(nothing, spec, True)).mean(axis=0, dtype=np.float64) - dark
    off = _mean_frame(device, spec, acquisition, N_LEAK)

    positive, negative = _signed_probes(rng, spec, fill, _n_probes(spec, 16384, least=8, most=64))
    four = Anchor(4)
    first, second = (
        device.measure(four.frames(positive, negative, spec).reshape(-1, spec.n_inputs)).reshape(
            len(positive), 4, spec.n_outputs
        )
        for _ in range(2)
    )
    n_on = positive.sum(axis=1) + negative.sum(axis=1)
    signal = _signal(first, second, anchor, n_on)
    if not signal.power > 0 or signal.relative_error > MAX_SCALE_ERROR:
        raise CalibrationError(
            f"{spec.kind} device {spec.serial!r}: projections cannot be told from noise (signal {signal.power:.2g} DN per "
            f"input, known to {abs(signal.relative_error):.0%}, noise {signal.noise_dn2**0.5:.2g} DN per difference): give "
            f"the data more of the light (anchor share is {spec.anchor_share:.1%}), use fewer inputs, or a better camera"
        )
    scale = float(np.sqrt(signal.power))
    signal_dn = signal.power * float(n_on.mean())
    return Calibration(
        **{
            **partial.__dict__,
            "linear": acquisition,
            "linear_dn_per_input": _per_input(
                np.concatenate([first[:, 2], first[:, 3]]), off, np.concatenate([positive, negative])
            ),
            "linear_saturated": saturated_fraction(readings, spec.saturation_dn),
            "anchor_dn": anchor.astype(np.float32),
            # A row's gain 1/sqrt(R) is worth having while its signal R * signal_dn exceeds its noise, and while R is
            # the anchor's own light: the mirrors' leak adds a field of its own, and may nearly cancel the anchor's.
            "anchor_floor_dn": max(signal.noise_dn2 / signal_dn, float(off.mean() - dark.mean())),
            "scale": scale,
            "scale_relative_error": signal.relative_error,
            "snr": signal_dn * float(anchor.mean()) / signal.noise_dn2,
            "frames_used": partial.frames_used + shown + N_ANCHOR + N_LEAK + 2 * 4 * len(positive),
        }
    )


def _signal(first: NDArray[Any], second: NDArray[Any], anchor: NDArray[np.float64], n_on: NDArray[Any]) -> _Signal:
    """Power per input of difference / sqrt(anchor), from two measurements of the same probes, whose noise is independent.

    Only rows with a bright anchor are used: the anchor's intensity is independent of B, so this does not bias it.
    """
    differences = [
        (reading[:, 0].astype(np.float64) - reading[:, 1]) - (reading[:, 2].astype(np.float64) - reading[:, 3])
        for reading in (first, second)
    ]
    noise = float(np.mean((differences[0] - differences[1]) ** 2)) / 2
    bright = anchor >= min(0.25 * anchor.mean(), anchor.max())
    product = differences[0][:, bright] * differences[1][:, bright] / anchor[bright]
    per_row = product.sum(axis=0) / n_on.sum()
    power = float(per_row.mean())
    n_rows = int(bright.sum())
    # Rows are independent; within a row the probes share one B, so rows are what is counted.
    spread = float(per_row.std(ddof=1)) / np.sqrt(n_rows) if n_rows > 1 else power
    return _Signal(power, 0.5 * spread / power, max(noise, 4 * QUANTISATION_VARIANCE_DN2))


def _n_probes(spec: DeviceSpec, readings: int, least: int, most: int = 256) -> int:
    return int(np.clip(-(-readings // spec.n_outputs), least, most))


def _random_frames(rng: np.random.Generator, spec: DeviceSpec, fill: float, n: int) -> Bits:
    """Exactly round(fill * inputs) inputs on in each frame, at least one."""
    on = max(1, round(fill * spec.n_data_inputs))
    frames = np.zeros((n, spec.n_data_inputs), dtype=np.bool_)
    for frame in frames:
        frame[rng.choice(spec.n_data_inputs, on, replace=False, shuffle=False)] = True
    return frames


def _signed_probes(rng: np.random.Generator, spec: DeviceSpec, fill: float, n: int) -> tuple[Bits, Bits]:
    on = _random_frames(rng, spec, fill, n)
    plus = rng.integers(0, 2, on.shape, dtype=np.uint8).view(np.bool_)
    return on & plus, on & ~plus


def _mean_frame(device: Device, spec: DeviceSpec, acquisition: Acquisition, n: int) -> NDArray[np.float32]:
    """Mean reading with every mirror off."""
    device.configure(acquisition)
    readings = device.measure(np.zeros((n, spec.n_inputs), dtype=np.bool_))
    mean: NDArray[np.float64] = readings.mean(axis=0, dtype=np.float64)
    return mean.astype(np.float32)


def _per_input(readings: NDArray[Any], off: NDArray[np.float32], frames: Bits) -> float:
    """Mean reading that one more input adds: (frames - all off) / inputs on."""
    return float(readings.mean(dtype=np.float64) - off.mean(dtype=np.float64)) * len(frames) / int(frames.sum())
