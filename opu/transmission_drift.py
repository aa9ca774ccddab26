"""Drift while a matrix is measured: phase of the reference arm and brightness, both read off a known pattern."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROUNDS = 10


@dataclass(frozen=True)
class Drift:
    """Phase in rad and brightness over its mean, at the first and the last show of each block: float64[n_blocks, 2]."""

    phase_rad: NDArray[np.float64]
    brightness: NDArray[np.float64]

    def factors(self, block: int, n_shows: int) -> NDArray[np.complex128]:
        """What each show of a block is to be multiplied by, complex128[n_shows]: linear between the known shows."""
        along = np.linspace(0, 1, n_shows)
        first, last = self.phase_rad[block]
        # The short way round: a block is short against the time in which the phase turns by half a turn.
        turned = (last - first + np.pi) % (2 * np.pi) - np.pi
        light = np.interp(along, [0, 1], self.brightness[block])
        return np.asarray(np.exp(-1j * (first + turned * along)) / light)

    @property
    def phase_steps_rms_rad(self) -> float:
        """Root mean square change of phase within a block."""
        change = (np.diff(self.phase_rad, axis=1) + np.pi) % (2 * np.pi) - np.pi
        return float(np.sqrt(np.mean(change**2)))

    @property
    def phase_range_rad(self) -> float:
        """Largest less smallest phase over the measurement."""
        return float(np.ptp(np.unwrap(self.phase_rad.ravel())))

    @property
    def brightness_range(self) -> float:
        """Largest less smallest brightness, over its mean."""
        return float(np.ptp(self.brightness))


def drift(known: NDArray[Any], light_dn: NDArray[np.float64]) -> Drift:
    """From the known pattern's fields (n_blocks, 2, rows) in DN, and the mean light of its frames (n_blocks, 2) in DN.

    An arm's drift is common to all rows. Phases: those v of modulus 1 that maximise |sum_b conj(v_b) known_b|^2, found by the
    power method from a chain of neighbours; of real fields the phase is 0. Brightness is that of the frames, which is their
    reference's: neither noise nor a drifting medium enters it. Source of the phases: Boumal, SIAM J. Optim. 26 (2016) 2355.
    """
    brightness = light_dn / light_dn.mean()
    if not np.iscomplexobj(known):
        return Drift(np.zeros(light_dn.shape), brightness)
    shows = known.reshape(light_dn.size, -1)
    steps = np.angle(np.sum(shows[1:] * shows[:-1].conj(), axis=1))
    phase = np.concatenate([[0.0], np.cumsum(steps)])
    for _ in range(ROUNDS):
        mean = np.exp(-1j * phase) @ shows
        phase = np.angle(shows @ mean.conj())
    return Drift(phase.reshape(light_dn.shape), brightness)
