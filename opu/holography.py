"""Off-axis holography: a tilted reference puts the field into a sideband of one image; a Fourier transform takes it out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import sqrt
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from opu.anchor import with_anchor
from opu.arrays import Array, namespace
from opu.device import DeviceSpec
from opu.errors import CapabilityError

INSIDE = 0.97
"""Fraction of the pupil's radius that is read: the edge of a finite image's sideband is smeared by about one bin."""


@dataclass(frozen=True)
class Holography:
    """|E + R exp(2 pi i f.r)|^2 holds E conj(R) around the spatial frequency -f.

    One frame per binary pattern. Rows of the result are the real, then the imaginary parts of the pupil's modes, of which a
    region of N pixels holds M = N pi / (4 grain^2). The light of |R|^2 cancels between x+ and x-; that of |E|^2 lies within
    1/grain of the centre, clear of the sideband's disc of radius 1/(2 grain) if the tilt exceeds 1.5/grain; what a finite
    image's edges leak of it across is the error that remains, small where the reference is strong. Pixels are taken as square
    and filled. Source: Leith and Upatnieks, JOSA 52 (1962) 1123; Cuche et al., Applied Optics 39 (2000) 4070.
    """

    kind: ClassVar[str] = "holography"
    reference: ClassVar[str] = "arm"
    frames_per_plane: ClassVar[int] = 2
    exactly_linear: ClassVar[bool] = True
    reference_rad: ClassVar[tuple[float, ...]] = (0.0,)
    noise_gain: ClassVar[float] = 1.0

    @property
    def probe(self) -> Holography:
        """Itself: it is linear."""
        return self

    def signal_gain(self, spec: DeviceSpec) -> float:
        """N / 2M: the light of N pixels in M complex modes, half of it in each real row."""
        return 2 * spec.grain_px**2 / np.pi

    def n_linear(self, spec: DeviceSpec) -> int:
        """Two for each mode read."""
        self.check(spec)
        return 2 * len(_sideband(spec)[0])

    def check(self, spec: DeviceSpec) -> None:
        """The fringes and the grain must be resolved, and the sideband clear of the centre and of the Nyquist frequency."""
        name = f"{spec.kind} device {spec.serial!r}"
        if spec.reference_arm == "none":
            raise CapabilityError(
                f"retrieval 'holography' needs a reference arm, and {name} has none: use retrieval \"anchor4\", or "
                'reference.arm = "static" with a tilt on the simulator'
            )
        if spec.output_shape is None or not spec.grain_px:
            raise CapabilityError(
                f"retrieval 'holography' needs outputs that are the pixels of a camera region, and those of {name} are "
                "independent: set speckle.region and speckle.grain_px on the simulator, or the camera's region on a bench"
            )
        grain = spec.grain_px
        along_rows, along_columns = (abs(f) for f in spec.reference_tilt_cycles_per_px)
        radius, tilt = 0.5 / grain, float(np.hypot(along_rows, along_columns))
        if grain < 3.2:
            raise CapabilityError(
                f"retrieval 'holography': a grain of {grain:g} pixels cannot be resolved across fringes on {name}: it takes "
                "3.2 pixels with a diagonal tilt, 4 with one along an axis; close the aperture, or move the camera away"
            )
        if tilt < 3 * radius:
            raise CapabilityError(
                f"retrieval 'holography': the reference's tilt of {tilt:.3f} cycles/px on {name} leaves the sideband within "
                f"the speckle's own spectrum; tilt it by {3 * radius:.3f} cycles/px (1.5 / grain) or more, or enlarge the "
                f"grain to {1.5 / max(tilt, 1e-9):.1f} px"
            )
        if max(along_rows, along_columns) + radius > 0.5:
            raise CapabilityError(
                f"retrieval 'holography': fringes of {max(along_rows, along_columns):.3f} cycles/px with a sideband of radius "
                f"{radius:.3f} pass the Nyquist frequency of 0.5 on {name}; tilt less along that axis (at most "
                f"{0.5 - radius:.3f}), or along the diagonal, {0.75 / grain * sqrt(2):.3f} along each axis"
            )
        if min(spec.output_shape) < 8 * grain:
            raise CapabilityError(
                f"retrieval 'holography': a region of {spec.output_shape[0]} x {spec.output_shape[1]} pixels on {name} holds "
                f"under 8 grains of {grain:g} pixels across; enlarge it"
            )

    def frames(self, positive: Array, negative: Array, spec: DeviceSpec) -> Array:
        """x+, x-, anchor off."""
        shown = [with_anchor(positive, spec, False), with_anchor(negative, spec, False)]
        return namespace(positive).stack(shown, axis=1)

    def reference_frames(self, n: int, like: Array, spec: DeviceSpec) -> Array:
        """Nothing on: bool[n, n_inputs]."""
        xp = namespace(like)
        return xp.zeros((n, spec.n_inputs), dtype=xp.bool)

    def reference_dn(self, mean_dn: Array, spec: DeviceSpec) -> Array:
        """The reference's light in each row: the region's mean, times the square pixel's power transfer at that frequency."""
        xp = namespace(mean_dn)
        transfer = xp.asarray(np.tile(_sideband(spec)[1], 2), dtype=xp.float32)
        return xp.mean(mean_dn) * transfer

    def interference(self, readings: Array, spec: DeviceSpec) -> Array:
        """Readings (n, 2, n_outputs) in DN -> float32[n, n_linear]: the sideband of the unitary transform of x+ minus x-."""
        xp = namespace(readings)
        rows, columns = spec.output_shape or (0, 0)
        dn = xp.astype(readings, xp.float32)
        image = xp.reshape(dn[:, 0, :] - dn[:, 1, :], (-1, rows, columns))
        spectrum = xp.reshape(
            xp.fft.fftn(xp.astype(image, xp.complex64), axes=(1, 2), norm="ortho"), (-1, rows * columns)
        )
        modes = xp.take(spectrum, xp.asarray(_sideband(spec)[0]), axis=1)
        return xp.astype(xp.concat([xp.real(modes), xp.imag(modes)], axis=1), xp.float32)


def _sideband(spec: DeviceSpec) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    assert spec.output_shape is not None  # check() saw to it
    return _modes(spec.output_shape, spec.grain_px, spec.reference_tilt_cycles_per_px)


@lru_cache(maxsize=8)
def _modes(
    shape: tuple[int, int], grain_px: float, tilt: tuple[float, float]
) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Flat indices of the bins within the pupil around -tilt, row by row, and the pixels' power transfer there."""
    along_rows, along_columns = np.fft.fftfreq(shape[0])[:, None], np.fft.fftfreq(shape[1])[None, :]
    distance = np.hypot(along_rows + tilt[0], along_columns + tilt[1])
    chosen = np.flatnonzero(distance <= INSIDE * 0.5 / grain_px)
    transfer = (np.sinc(along_rows) * np.sinc(along_columns)) ** 2
    return chosen, np.broadcast_to(transfer, shape).reshape(-1)[chosen]
