"""Photon transfer: temporal variance against mean. Its slope is the gain, its intercept the read noise (EMVA 1288, 6.6).

Speckle spreads the levels, so a few exposures of fixed random patterns cover the range. In each group of four frames of
one pattern the first says which bin an output belongs to, the inner two its mean and variance there: noise that chose
the bin is not measured in it. Common-mode flicker of the laser is taken out of the inner pair, and measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from opu.device import Acquisition
from opu.exposure import TARGET_LEVEL

from .bench import Bench, Floats
from .dark import Dark
from .quantity import Quantity, jackknife, quantity, unmeasured
from .rounding import rounded_variance, unrounded_variance, unrounding_slope

LEVELS = (1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2)
READINGS_PER_LEVEL = 2**16
N_BINS = 40
MIN_BIN_BLOCKS = 12
MARGIN_SIGMAS = 6.0
JUMP_SIGMAS = 4.0
N_FOLDS = 16
N_TERMS = 5
DITHER_DN = 0.45


@dataclass(frozen=True)
class PhotonTransfer:
    """variance = gain * mean + (gain * read noise)^2 + quantisation, in DN.

    rin_rms: frame-to-frame relative fluctuation of all outputs together. fixed_pattern_e: of the dark level over outputs.
    dark_noise_dn: read noise in DN. mean_dn, variance_dn2, variance_error_dn2, fitted_dn2: the curve, dark level removed,
    rounding undone, drift removed.
    """

    gain_dn_per_e: Quantity
    read_noise_e: Quantity
    fixed_pattern_e: Quantity
    rin_rms: Quantity
    dark_noise_dn: Quantity
    mean_dn: Floats
    variance_dn2: Floats
    variance_error_dn2: Floats
    fitted_dn2: Floats


class TransferReadings(NamedTuple):
    """Sums over bins of level: by block of outputs, and by fold of patterns; N_TERMS each (see _group_sums).

    black_dn: the level that means count from. rin_rms: see PhotonTransfer. drifts: see measure_photon_transfer.
    """

    blocks: NDArray[np.float64]
    folds: NDArray[np.float64]
    black_dn: float
    rin_rms: Quantity
    drifts: bool


def measure_photon_transfer(
    bench: Bench, acquisition: Acquisition, dark: Dark, drifts: bool = False
) -> TransferReadings:
    """acquisition: mean level 1/8 of the range at half of the inputs on. drifts: the medium was seen to move.

    Drift adds (1 - rho^2) I <I> to half a squared difference of successive frames: a third term of the fit, which the
    ladder of exposures tells from shot noise. Pairs in which the medium jumped are left out.
    """
    n_patterns = int(np.clip(READINGS_PER_LEVEL // len(bench.outputs), 8 if bench.quick else 16, 256))
    exposures = sorted({bench.exposure(acquisition.exposure_s * level / TARGET_LEVEL).exposure_s for level in LEVELS})
    black = dark.black_dn.value or 0.0
    span = bench.spec.saturation_dn - black
    edges = np.unique(np.rint(black + np.geomspace(1.0, span, N_BINS))) + 0.5
    blocks = np.zeros((int(bench.block_of_output.max()) + 1, len(edges) + 1, N_TERMS))
    folds = np.zeros((N_FOLDS, len(edges) + 1, N_TERMS))
    flicker, calm_ratio = [], np.inf
    for i, exposure_s in enumerate(exposures):
        frames = bench.frames(bench.patterns(n_patterns, purpose=100 + i))
        shown = bench.show(np.repeat(frames, 4, axis=0), bench.exposure(exposure_s))
        frame_time_s = (bench.device.status().acquisition or acquisition).frame_time_s or 0.0
        groups = [
            _group_sums(bench, group, edges, black, frame_time_s)
            for group in shown.reshape(n_patterns, 4, -1).astype(np.float64)
        ]
        flicker += [sample for _, samples in groups for sample in samples]
        chosen = np.ones(len(groups), dtype=np.bool_)
        if drifts:
            chosen, calm_ratio = _calm([sums for sums, _ in groups], len(bench.outputs), calm_ratio)
        for j in np.flatnonzero(chosen):
            blocks += groups[j][0]
            folds[j % N_FOLDS] += groups[j][0].sum(axis=0)
    usable = _usable(bench, blocks, black)
    return TransferReadings(blocks[:, usable], folds[:, usable], black, _flicker(np.array(flicker)), drifts)


def fit_photon_transfer(readings: TransferReadings, dark: Dark) -> PhotonTransfer:
    """The straight line. The dark level may have become better known since the readings were taken."""
    shift = (dark.black_dn.value or 0.0) - readings.black_dn
    parts = [sums.copy() for sums in (readings.blocks, readings.folds)]
    for sums in parts:
        sums[..., 1] -= shift * sums[..., 0]
    point = _dark_point(dark)
    return _result([_Line(sums, point, readings.drifts) for sums in parts], dark, readings.rin_rms)


def _calm(groups: list[NDArray[np.float64]], n_outputs: int, before: float) -> tuple[NDArray[np.bool_], float]:
    """Which groups hold no jump of the medium, by their variance per light; and that ratio, for the next exposure.

    before: the ratio at the exposure before this. Noise per light falls with the level, so a group above it by many standard
    deviations, or above the lowest tenth of its like, has moved; an exposure without a clear group of others is left out.
    """
    total = np.array([sums.sum(axis=(0, 1)) for sums in groups])
    ratio = total[:, 2] / np.maximum(total[:, 1], 1e-9)
    # Half squared differences of exponential speckle: relative variance 4 / n, and 1 / n of the light itself.
    spread = (5 / n_outputs) ** 0.5
    low = min(float(np.quantile(ratio, 0.1)) * (1 + 1.3 * spread), before)
    calm = ratio < low * (1 + JUMP_SIGMAS * spread)
    if not calm.any() or float(np.median(ratio[calm])) > low * (1 + 2 * spread):
        return np.zeros(len(groups), dtype=np.bool_), low
    return np.asarray(calm), low


def _group_sums(
    bench: Bench, group: Floats, edges: Floats, black: float, frame_time_s: float
) -> tuple[NDArray[np.float64], list[tuple[float, float]]]:
    """Sums by block and bin of (1, mean, half squared difference, frame time I <I>, clipped), and two flicker samples."""
    outer, inner = group[[0, 3]].mean(axis=0), group[[1, 2]].mean(axis=0)
    light = np.maximum(outer - black, 0.0)
    clipped = (group >= bench.spec.saturation_dn).any(axis=0)
    total = max(float(light[~clipped].sum()), 1e-9)
    differences = group[1] - group[2], group[0] - group[3]
    samples = []
    for difference in differences:
        common = float(difference[~clipped].sum()) / total
        rest = float(np.sum((difference[~clipped] - common * light[~clipped]) ** 2))
        samples.append((common**2 / 2, rest / 2 / total**2))
    common = float(differences[0][~clipped].sum()) / total
    # Taking the common mode out also takes its share of each output's own noise, light / total of it.
    half_square = 0.5 * (differences[0] - common * light) ** 2 / np.maximum(1 - light / total, 0.5)
    # One frame chooses, not a mean: bins are then whole codes, even about a code, and what rounding does to variance
    # averages out over them although the speckle's density slopes.
    bins = np.digitize(group[0], edges)
    n_bins, n_blocks = len(edges) + 1, int(bench.block_of_output.max()) + 1
    cell = bench.block_of_output * n_bins + bins
    # Clipped at the time of the inner pair alone counts here: the outer pair has chosen the bin.
    clipped_inner = ((group[1:3] >= bench.spec.saturation_dn) | (group[1:3] <= 0)).any(axis=0)
    terms = (
        np.ones_like(inner),
        inner - black,
        half_square,
        frame_time_s * (inner - black) * float((inner - black).mean()),
        clipped_inner.astype(np.float64),
    )
    rows = [np.bincount(cell, term, minlength=n_blocks * n_bins).reshape(n_blocks, n_bins) for term in terms]
    return np.stack(rows, axis=-1), samples


def _usable(bench: Bench, blocks: NDArray[np.float64], black: float) -> NDArray[np.bool_]:
    """Bins that most blocks share, with no clipped reading, a code or more from the dark and six sigmas from saturation."""
    total = blocks.sum(axis=0)
    n = np.maximum(total[:, 0], 1.0)
    top = black + total[:, 1] / n + MARGIN_SIGMAS * np.sqrt(np.maximum(total[:, 2] / n, 0.0))
    shared = np.count_nonzero(blocks[:, :, 0], axis=0) >= min(MIN_BIN_BLOCKS, len(blocks))
    inside = np.ones(len(n), dtype=np.bool_)
    inside[[0, -1]] = False
    return np.asarray(inside & shared & (total[:, 4] == 0) & (top < bench.spec.saturation_dn))


def _dark_point(dark: Dark) -> tuple[float, float] | None:
    """(pair variance, its error) at no light, where noise or the fixed pattern spreads the level over codes."""
    stack = dark.stacks[0]
    spread, variance = stack.spread_dn.value, stack.pair_variance_dn2
    clipped = stack.first_code <= 0 and stack.histogram[0] > 0
    if not dark.blanked or spread is None or spread < DITHER_DN or variance.value is None or clipped:
        return None
    return variance.value, max(variance.standard_error or 0.0, 1e-12)


@dataclass(frozen=True)
class _Line:
    """The straight line through the bins. parts: sums over bins, by parts that are independent of one another.

    dark: (variance, error) of a point at no light, if any. drifts: whether a term for the medium's drift is fitted.
    """

    parts: NDArray[np.float64]
    dark: tuple[float, float] | None
    drifts: bool

    def points(self, total: NDArray[np.float64]) -> tuple[Floats, Floats, Floats, Floats]:
        """Mean, variance with the rounding undone, drift's regressor, and readings of each bin."""
        n = np.maximum(total[:, 0], 1.0)
        return total[:, 1] / n, unrounded_variance(total[:, 2] / n), total[:, 3] / n, total[:, 0]

    def fit(self, total: NDArray[np.float64]) -> Floats:
        """(intercept DN^2, gain DN/e, drift 1/s), weighted by what the law itself says of each bin's variance."""
        mean, variance, drift, n = self.points(total)
        if len(mean) < 4:
            return np.full(3, np.nan)
        columns = [np.ones_like(mean), mean, drift][: 3 if self.drifts else 2]
        design = np.stack(columns, axis=1)
        if self.dark is not None:
            design = np.vstack([design, np.eye(1, design.shape[1])])
            variance = np.append(variance, unrounded_variance(self.dark[0]))
        law = np.maximum(variance[: len(mean)], 1e-4)
        fit = np.zeros(3)
        for _ in range(5):
            weight = np.sqrt(n / 2) / rounded_variance(law) * unrounding_slope(law)
            if self.dark is not None:
                weight = np.append(weight, unrounding_slope(max(fit[0], 1e-4)) / self.dark[1])
            fit[: len(columns)] = np.linalg.lstsq(design * weight[:, None], variance * weight, rcond=None)[0]
            law = np.maximum(design[: len(mean)] @ fit[: len(columns)], 1e-4)
        return fit

    def electrons(self, total: NDArray[np.float64]) -> Floats:
        """(intercept DN^2, gain DN/e, read noise squared e^2)."""
        intercept, gain, _ = self.fit(total)
        return np.array([intercept, gain, intercept / gain**2 if gain else np.nan])


