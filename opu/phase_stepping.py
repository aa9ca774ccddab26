"""Phase stepping: the reference arm's phase is stepped under each pattern, and the field falls out of the intensities."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, sin
from typing import ClassVar

from opu.anchor import with_anchor
from opu.arrays import Array, namespace
from opu.device import DeviceSpec
from opu.errors import CapabilityError, ConfigError
from opu.reference import difference


@dataclass(frozen=True)
class PhaseStepping:
    """I_k = |E + R exp(i phi_k)|^2 at equal steps phi_k = 2 pi k / n. Source: Creath, Progress in Optics 26 (1988) 349.

    3 and 4 steps give the complex field, (2/n) sum_k I_k exp(i phi_k) = 2 E conj(R): two real rows for each output, real parts
    first. 2 steps give its real part alone, I_0 - I_1 = 4 Re[E conj(R)], by two frames. Exactly linear.
    """

    steps: int = 4
    reference: ClassVar[str] = "arm"
    exactly_linear: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """ConfigError for other than 2, 3 or 4 steps."""
        if self.steps not in (2, 3, 4):
            raise ConfigError(f"PhaseStepping({self.steps!r}): the reference is stepped 2, 3 or 4 times")

    @property
    def kind(self) -> str:
        """phase2, phase3 or phase4."""
        return f"phase{self.steps}"

    @property
    def frames_per_plane(self) -> int:
        """Every step under x+ and under x-."""
        return 2 * self.steps

    @property
    def reference_rad(self) -> tuple[float, ...]:
        """Equal steps of the circle."""
        return tuple(2 * pi * k / self.steps for k in range(self.steps))

    @property
    def probe(self) -> PhaseStepping:
        """Itself: it is linear."""
        return self

    @property
    def noise_gain(self) -> float:
        """Variance of the interference per variance of one reading: sum of the squared weights of 2 n readings."""
        return 4.0 if self.steps == 2 else 4 / self.steps

    def signal_gain(self, spec: DeviceSpec) -> float:  # noqa: ARG002
        """Variance of the interference per product of mean reference and mean signal: 4 Re gives 8, 2 Re gives 2."""
        return 8.0 if self.steps == 2 else 2.0

    def n_linear(self, spec: DeviceSpec) -> int:
        """Outputs for two steps; real and imaginary parts of them for more."""
        return spec.n_outputs * (1 if self.steps == 2 else 2)

    def check(self, spec: DeviceSpec) -> None:
        """The device's reference arm must step its phase."""
        if spec.reference_arm != "phase":
            has = (
                "no reference arm" if spec.reference_arm == "none" else "a reference arm whose phase cannot be stepped"
            )
            raise CapabilityError(
                f"retrieval {self.kind!r} needs a reference arm whose phase is stepped, and {spec.kind} device "
                f'{spec.serial!r} has {has}: use retrieval "anchor4"'
                + (
                    ' or "holography"'
                    if spec.reference_arm == "static"
                    else ', or reference.arm = "phase" on the simulator'
                )
            )

    def frames(self, positive: Array, negative: Array, spec: DeviceSpec) -> Array:
        """x+ at every step, then x-, anchor off."""
        shown = [with_anchor(positive, spec, False)] * self.steps + [with_anchor(negative, spec, False)] * self.steps
        return namespace(positive).stack(shown, axis=1)

    def reference_frames(self, n: int, like: Array, spec: DeviceSpec) -> Array:
        """Nothing on, n times through the steps: bool[n steps, n_inputs]; over the steps the mirrors' leak averages out."""
        xp = namespace(like)
        return xp.zeros((n * self.steps, spec.n_inputs), dtype=xp.bool)

    def reference_dn(self, mean_dn: Array, spec: DeviceSpec) -> Array:
        """The reference's light in each row, from the mean reading of each output, dark removed."""
        xp = namespace(mean_dn)
        return mean_dn if self.n_linear(spec) == spec.n_outputs else xp.concat([mean_dn, mean_dn])

    def interference(self, readings: Array, spec: DeviceSpec) -> Array:  # noqa: ARG002
        """Readings (n, frames_per_plane, n_outputs) in DN -> float32[n, n_linear]."""
        # One after the other, in this order: the same bits for any batch.
        if self.steps == 2:
            return difference(readings, 0, 1) - difference(readings, 2, 3)
        steps = [difference(readings, k, self.steps + k) for k in range(self.steps)]
        parts = []
        for function in (cos, sin):
            weights = [2 / self.steps * function(phase) for phase in self.reference_rad]
            terms = [weight * step for weight, step in zip(weights, steps, strict=True) if abs(weight) > 1e-9]
            total = terms[0]
            for term in terms[1:]:
                total = total + term
            parts.append(total)
        return namespace(readings).concat(parts, axis=1)
