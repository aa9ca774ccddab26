"""The calibration procedure: dark frame, exposures, anchor reference, scale. Any device, no knowledge of its medium."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from opu.anchor import with_anchor
from opu.calibration import Calibration
from opu.device import Acquisition, Device, DeviceSpec
from opu.errors import CalibrationError, CapabilityError, InputError
from opu.exposure import TARGET_LEVEL, auto_exposure, blanked, saturated_fraction
from opu.reference import Reference
from opu.retrieval import Interferometry, Retrieval, default_retrieval

Bits = NDArray[np.bool_]

N_DARK = 16
N_REFERENCE = 64
N_LEAK = 8
BRIGHT_TAIL, MOST_LEVEL = 0.9997, 0.7
MAX_SCALE_ERROR = 0.5
MOST_PROBES, MOST_PROBED_ROWS = 2**12, 2**22
"""Probes shown at most, and rows read of them, to find a signal under noise: one of 1/40 of the noise is then found."""
MAX_DARK_ROUNDS = 4
QUANTISATION_VARIANCE_DN2 = 1 / 12


def calibrate(device: Device, *, fill: float = 0.5, seed: int = 0, retrieval: Retrieval | None = None) -> Calibration:
    """Measure what an OPU with that retrieval (None: the device's default) needs.

    Random probes switch on the fraction `fill` of the data inputs: it should resemble the data, since exposures are
    chosen for it and brighter frames saturate. The device is open.
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
    chosen = default_retrieval(spec) if retrieval is None else retrieval
    if not isinstance(chosen, Interferometry):
        return partial
    try:
        chosen.check(spec)
    except CapabilityError:
        if retrieval is not None and spec.anchor_input is not None:
            raise
        return partial
    return _with_reference(device, partial, chosen.probe, rng)


def _exposed(
    device: Device, frames: Bits, dark: NDArray[np.float32], purpose: str, reference_rad: tuple[float, ...] = ()
) -> tuple[Acquisition, NDArray[Any], int, NDArray[np.float32]]:
    """Exposure, readings, frames shown and the dark frame at that exposure, whose thermal electrons are not light."""
    spec, shown, level = device.spec, 0, None
    for _ in range(MAX_DARK_ROUNDS):
        assumed = float(dark.mean())
        acquisition, readings, more = auto_exposure(device, frames, assumed, level, purpose, reference_rad)
        shown += more
        if reference_rad and level is None:
            # A strong even reference is no speckle: its bright tail is short, and more of the range can be used.
            light = readings - assumed
            level = float(np.clip(light.mean() / np.quantile(light, BRIGHT_TAIL), TARGET_LEVEL, MOST_LEVEL))
            acquisition, readings, more = auto_exposure(device, frames, assumed, level, purpose, reference_rad)
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


def _with_reference(
    device: Device, partial: Calibration, probe: Interferometry, rng: np.random.Generator
) -> Calibration:
    """The reference alone, then random signed probes shown twice, whose noise is independent."""
    spec, fill = device.spec, partial.fill
    probes = _random_frames(rng, spec, fill, _n_probes(spec, 4096, least=4))
    # The first frames of a plane are x+ with the reference, under each of its phases.
    bright = probe.frames(probes, probes, spec)[:, : max(1, len(probe.reference_rad))]
    acquisition, readings, shown, dark = _exposed(
        device,
        bright.reshape(-1, spec.n_inputs),
        partial.dark_dn,
        f"frames of {probe.kind}, with the reference on",
        probe.reference_rad,
    )
    alone = probe.reference_frames(N_REFERENCE, probes, spec)
    device.configure(acquisition)
    reference_dn = probe.reference_dn(device.measure(alone).mean(axis=0, dtype=np.float64) - dark, spec)
    off = _mean_frame(device, spec, replace(acquisition, reference_rad=()), N_LEAK)

    device.configure(acquisition)
    n_probes, probed = _n_probes(spec, 16384, least=8, most=64), 0
    while True:
        positive, negative = _signed_probes(rng, spec, fill, n_probes)
        probes = probe.frames(positive, negative, spec).reshape(-1, spec.n_inputs)
        first, second = (
            probe.interference(device.measure(probes).reshape(len(positive), -1, spec.n_outputs), spec)
            for _ in range(2)
        )
        probed += 2 * len(probes)
        n_on = positive.sum(axis=1) + negative.sum(axis=1)
        signal = _signal(first, second, reference_dn, n_on, probe.noise_gain)
        known = signal.power > 0 and signal.relative_error <= MAX_SCALE_ERROR / 2
        if known or n_probes >= min(MOST_PROBES, MOST_PROBED_ROWS // spec.n_outputs):
            break
        n_probes = min(4 * n_probes, MOST_PROBES)  # under noise, more probes are what tells the signal from it
    if not signal.power > 0 or signal.relative_error > MAX_SCALE_ERROR:
        raise CalibrationError(
            f"{spec.kind} device {spec.serial!r}: projections cannot be told from noise (signal {signal.power:.2g} DN per "
            f"input, known to {abs(signal.relative_error):.0%}, noise {signal.noise_dn2**0.5:.2g} DN per difference): give "
            f"the data more of the light (anchor share is {spec.anchor_share:.1%}), use fewer inputs, or a better camera"
        )
    signal_dn = signal.power * float(n_on.mean())
    reference = Reference(
        probe=probe.kind,
        acquisition=acquisition,
        # E interference^2 = signal_gain * reference * signal light, which is what one more input adds to a reading.
        dn_per_input=signal.power / probe.signal_gain(spec),
        saturated=saturated_fraction(readings, spec.saturation_dn),
        reference_dn=reference_dn.astype(np.float32),
        # A row's gain 1/sqrt(R) is worth having while its signal R * signal_dn exceeds its noise, and while R is
        # the reference's own light: the mirrors' leak adds a field of its own, and may nearly cancel the anchor's.
        floor_dn=max(signal.noise_dn2 / signal_dn, float(off.mean() - dark.mean())),
        scale=float(np.sqrt(signal.power)),
        scale_relative_error=signal.relative_error,
        snr=signal_dn * float(reference_dn.mean()) / signal.noise_dn2,
    )
    frames = shown + len(alone) + N_LEAK + probed
    return replace(partial, reference=reference, frames_used=partial.frames_used + frames)


def _signal(
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    reference: NDArray[np.float64],
    n_on: NDArray[Any],
    noise_gain: float,
) -> _Signal:
    """Power per input of interference / sqrt(reference), from two measurements of the same probes, whose noise is independent.

    Only rows with a bright reference are used: its intensity is independent of B, so this does not bias it.
    """
    noise = float(np.mean((first.astype(np.float64) - second) ** 2)) / 2
    bright = reference >= min(0.25 * reference.mean(), reference.max())
    product = first[:, bright].astype(np.float64) * second[:, bright] / reference[bright]
    per_row = product.sum(axis=0) / n_on.sum()
    power = float(per_row.mean())
    n_rows = int(bright.sum())
    # Rows are independent; within a row the probes share one B, so rows are what is counted.
    spread = float(per_row.std(ddof=1)) / np.sqrt(n_rows) if n_rows > 1 else power
    relative_error = float(0.5 * spread / power) if power else float("inf")
    return _Signal(power, relative_error, max(noise, noise_gain * QUANTISATION_VARIANCE_DN2))


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
