"""The inputs one by one: does each light something, and nothing but its own speckle?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from opu.characterization.quantity import Quantity

from .check import Check
from .judging import against, z_of
from .measured import exposure, good, half_on, widened
from .outcome import Limit, Outcome, Statistics, failed, passed, unjudged
from .session import Session

N_INPUTS, N_PAIRS = 32, 48
N_BACKGROUNDS, MOST_FRAMES, MARGIN = 4, 2**14, 2.0
OF_FIELD = 1.5**2 - 1
DIM = 0.2
"""Of the typical light of one input: less is dim or dead."""


def _alive(session: Session) -> Outcome:
    """Switching an input changes the image by its own field times the others': the power of the change tells its light.

    Each change is measured twice; products of the two hold no noise, and over outputs the light of all other inputs, and
    what mirrors leak, is the same for every input asked.
    """
    width = session.spec.n_data_inputs
    rng = session.rng("alive")
    asked = np.sort(rng.choice(width, min(width, N_INPUTS * session.thorough), replace=False))
    n = N_BACKGROUNDS
    power, error = _changes(session, asked, n)
    needed = int(np.ceil(MARGIN * n * (error * z_of(session) / DIM) ** 2))
    if n < needed <= MOST_FRAMES * session.thorough // (4 * len(asked)):
        n = needed
        power, error = _changes(session, asked, n)
    typical = max(float(np.median(power)), 1e-12)
    dim = asked[power < DIM * typical]
    more: dict[str, Any] = {
        "figure": Quantity(len(dim) / len(asked), 0.0),
        "limit": Limit("most", session.limits.dead_inputs, key="dead_inputs"),
        "statistics": Statistics(
            "light of every input asked against a fifth of the typical",
            4 * n * len(asked),
            session.significance,
            power=float(norm.cdf(DIM / error - z_of(session))) if error else 1.0,
        ),
        "data": {"inputs": dim.tolist(), "relative_light": np.round(power / typical, 3).tolist()},
    }
    if error * z_of(session) > DIM:
        return unjudged(
            f"the light of one input is known to {min(error, 9.99):.0%} only; raise the light, or use a higher --level",
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


def _changes(session: Session, asked: NDArray[np.intp], n: int) -> tuple[NDArray[np.float64], float]:
    """Power of the change that each input makes over n backgrounds, and of an input that makes none its error over the typical
    power."""
    bench, working, rng = good(session), exposure(session), session.rng("backgrounds")
    power, noise = np.zeros(len(asked)), np.zeros(len(asked))
    for k, each in enumerate(asked):
        data = np.repeat(rng.random((n, session.spec.n_data_inputs)) < 0.5, 4, axis=0)
        data[:, each] = np.arange(4 * n) % 2
        shown = bench.show(widened(session, data), working).astype(np.float64).reshape(n, 2, 2, -1)
        change = shown[:, :, 1] - shown[:, :, 0]
        power[k] = (change[:, 0] * change[:, 1]).mean()
        noise[k] = ((change[:, 0] - change[:, 1]) ** 2).mean() / 2
    # The product of two independent noises, averaged.
    error = float(np.median(noise)) / np.sqrt(n * len(bench.outputs))
    return power, error / max(float(np.median(power)), 1e-12)


def _crosstalk(session: Session) -> Outcome:
    """Disjoint patterns share what leaks between neighbours if one is the other shifted by a place, and less if it is not.

    A pattern against its own shifted copy, less that against the copies of others: so the light that all mirrors leak, and
    all images share, does not count. Of a field c at the next input the two hold (3 c / 2)^2 and c^2.
    """
    width = session.spec.n_data_inputs
    n = N_PAIRS * session.thorough
    rng = session.rng("crosstalk")
    even = np.zeros((n, width), np.bool_)
    places = len(range(0, width - 1, 2))
    # As many on in every pattern: brighter ones would share more with their own copies than with others'.
    even[:, 0 : width - 1 : 2] = rng.permuted(np.tile(np.arange(places) < max(1, places // 2), (n, 1)), axis=1)
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
        test="power by which 32 inputs (standard 128, soak 512) change 4 images; under a fifth of the typical is dim",
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
