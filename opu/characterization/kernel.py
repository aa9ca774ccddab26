"""Kernel error against the number of features: the Gram matrix of readings approaches a closed form.

For an i.i.d. complex Gaussian medium the mean over outputs of I(x) I(y) is k2 = |x|^2 |y|^2 + (x.y)^2 (Saade et al.,
arXiv:1510.06664), and one output's product has variance k4 - k2^2, k4 = 4 (|x|^4 |y|^4 + 4 |x|^2 |y|^2 (x.y)^2 + (x.y)^4).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from opu.device import Acquisition

from .bench import Bench, Bits, Floats
from .dark import Dark
from .quantity import Quantity, jackknife, quantity

N_VECTORS = 24
FLIPPED = (0.0, 0.1, 0.3, 0.5)


@dataclass(frozen=True)
class Kernel:
    """error: |G - k2| / |k2| (Frobenius) with all analysed outputs. n_features, errors: with fewer, rms over disjoint
    sets of outputs; expected: what independent outputs without noise would give, falling as 1/sqrt(n_features)."""

    error: Quantity
    n_features: Floats
    errors: Floats
    errors_error: Floats
    expected: Floats


def measure_kernel(bench: Bench, acquisition: Acquisition, dark: Dark) -> Kernel:
    """acquisition: mean level 1/8 of the range at half of the inputs on. Light that mirrors leak counts as error."""
    data = _vectors(bench)
    frames = bench.frames(data)
    shown = np.stack([bench.show(frames, acquisition) for _ in range(2)]).astype(np.float64)
    light = shown - dark.level_at(acquisition.exposure_s)
    x = data.astype(np.float64)
    dot = x @ x.T
    norms = np.diagonal(dot)
    scale = light.mean() / norms.mean()
    first, second = light / scale
    outer = np.multiply.outer(norms, norms)
    k2 = outer + dot**2
    k4 = 4 * (outer**2 + 4 * outer * dot**2 + dot**4)
    size = float(np.linalg.norm(k2))
    one_feature = float(np.sqrt(np.sum(k4 - k2**2))) / size

    def gram(some: slice) -> Floats:
        # The two showings have independent noise: their products are not lifted by it, on the diagonal either.
        product = first[:, some] @ second[:, some].T / first[:, some].shape[1]
        return np.asarray((product + product.T) / 2)

    total = first.shape[1]
    order = bench.rng(8).permutation(total)
    first, second = first[:, order], second[:, order]
    n_features = np.unique(np.append(2 ** np.arange(4, int(np.log2(total)) + 1), total))
    errors, spread = [], []
    for n in n_features:
        found = [
            float(np.linalg.norm(gram(slice(start, start + n)) - k2)) / size
            for start in range(0, total - n + 1, max(n, 1))
        ][:64]
        errors.append(float(np.sqrt(np.mean(np.square(found)))))
        spread.append(float(np.std(found, ddof=1) / np.sqrt(len(found))) if len(found) > 1 else np.nan)
    value, error = _whole(first, second, k2, size)
    return Kernel(
        quantity(value, error, note=f"{total} features"),
        n_features.astype(np.float64),
        np.array(errors),
        np.array(spread),
        one_feature / np.sqrt(n_features),
    )


def _whole(first: Floats, second: Floats, k2: Floats, size: float) -> tuple[float, float]:
    n_blocks = 32
    parts = [np.arange(k, first.shape[1], n_blocks) for k in range(n_blocks)]
    blocks = np.stack([np.append((first[:, p] @ second[:, p].T).ravel(), len(p)) for p in parts])

    def distance(total: Floats) -> float:
        gram = (total[:-1] / total[-1]).reshape(k2.shape)
        return float(np.linalg.norm((gram + gram.T) / 2 - k2)) / size

    value, error = jackknife(blocks, distance)
    return float(value), float(error)


def _vectors(bench: Bench) -> Bits:
    """Half of the inputs on, in families of one pattern and its altered copies: dot products of many sizes."""
    n = N_VECTORS // len(FLIPPED)
    parents = bench.patterns(n, purpose=7)
    rng = bench.rng(9)
    return np.concatenate([parents ^ (rng.random(parents.shape) < share) for share in FLIPPED])
