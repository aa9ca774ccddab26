"""What one looks at while aligning: level, clipping, speckle contrast, sharpness and grain of a camera frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LOOKED_AT = 512
"""Rows and columns from the middle that the grain is taken from."""
SHADES = " .:-=+*#%@"
BARS = " ▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class Figures:
    """Of one frame. mean_dn and max_dn as read; contrast = standard deviation / mean of the light above `dark_dn`, 1 for
    polarised speckle with grains larger than a pixel, 1/sqrt(2) for unpolarised, 0 for even light. focus = mean squared
    difference of pixels 2 apart over the light's mean square (Brenner's gradient, normalised): the larger, the sharper.
    grain_px: full width at half height of the autocovariance."""

    mean_dn: float
    max_dn: int
    saturated_fraction: float
    contrast: float
    focus: float
    grain_px: float

    def __str__(self) -> str:
        return (
            f"mean {self.mean_dn:.2f} DN, max {self.max_dn}, saturated {self.saturated_fraction:.2%}, contrast "
            f"{self.contrast:.3f}, focus {self.focus:.4f}, grain {self.grain_px:.1f} px"
        )


def figures(pixels: NDArray[Any], saturation_dn: int, dark_dn: float = 0.0) -> Figures:
    """pixels: [rows, columns] in DN; dark_dn: their level without light."""
    light = pixels.astype(np.float64) - dark_dn
    mean, square = float(light.mean()), float((light**2).mean())
    steps = [light[2:] - light[:-2], light[:, 2:] - light[:, :-2]]
    gradient = sum(float((step**2).mean()) for step in steps if step.size) / 2
    return Figures(
        mean_dn=float(pixels.mean()),
        max_dn=int(pixels.max()),
        saturated_fraction=float(np.mean(pixels >= saturation_dn)),
        contrast=float(light.std() / mean) if mean > 0 else 0.0,
        focus=gradient / square if square > 0 else 0.0,
        grain_px=grain_px(light),
    )


def grain_px(light: NDArray[np.float64]) -> float:
    """Full width at half height of the autocovariance, the mean of both directions; 0 for a frame without structure."""
    rows, columns = light.shape
    top, left = max(0, (rows - LOOKED_AT) // 2), max(0, (columns - LOOKED_AT) // 2)
    part = light[top : top + LOOKED_AT, left : left + LOOKED_AT]
    part = part - part.mean()
    covariance = np.fft.irfft2(np.abs(np.fft.rfft2(part)) ** 2, part.shape)
    if covariance[0, 0] <= 0:
        return 0.0
    covariance /= covariance[0, 0]
    widths = [2 * _half_width(line[: max(1, len(line) // 2)]) for line in (covariance[:, 0], covariance[0])]
    return float(np.mean(widths))


def _half_width(line: NDArray[np.float64]) -> float:
    below = np.flatnonzero(line < 0.5)
    if not len(below):
        return float(len(line))
    k = int(below[0])
    return k - 1 + float((line[k - 1] - 0.5) / (line[k - 1] - line[k]))


def histogram(pixels: NDArray[Any], largest: int, columns: int = 64, rows: int = 6) -> str:
    """Bars of how many pixels have which code, on a square-root scale, so that rare bright ones show."""
    counts, _ = np.histogram(pixels, bins=columns, range=(0, largest + 1))
    heights = np.rint(np.sqrt(counts / max(1, counts.max())) * rows * 8).astype(int)
    heights[(counts > 0) & (heights == 0)] = 1
    lines = ["".join(BARS[min(8, max(0, h - 8 * row))] for h in heights) for row in reversed(range(rows))]
    axis = f"0{'DN'.center(columns - 1 - len(str(largest)))}{largest}"
    return "\n".join([*lines, axis])


def thumbnail(pixels: NDArray[Any], columns: int = 64, rows: int = 20) -> str:
    """The frame in characters, from blank to @, its largest mean white."""
    rows, columns = min(rows, pixels.shape[0]), min(columns, pixels.shape[1])
    down = np.linspace(0, pixels.shape[0], rows + 1).astype(int)[:-1]
    across = np.linspace(0, pixels.shape[1], columns + 1).astype(int)[:-1]
    sums = np.add.reduceat(np.add.reduceat(pixels.astype(np.float64), down, axis=0), across, axis=1)
    area = np.outer(np.diff([*down, pixels.shape[0]]), np.diff([*across, pixels.shape[1]]))
    mean = sums / area
    shade = np.rint(mean / max(mean.max(), 1e-9) * (len(SHADES) - 1)).astype(int)
    return "\n".join("".join(SHADES[k] for k in line) for line in shade)
