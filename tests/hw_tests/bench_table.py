"""A bench in memory whose camera has photon noise: the contract does not need it, a judge of cameras does."""

from dataclasses import dataclass

import numpy as np

from ..drivers import fake_parts  # noqa: TID252 - the tests of the bench have the parts

GAIN_DN_PER_E, BLACK_DN = 0.05, 4.0


@dataclass
class Table(fake_parts.World):
    """With shot noise, read noise and a black level. dark: no light reaches the camera."""

    dark: bool = False

    def image(self, settings, on):
        dtype = np.uint8 if self.bit_depth <= 8 else np.uint16
        self.bit_depth, depth = 16, self.bit_depth
        light = super().image(settings, None if self.dark else on) * 2.0 ** (depth - 16)
        self.bit_depth = depth
        noisy = self.rng.poisson(light / GAIN_DN_PER_E) * GAIN_DN_PER_E + self.rng.normal(BLACK_DN, 0.6, light.shape)
        return np.clip(np.rint(noisy), 0, 2**depth - 1).astype(dtype)
