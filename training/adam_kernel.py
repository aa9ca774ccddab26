"""Adam's update of NumPy arrays, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit


# One pass, for NumPy's dozen would be bound by memory; no fused multiply-add: every operation rounds as NumPy's does.
@njit(nogil=True, cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def adam_step(p: Any, m: Any, v: Any, g: Any, factors: Any) -> None:
    """One step for flat arrays; factors: beta1, 1 - beta1, beta2, 1 - beta2, sqrt(1 - beta2^t), epsilon, lr / (1 - beta1^t)."""
    beta1, rest1, beta2, rest2, root, epsilon, scale = factors
    for i in range(p.size):
        m[i] = m[i] * beta1 + g[i] * rest1
        v[i] = v[i] * beta2 + g[i] * g[i] * rest2
        p[i] -= m[i] / (np.sqrt(v[i]) / root + epsilon) * scale
