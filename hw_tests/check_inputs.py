"""The inputs one by one: does each light something, and nothing but its own speckle?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from opu.characterization.quantity import Quantity

from .check import Check
from .judging import against, z_of
from .measured import exposure, good, half_on, widened
from .outcome import Limit, Outcome, Statistics, failed, passed, unjudged
from .session import Session

N_INPUTS, N_PAIRS = 32, 48
FRAMES_PER_INPUT = 32
OF_FIELD = 1.5**2 - 1
DIM = 0.2
"""Of the typical light of one input: less is dim or dead."""


def _alive(session: Session) -> Outcome:
    """An input's light is what the sum over outputs gains when it is switched on, by least squares over random subsets.

    Only the inputs asked are ever on, so that the cross terms of their fields, which act as noise, stay few.
    """
    width = session.spec.n_data_inputs
    rng = session.rng("alive")
    asked = np.sort(rng.choice(width, min(width, N_INPUTS * session.thorough), replace=False))
    bits = rng.random((FRAMES_PER_INPUT * len(asked), len(asked))) < 0.5
    data = np.zeros((len(bits), width), np.bool_)
    data[:, asked] = bits
    bench = good(session)
    working = bench.exposure(exposure(session).exposure_s * width / len(asked))
    parts = np.array_split(data, max(1, len(data) // 256))
    level = np.concatenate(
        [bench.show(widened(session, part), working).mean(axis=1, dtype=np.float64) for part in parts]
    )
    design = np.column_stack([bits, np.ones(len(bits))])
    inverse = np.linalg.pinv(design.T @ design)
    solution = inverse @ (design.T @ level)
    residual = level - design @ solution
    sigma = float(np.sqrt(residual @ residual / (len(bits) - design.shape[1])))
    light = solution[:-1] / max(float(np.median(solution[:-1])), 1e-12)
    error = sigma * np.sqrt(np.diagonal(inverse)[:-1]) / max(float(np.median(solution[:-1])), 1e-12)
    z = z_of(session) + 1.0
    dim = asked[light < DIM]
    statistics = Statistics("least squares over random subsets", len(bits), session.significance)
    more: dict[str, Any] = {
        "figure": Quantity(len(dim) / len(asked), 0.0),
        "limit": Limit("most", session.limits.dead_inputs, key="dead_inputs"),
        "statistics": statistics,
        "data": {"inputs": dim.tolist(), "relative_error": float(np.median(error))},
    }
    if float(np.median(error)) * z > 1.0 - DIM:
        return unjudged(
            f"the light of one input is known to {min(float(np.median(error)), 9.99):.0%} only; a higher --level takes more "
            "frames",
            **more,
        )
    if len(dim) > session.limits.dead_inputs * len(asked):
        return failed(
            "dead inputs",
            f"{len(dim)} of {len(asked)} inputs give under {DIM:.0%} of the typical light: {dim.tolist()[:12]}; check the "
            "illumination, the layout and the panel's cable",
            **more,
        )
    return passed(f"{len(dim)} of {len(asked)} inputs are dim", **more)


def _crosstalk(session: Session) -> Outcome:
    """Disjoint patterns share what leaks between neighbours if one is the other shifted by a place, and less if it is not.

    A pattern against its own shifted copy, less that against the copies of others: so the light that all mirrors leak, and
    all images share, does not count. Of a field c at the next input the two hold (3 c / 2)^2 and c^2.
    """
    width = session.spec.n_data_inputs
    n = N_PAIRS * session.thorough
    rng = session.rng("crosstalk")
    even = np.zeros((n, width), np.bool_)
    even[:, 0 : width - 1 : 2] = rng.random((n, len(range(0, width - 1, 2)))) < 0.5
    even[:, 0] |= ~even.any(axis=1)
    odd = np.roll(even, 1, axis=1)
    bench, working = good(session), exposure(session)
    frames = np.concatenate([widened(session, each) for each in (even, odd, even, odd)])
    a, b, a2, b2 = bench.show(frames, working).astype(np.float64).reshape(4, n, -1)

    def covariance(x: NDArray[Any], y: NDArray[Any]) -> NDArray[Any]:
        x, y = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
        return np.asarray(x @ y.T / x.shape[1])

    signal = float(np.mean(np.diagonal(covariance(a, a2) + covariance(b, b2)))) / 2
    shared = (covariance(a, b2) + covariance(a2, b)) / 2 / max(signal, 1e-12)
    own = np.diagonal(shared)
    others = (shared.sum(axis=1) - own + shared.sum(axis=0) - own) / (2 * (n - 1))
    samples = (own - others) / OF_FIELD
    figure = Quantity(float(samples.mean()), float(samples.std(ddof=1) / np.sqrt(n)))
    return against(
        session,
        figure,
        Limit("most", session.limits.crosstalk, key="crosstalk"),
        "crosstalk between inputs",
        "the share of its light that an input gives the next",
        "mirrors of neighbouring inputs leak into one another, or the pattern is shifted: check layout, focus and upload",
        n=n * len(bench.outputs),
        fault=session.limits.crosstalk + 0.1,
    )


def _acts(session: Session) -> Outcome:
    """Different patterns give different images."""
    frames = half_on(session, 24, "acts")
    bench, working = good(session), exposure(session)
    shown = np.stack([bench.show(frames, working) for _ in range(2)]).astype(np.float64)
    centred = shown - shown.mean(axis=1, keepdims=True)
    over_patterns = float((centred[0] * centred[1]).mean())
    fixed = shown.mean(axis=1) - shown.mean()
    share = Quantity(over_patterns / max(over_patterns + float((fixed[0] * fixed[1]).mean()), 1e-12), 0.0)
    noise = float(((shown[0] - shown[1]) ** 2).mean() / 2)
    error = noise / np.sqrt(shown[0].size) / max(over_patterns + float((fixed[0] * fixed[1]).mean()), 1e-12)
    return against(
        session,
        Quantity(share.value, float(error)),
        Limit("least", 0.05),
        "frozen image",
        "the share of the image that changes with the pattern",
        "the camera shows the same image whatever is on the panel: check that patterns are uploaded and frames are new",
        n=shown.size,
        fault=0.0,
    )


CHECKS = (
    Check(
        "inputs.act",
        "different patterns give different images",
        _acts,
        test="covariance of 24 patterns shown twice; power against an image that never changes",
        faults=("frozen image",),
    ),
    Check(
        "inputs.alive",
        "every input gives light",
        _alive,
        test="least squares of the light of 32 inputs (standard 128, soak 512); under a fifth of the typical light is dim",
        faults=("dead inputs",),
    ),
    Check(
        "inputs.crosstalk",
        "an input lights its own speckle and not its neighbour's",
        _crosstalk,
        test="z test over 48 pairs of disjoint patterns (standard 192, soak 768); power against a tenth more than the limit",
        faults=("crosstalk between inputs",),
        headline="crosstalk",
    ),
)
