from __future__ import annotations

import numpy as np
import pytest
from opu.training.data import Dataset, load


@pytest.fixture(scope="session")
def digits() -> Dataset:
    return load("digits")


@pytest.fixture
def blobs() -> Dataset:
    """Three well separated classes in five dimensions: a data set that trains in milliseconds."""
    rng = np.random.default_rng(7)
    centres = 3 * rng.standard_normal((3, 5))

    def part(n: int) -> tuple[np.ndarray, np.ndarray]:
        y = rng.integers(0, 3, n)
        return (centres[y] + rng.standard_normal((n, 5))).astype(np.float32), y.astype(np.int64)

    (train_x, train_y), (test_x, test_y) = part(70), part(40)
    return Dataset("blobs", train_x, train_y, test_x, test_y, 3)
