"""The anchor: a block of the panel's own mirrors as the reference, which needs no second beam."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from opu.arrays import Array, namespace
from opu.device import DeviceSpec
from opu.errors import CapabilityError, ConfigError
from opu.reference import difference


def with_anchor(data: Array, spec: DeviceSpec, anchor: bool) -> Array:
    """Data bits (..., n_data_inputs) widened to device frames (..., n_inputs) with the anchor block on or off."""
    k = spec.anchor_input
    if k is None:
        return data
    xp = namespace(data)
    return xp.concat([data[..., :k], xp.full_like(data[..., :1], anchor), data[..., k:]], axis=-1)


@dataclass(frozen=True)
class Anchor:
    """Anchor interferometry: |A(x+a)|^2 - |Ax|^2 - |Aa|^2 = 2 Re[conj(Aa) Ax], divided row-wise by |Aa|.

    With 4 frames (x+ + a, x- + a, x+, x-) the signed difference is exact and |Aa|^2 cancels; with 2 frames the terms
    |Ax+|^2 - |Ax-|^2 stay, small where the anchor is strong, and only their mean is removed
    (with few codes not everywhere: `retrieval.last_of_few_codes`). Rows whose anchor is dark
    are held back by the calibration's floor. Mirrors that are off leak a static field of relative amplitude eps, which
    the anchor's own reading contains: each row's gain is off by about eps (2.5 % at a contrast of 1000), for all inputs alike.
    """

    frames_per_plane: int = 4
    reference: ClassVar[str] = "anchor"
    reference_rad: ClassVar[tuple[float, ...]] = ()

    def __post_init__(self) -> None:
        """ConfigError for other than 2 or 4 frames."""
        if self.frames_per_plane not in (2, 4):
            raise ConfigError(f"Anchor({self.frames_per_plane!r}): the anchor retrieval shows 2 or 4 frames per plane")

    @property
    def kind(self) -> str:
        """anchor2 or anchor4."""
        return f"anchor{self.frames_per_plane}"

    @property
    def exactly_linear(self) -> bool:
        """Only with four frames."""
        return self.frames_per_plane == 4

    @property
    def probe(self) -> Anchor:
        """Four frames, which are linear; two have the same scale."""
        return Anchor(4)

    @property
    def noise_gain(self) -> float:
        """Variance of the interference per variance of one reading: as many readings as frames, each with weight 1."""
        return float(self.frames_per_plane)

    def signal_gain(self, spec: DeviceSpec) -> float:  # noqa: ARG002
        """Variance of the interference per product of mean reference and mean signal: 2 Re gives 2."""
        return 2.0

    def n_linear(self, spec: DeviceSpec) -> int:
        """One row an output."""
        return spec.n_outputs

    def check(self, spec: DeviceSpec) -> None:
        """The device must have an anchor."""
        if spec.anchor_input is None:
            raise CapabilityError(
                f"retrieval {self.kind!r} needs an anchor block, and {spec.kind} device {spec.serial!r} has none "
                '(anchor_share = 0): give the anchor a share of the panel, or use retrieval "difference", which is not linear'
            )

    def frames(self, positive: Array, negative: Array, spec: DeviceSpec) -> Array:
        """x+ + a, x- + a (, x+, x-)."""
        shown = [with_anchor(positive, spec, True), with_anchor(negative, spec, True)]
        if self.frames_per_plane == 4:
            shown += [with_anchor(positive, spec, False), with_anchor(negative, spec, False)]
        return namespace(positive).stack(shown, axis=1)

    def reference_frames(self, n: int, like: Array, spec: DeviceSpec) -> Array:
        """The anchor alone, bool[n, n_inputs]."""
        xp = namespace(like)
        return with_anchor(xp.zeros((n, spec.n_data_inputs), dtype=xp.bool), spec, True)

    def reference_dn(self, mean_dn: Array, spec: DeviceSpec) -> Array:  # noqa: ARG002
        """The anchor's light in each row, from the mean reading of each output, dark removed."""
        return mean_dn

    def interference(self, readings: Array, spec: DeviceSpec) -> Array:  # noqa: ARG002
        """Difference of the anchored frames (less that of the plain ones), float32[n, n_outputs] in DN."""
        result = difference(readings, 0, 1)
        if self.frames_per_plane == 4:
            result -= difference(readings, 2, 3)
        return result
