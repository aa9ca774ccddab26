from __future__ import annotations

import math

import numpy as np
import pytest
from opu.training.drift import DriftWatch
from opu.training.feedback import DigitalFeedback

from opu.errors import DriftWarning


class Medium(DigitalFeedback):
    """Unit-variance projections that decorrelate as exp(-steps / time) and carry noise of some size."""

    def __init__(self, time: float, noise: float = 0.0, width: int = 1000) -> None:
        super().__init__(10, width, 0)
        self.rng, self.time, self.noise = np.random.default_rng(5), time, noise
        self.now = self.matrix

    def wait(self, steps: int) -> None:
        keep = math.exp(-steps / self.time)
        fresh = self.rng.standard_normal(self.now.shape, dtype=np.float32)
        self.now = keep * self.now + math.sqrt(1 - keep**2) * fresh

    def project(self, error: np.ndarray) -> np.ndarray:
        clean = error @ self.now
        return clean + self.noise * clean.std() * self.rng.standard_normal(clean.shape)


@pytest.mark.parametrize("noise", [0.0, 1.0, 3.0])
def test_the_time_is_found_through_the_noise(noise: float) -> None:
    """Of T = 100 after 50 steps, exp(-1/2) is known to 3 sqrt(2 / 10^4) (1 + noise^2): 4 % without noise."""
    medium = Medium(100, noise, width=40_000 if noise > 1 else 1000)
    watch = DriftWatch(medium)
    medium.wait(50)
    with pytest.warns(DriftWarning, match=r"after 50 steps .* within \d+ steps, and accuracy is lost below 300"):
        watch.after(50)
    assert 95 < watch.time_steps < 200


@pytest.mark.parametrize("noise", [0.0, 3.0])
def test_a_steady_or_slow_medium_is_not_warned_of(noise: float) -> None:
    for time in (math.inf, 3000.0):
        medium = Medium(time, noise)
        watch = DriftWatch(medium)
        for steps in range(90, 901, 90):
            medium.wait(90)
            watch.after(steps)


def test_it_warns_once_and_does_not_judge_what_it_cannot_see() -> None:
    medium = Medium(10)
    watch = DriftWatch(medium)
    medium.wait(100)
    with pytest.warns(DriftWarning):
        watch.after(100)
    medium.wait(100)
    watch.after(200)
    drowned = Medium(10, noise=100)
    watch = DriftWatch(drowned)
    drowned.wait(100)
    watch.after(100)
    assert watch.time_steps == math.inf
