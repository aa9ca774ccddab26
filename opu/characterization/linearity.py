"""Linearity of retrieval: is B(a x) = a B x, and B(x + y) = B x + B y, beyond the noise?"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from opu.encodings import Binary
from opu.errors import CalibrationError, CapabilityError, OPUWarning
from opu.processor import OPU

from .bench import Bench, Floats
from .quantity import Quantity, jackknife, quantity, unmeasured

N_PAIRS = 8
FACTOR = 0.37


@dataclass(frozen=True)
class Linearity:
    """Share of a result's power that breaks a law, noise removed (so 0 may come out a little negative).

    homogeneity: B(a x) - a B x. additivity: B(x + y) - B x - B y. projection_snr: signal over noise variance of one
    projected vector. together, apart: some of B(x + y) and B x + B y, for a plot.
    """

    homogeneity: Quantity
    additivity: Quantity
    projection_snr: Quantity
    uses: str
    together: Floats
    apart: Floats


def measure_linearity(opu: OPU, bench: Bench) -> Linearity:
    """x and y are 0 and ±1 on disjoint halves of the inputs, which every encoding shows exactly: the light is tested."""
    uses = f"{opu.encoding.kind} encoding, {opu.retrieval.kind} retrieval"
    try:
        opu.retrieval.check(opu.spec)
        opu.calibrate()
    except (CapabilityError, CalibrationError) as reason:
        none = unmeasured("", str(reason))
        return Linearity(none, none, none, uses, np.zeros(0), np.zeros(0))
    n = N_PAIRS // 2 if bench.quick else N_PAIRS
    x, y = _vectors(bench, n, signed=not isinstance(opu.encoding, Binary))
    vectors = [x, y, x + y] if isinstance(opu.encoding, Binary) else [x, y, x + y, FACTOR * x]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OPUWarning)
        # Everything twice: products of two showings hold no noise.
        shown = np.stack([[opu.linear_transform(v)[:, bench.outputs] for v in vectors] for _ in range(2)])
    z = shown.astype(np.float64)
    additivity = z[:, 2] - z[:, 0] - z[:, 1]
    homogeneity = z[:, 3] - FACTOR * z[:, 0] if z.shape[1] > 3 else None
    noise = 0.5 * np.mean((z[0, 2] - z[1, 2]) ** 2, axis=0)
    terms = [np.mean(z[0, 2] * z[1, 2], axis=0), noise, np.mean(additivity[0] * additivity[1], axis=0)]
    if homogeneity is not None:
        terms += [np.mean(homogeneity[0] * homogeneity[1], axis=0), np.mean(FACTOR**2 * z[0, 0] * z[1, 0], axis=0)]
    blocks = bench.per_block(np.stack(terms))

    def law(total: Floats) -> Floats:
        ratio = total[3] / total[4] if len(total) > 3 else np.nan
        return np.array([ratio, total[2] / total[0], total[0] / total[1] if total[1] > 0 else np.nan])

    value, error = jackknife(blocks, law)
    return Linearity(
        quantity(value[0], error[0], "", "the binary encoding knows no multiples"),
        quantity(value[1], error[1]),
        quantity(value[2], error[2], "", "no noise was seen"),
        uses,
        z[0, 2].ravel()[:2000],
        (z[0, 0] + z[0, 1]).ravel()[:2000],
    )


def _vectors(bench: Bench, n: int, signed: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two batches float64[n, n_data_inputs], each on on about a quarter of the inputs, never both."""
    rng, width = bench.rng(10), bench.spec.n_data_inputs
    order = np.argsort(rng.random((n, width)), axis=1)
    quarter = max(1, width // 4)
    sign = rng.choice([-1.0, 1.0], (n, width)) if signed else np.ones((n, width))
    x, y = np.where(order < quarter, sign, 0.0), np.where((order >= quarter) & (order < 2 * quarter), sign, 0.0)
    return x, y
