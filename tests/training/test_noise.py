from __future__ import annotations

import array_api_strict
import numpy as np
from opu.training.noise import uniform

SHAPE = (40, 500)


def draws(seed: int = 1, step: int = 2, part: int = 3) -> np.ndarray:
    return uniform(np.empty(SHAPE), np, seed, step, part)


def splitmix(seed: int) -> list[int]:
    """The first numbers of the published generator, in Python's integers."""
    mask, state, out = (1 << 64) - 1, seed, []
    for _ in range(5):
        state = (state + 0x9E3779B97F4A7C15) & mask
        z = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        out.append(z ^ (z >> 31))
    return out


def test_numbers_are_splitmix64_under_the_key() -> None:
    key = splitmix(splitmix(splitmix(1)[0] ^ 2)[0] ^ 3)[0]
    np.testing.assert_array_equal(draws().ravel()[:5], [(z >> 40) * 2.0**-24 for z in splitmix(key)])


def test_moments_are_those_of_a_uniform_and_streams_are_apart() -> None:
    u, n = draws().ravel().astype(float), np.prod(SHAPE)
    assert u.min() >= 0
    assert u.max() < 1
    assert abs(u.mean() - 1 / 2) < 5 * np.sqrt(1 / 12 / n)
    assert abs(u.var() - 1 / 12) < 5 * np.sqrt(1 / 180 / n)  # (u - 1/2)^2 has variance 1/80 - 1/144 = 1/180
    for other in (draws(seed=2), draws(step=3), draws(part=4), draws(seed=2**63 - 1)):
        assert abs(np.corrcoef(u, other.ravel())[0, 1]) < 5 / np.sqrt(n)


def test_every_library_gives_the_same_bits() -> None:
    strict = uniform(array_api_strict.empty(SHAPE), array_api_strict, 1, 2, 3)
    np.testing.assert_array_equal(np.asarray(strict), draws())
