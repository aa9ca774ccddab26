"""The pictures of a report, as PNG bytes. No pyplot, no global state; matplotlib is imported when one is drawn."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from opu.errors import OPUError

from .characterize import Characterization

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INK, _BLUE, _ORANGE = "#333333", "#0072B2", "#D55E00"
WIDTH_IN, HEIGHT_IN, DPI = 5.6, 3.6, 110


def need_matplotlib() -> Any:
    """The Figure class; OPUError naming the extra where matplotlib is missing."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise OPUError("the report needs matplotlib, which is not installed: pip install 'openopu[train]'") from error
    return Figure


def plots(result: Characterization) -> list[tuple[str, bytes]]:
    """(caption, PNG) of every picture that the measurements can fill."""
    drawn: list[tuple[str, Callable[[Axes], None], bool]] = [
        ("Photon transfer: the slope is the gain, the intercept the read noise", _photon_transfer(result), True),
        ("Dark readings, laser blanked", _dark(result), True),
        ("Speckle intensity over its mean; line: the exponential law", _speckle(result), True),
        ("Correlation of the same pattern with itself, later", _repeatability(result), True),
        ("Signal-to-noise of one reading, output by output", _signal_to_noise(result), True),
        ("Kernel of the readings against its closed form", _kernel(result), True),
        ("Linearity: B(x + y) against B x + B y", _linearity(result), result.linearity.together.size > 0),
        ("Correlation of neighbouring pixels", _grain(result), result.speckle.correlation is not None),
    ]
    return [(caption, _png(draw)) for caption, draw, there in drawn if there]


def _png(draw: Callable[[Axes], None]) -> bytes:
    figure = need_matplotlib()(figsize=(WIDTH_IN, HEIGHT_IN), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    draw(axes)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _photon_transfer(result: Characterization) -> Callable[[Axes], None]:
    def draw(axes: Axes) -> None:
        curve = result.photon_transfer
        seen = (curve.mean_dn > 0) & (curve.variance_dn2 > 0)
        axes.errorbar(
            curve.mean_dn[seen],
            curve.variance_dn2[seen],
            curve.variance_error_dn2[seen],
            fmt="o",
            color=_BLUE,
            markersize=4,
        )
        axes.plot(curve.mean_dn, curve.fitted_dn2, color=_ORANGE)
        if seen.any():
            axes.set_xscale("log")
            axes.set_yscale("log")
        axes.set_xlabel("mean above dark (DN)")
        axes.set_ylabel("temporal variance (DN²)")

    return draw


def _dark(result: Characterization) -> Callable[[Axes], None]:
    from matplotlib.ticker import MaxNLocator

    def draw(axes: Axes) -> None:
        for stack, colour in zip(result.dark.stacks, (_BLUE, _INK, _ORANGE), strict=False):
            codes = stack.first_code + np.arange(len(stack.histogram))
            share = stack.histogram / stack.histogram.sum()
            axes.plot(codes, share, "o-", color=colour, markersize=4, label=f"{stack.exposure_s * 1e3:.3g} ms")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_yscale("log")
        axes.set_xlabel("reading (DN)")
        axes.set_ylabel("share of readings")
        axes.legend(frameon=False, title="exposure")

    return draw


def _speckle(result: Characterization) -> Callable[[Axes], None]:
    def draw(axes: Axes) -> None:
        speckle = result.speckle
        middle = (speckle.bin_edges[1:] + speckle.bin_edges[:-1]) / 2
        seen = speckle.density > 0
        axes.plot(middle[seen], speckle.density[seen], "o", color=_BLUE, markersize=4)
        axes.plot(middle, np.exp(-middle), color=_ORANGE)
        axes.set_yscale("log")
        axes.set_xlabel("intensity / mean")
        axes.set_ylabel("probability density")
        axes.set_title(f"contrast {speckle.contrast}", fontsize=10)

    return draw


def _repeatability(result: Characterization) -> Callable[[Axes], None]:
    def draw(axes: Axes) -> None:
        again = result.repeatability
        axes.errorbar(again.lag_s, again.correlation, again.correlation_error, fmt="o", color=_BLUE, markersize=4)
        lag = np.geomspace(again.lag_s.min(), again.lag_s.max(), 200)
        at_once, rate = again.at_once.value or np.nan, again.rate_per_s.value or 0.0
        axes.plot(lag, at_once * np.exp(-rate * lag), color=_ORANGE)
        axes.set_xscale("log")
        axes.set_xlabel("time between the readings (s)")
        axes.set_ylabel("correlation over outputs")
        bound = again.lower_bound_s
        told = again.drift_time_s if again.drift_time_s.value is not None else bound
        axes.set_title("" if told.value is None else f"1/e time of the field: {told}", fontsize=10)

    return draw


def _signal_to_noise(result: Characterization) -> Callable[[Axes], None]:
    def draw(axes: Axes) -> None:
        ratio = result.signal_to_noise.per_output
        seen = ratio[np.isfinite(ratio) & (ratio > 0)]
        if seen.size:
            axes.hist(np.log10(seen), bins=50, color=_BLUE)
        axes.set_xlabel("log10 of signal variance / noise variance")
        axes.set_ylabel("outputs")

    return draw


def _kernel(result: Characterization) -> Callable[[Axes], None]:
    def draw(axes: Axes) -> None:
        kernel = result.kernel
        axes.errorbar(
            kernel.n_features, kernel.errors, np.nan_to_num(kernel.errors_error), fmt="o", color=_BLUE, markersize=4
        )
        axes.plot(kernel.n_features, kernel.expected, color=_ORANGE, label="independent outputs, no noise")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("features (outputs)")
        axes.set_ylabel("relative error of the Gram matrix")
        axes.legend(frameon=False)

    return draw


def _linearity(result: Characterization) -> Callable[[Axes], None]:
    def draw(axes: Axes) -> None:
        linear = result.linearity
        axes.plot(linear.apart, linear.together, ".", color=_BLUE, markersize=3)
        ends = [float(linear.apart.min()), float(linear.apart.max())]
        axes.plot(ends, ends, color=_ORANGE)
        axes.set_xlabel("B x + B y")
        axes.set_ylabel("B (x + y)")
        axes.set_title(linear.uses, fontsize=10)

    return draw


def _grain(result: Characterization) -> Callable[[Axes], None]:
    def draw(axes: Axes) -> None:
        curves = result.speckle.correlation
        assert curves is not None
        for curve, label, colour in zip(curves, ("across rows", "along a row"), (_BLUE, _ORANGE), strict=True):
            axes.plot(np.arange(len(curve)), curve, "o-", color=colour, label=label)
        axes.set_xlabel("distance (pixels)")
        axes.set_ylabel("correlation of intensities")
        axes.legend(frameon=False)
        axes.set_title(f"grain {result.speckle.grain_px}", fontsize=10)

    return draw