def _flicker(samples: Floats) -> Quantity:
    """rms of the common factor: mean of (half squared relative difference of frame sums) - (its share of own noise)."""
    excess = samples[:, 0] - samples[:, 1]
    mean, error = float(excess.mean()), float(excess.std(ddof=1) / np.sqrt(len(excess)))
    if mean > 3 * error:
        return Quantity(mean**0.5, error / (2 * mean**0.5), "", note="frame to frame, all outputs together")
    return Quantity(max(mean + 1.645 * error, 0.0) ** 0.5, None, "", "upper", "none seen; 95 % confidence")


def _result(lines: list[_Line], dark: Dark, rin_rms: Quantity) -> PhotonTransfer:
    """lines: the same readings in parts by outputs, and by patterns; whichever scatters more gives the errors."""
    line = lines[0]
    total = line.parts.sum(axis=0)
    both = [jackknife(each.parts, each.electrons) for each in lines]
    (intercept, gain, power), error = both[0][0], np.maximum(both[0][1], both[1][1])
    mean, variance, drift, n = line.points(total)
    fit = line.fit(total)
    variance = variance - fit[2] * drift
    curve = mean, variance, np.sqrt(2 / np.maximum(n, 1)) * np.maximum(variance, 0.0), intercept + gain * mean
    # An error of the dark level moves every mean alike: the intercept by gain times that.
    shift = gain * (dark.black_dn.standard_error or 0.0)
    intercept_error = float(np.hypot(error[0], shift))
    noise_dn = _root(intercept, intercept_error, "DN")
    if not gain > 4 * error[1]:
        note = "variance does not grow with light: no shot noise to count electrons by"
        if line.drifts:
            note = "the medium drifts so fast that shot noise is lost in what moves between two frames"
        none = unmeasured("e", note)
        return PhotonTransfer(unmeasured("DN/e", note), none, none, rin_rms, noise_dn, *curve)
    power_error = float(np.hypot(error[2], shift / gain**2))
    if line.dark is not None:
        power_error = float(np.hypot(power_error, line.dark[1] / gain**2))
    return PhotonTransfer(
        Quantity(float(gain), float(error[1]), "DN/e"),
        _root(power, power_error, "e"),
        _fixed_pattern(dark, float(intercept), intercept_error, float(gain)),
        rin_rms,
        noise_dn,
        *curve,
    )


