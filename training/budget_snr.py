"""The axis `snr`: how little light gives a wanted signal-to-noise, from one calibration of the device."""

from __future__ import annotations

from math import hypot, sqrt
from typing import NamedTuple

from opu.errors import ConfigError
from opu.retrieval import Difference, Interferometry

from .budget_bench import Bench, Overrides

ROUNDING_DN2 = 1 / 12
LEAST_OF_LONGEST = 64
"""The exposure search goes this far below the longest: frames with the anchor need less than those without."""


class Projection(NamedTuple):
    """One projection of the device as it is: signal variance, mean electrons of a frame, noise variance over a frame's."""

    signal_e2: float
    mean_e: float
    noise_gain: float
    exposure_s: float


def snr_overrides(value: float, bench: Bench) -> Overrides:
    """Less light by a factor f, in a well and above a black level that fit it, so that rounding and clipping add nothing.

    With signal variance S, frames of n electrons on average, read noise r and a retrieval whose interference has F times a
    frame's variance: SNR^2 = f^2 S / (F (r^2 + f n)), solved for f. All outputs count alike, before the retrieval's gains.
    ConfigError for more than f = 1 gives.
    """
    read_e = float(bench.get("camera.read_noise_e"))
    signal_e2, mean_e, noise_gain, exposure_s = _projection(bench, read_e, float(bench.get("camera.gain")))
    wanted = value**2 * noise_gain
    # f^2 S - f wanted n - wanted r^2 = 0
    factor = wanted * mean_e + sqrt((wanted * mean_e) ** 2 + 4 * signal_e2 * wanted * read_e**2)
    factor /= 2 * signal_e2
    if factor > 1:
        most = sqrt(signal_e2 / (noise_gain * (read_e**2 + mean_e)))
        raise ConfigError(
            f"is more than this device's signal-to-noise of {most:.3g} per projection; sweep below it, or give it a "
            "larger full well or less read noise"
        )
    longest_s = factor * exposure_s
    keys: Overrides = {
        "camera.exposure_max_s": longest_s,
        "camera.exposure_min_s": min(float(bench.get("camera.exposure_min_s")), longest_s / LEAST_OF_LONGEST),
    }
    # Differences of pixels cancel in a projection, and still take their place in the range.
    dark_e = hypot(read_e, float(bench.get("camera.dsnu_e")) if bench.has("camera.dsnu_e") else 0.0)
    noise_e = sqrt(dark_e**2 + factor * mean_e)
    # Twelve noises and twelve means above a black level of five noises hold the speckle; a smaller well is left as it is.
    needed_e = 12 * (noise_e + factor * mean_e)
    if needed_e + 4 * dark_e < float(bench.get("camera.full_well_e")):
        gain = (2 ** int(bench.get("camera.bit_depth")) - 1) / (needed_e + 5 * noise_e)
        keys["camera.full_well_e"] = needed_e + 4 * dark_e
        keys["camera.black_level_dn"] = 5 * noise_e * gain
        if bench.get("camera.gain_dn_per_e") is not None:
            keys["camera.gain_dn_per_e"] = gain
    return keys


def _projection(bench: Bench, read_e: float, gain: float) -> Projection:
    calibration, retrieval, reference = bench.calibrated, bench.retrieval, bench.calibrated.reference
    rounded_e2 = read_e**2 + ROUNDING_DN2 / gain**2
    if isinstance(retrieval, Interferometry) and reference is not None and reference.snr > 0:
        # Half of the inputs that are on are in each frame of a pair.
        plain_e = reference.dn_per_input * calibration.fill * bench.n_inputs / 2 / gain
        reference_e = float(reference.reference_dn.mean()) / gain

        def mean_e(shown: Interferometry) -> float:
            # Of all retrievals, only the anchor's with four frames has some without their reference.
            return plain_e + reference_e * (0.5 if shown.kind == "anchor4" else 1.0)

        probe = retrieval.probe
        # The calibration's figure is a ratio of variances of its probe's interference; gains lead from it to any other's.
        signal_e2 = reference.snr * probe.noise_gain * (rounded_e2 + mean_e(probe))
        return Projection(signal_e2, mean_e(retrieval), retrieval.noise_gain, reference.acquisition.exposure_s)
    if isinstance(retrieval, Difference) and bench.snr:
        mean = calibration.intensity_dn_per_input * calibration.fill * bench.n_inputs / 2 / gain
        return Projection(bench.snr**2 * 2 * (rounded_e2 + mean), mean, 2.0, calibration.intensity.exposure_s)
    raise ConfigError(
        "cannot be set: the axis knows retrievals by a reference and the difference, on a device with noise; sweep a key of "
        "its camera or its light instead"
    )
