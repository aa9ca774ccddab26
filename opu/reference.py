"""The reference: light that the data's field interferes with, so that a camera's intensities become a linear field."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from array_api_compat import device as device_of

from opu.arrays import Array, namespace
from opu.device import Acquisition


@dataclass(frozen=True)
class Reference:
    """What one kind of interferometry was measured to give on one device: interference_dn = scale sqrt(reference_dn) B e.

    probe: kind of the retrieval it was measured by. acquisition: exposure, and phases of the reference arm.
    dn_per_input: mean reading that one data input adds. reference_dn: float32[n_linear], the reference alone, dark removed;
    floor_dn: rows darker than this are held back. scale: DN^(1/2) per unit of B e, with its relative standard error.
    snr: signal variance over noise variance of one projection by the probe, at the calibration's fill.
    """

    probe: str
    acquisition: Acquisition
    dn_per_input: float
    saturated: float
    reference_dn: Array
    floor_dn: float
    scale: float
    scale_relative_error: float
    snr: float

    @property
    def held_back(self) -> float:
        """Fraction of rows whose reference is darker than the floor: their projection is scaled down, not amplified noise."""
        xp = namespace(self.reference_dn)
        return float(xp.mean(xp.astype(self.reference_dn < self.floor_dn, xp.float64)))

    @cached_property
    def row_gain(self) -> Array:
        """float32[n_linear], 1 / (scale sqrt(max(reference, floor))): turns interference in DN into B e."""
        xp = namespace(self.reference_dn)
        return xp.astype(1.0 / (self.scale * xp.sqrt(xp.maximum(self.reference_dn, self.floor_dn))), xp.float32)

    def beside(self, x: Array) -> Reference:
        """This reference with its array in x's namespace and on x's device."""
        return replace(self, reference_dn=namespace(x).asarray(self.reference_dn, device=device_of(x)))


def difference(readings: Array, i: int, k: int) -> Array:
    """Frame i - frame k of each plane: readings (n, frames, n_outputs) in DN -> float32[n, n_outputs]."""
    xp = namespace(readings)
    result = xp.astype(readings[:, i, :], xp.float32)
    result -= xp.astype(readings[:, k, :], xp.float32)
    return result