def _root(power: float, error: float, unit: str) -> Quantity:
    """An rms from its square; an upper bound where that is lost in its error."""
    if power > 3 * error:
        return Quantity(float(power**0.5), error / (2 * float(power**0.5)), unit)
    upper = float(max(power + 1.645 * error, 0.0) ** 0.5)
    return Quantity(upper, None, unit, "upper", "lost under shot noise and quantisation; 95 % confidence")


def _fixed_pattern(dark: Dark, intercept: float, intercept_error: float, gain: float) -> Quantity:
    """Spread of the dark level over outputs: dark frames' total spread less their temporal noise, rounding undone."""
    stack = dark.stacks[0]
    spread, covariance = stack.spread_dn, stack.covariance_dn2
    if spread.value is None or not dark.blanked:
        return unmeasured("e", spread.note or dark.black_dn.note)
    if spread.value > 1.0 and covariance.value is not None:
        variance, error = covariance.value, covariance.standard_error or 0.0
    else:
        variance = spread.value**2 - intercept
        error = float(np.hypot(2 * spread.value * (spread.standard_error or 0.0), intercept_error))
    if variance > 3 * error:
        return quantity(variance**0.5 / gain, error / (2 * variance**0.5) / gain, "e")
    upper = max(variance + 1.645 * error, 0.0) ** 0.5 / gain
    return Quantity(upper, None, "e", "upper", "none seen; 95 % confidence")
