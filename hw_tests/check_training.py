"""The proof of the pudding: a small network learns handwritten digits through the device."""

from __future__ import annotations

import tempfile
import warnings
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from opu import OPU
from opu.characterization.quantity import Quantity
from opu.encodings import encoding_from
from opu.errors import OPUWarning

from .check import Check
from .measured import exposure
from .outcome import Limit, Outcome, Statistics, failed, passed, unjudged
from .session import Session

EPOCHS = {"quick": 8, "standard": 20, "soak": 60}
WIDEST = 128
N_CLASSES, N_TEST = 10, 360


def _learns(session: Session) -> Outcome:
    exposure(session)
    width = min(session.opu.n_linear // 2, WIDEST)
    if width < 16 or session.opu.n_inputs < N_CLASSES:
        return unjudged(f"{session.opu.n_inputs} inputs and {session.opu.n_linear} outputs are too few for a network")
    try:
        settings = import_module("opu.training.settings")
        training = import_module("opu.training.run")
    except ImportError as error:
        return unjudged(f"training needs more: pip install 'openopu[train]' ({error})")

    def open_opu(chosen: Any, n_inputs: int, n_outputs: int) -> Any:
        del n_inputs, n_outputs
        return nullcontext(
            OPU(session.opu.device, encoding=encoding_from(chosen.encoding), retrieval=session.opu.retrieval)
        )

    session.say("training")
    with tempfile.TemporaryDirectory() as out, warnings.catch_warnings():
        warnings.simplefilter("ignore", OPUWarning)
        chosen = settings.TrainSettings(
            method="dfa",
            feedback="optical",
            dataset="digits",
            epochs=EPOCHS[session.level],
            hidden=[width, width],
            seed=session.seed,
            out=Path(out),
        )
        result = training.run_training(chosen, open_opu)
    history = result.history
    # The angle of the whole batch's gradient wanders by degrees once little is left to learn; that of samples does not.
    angles = [a for a in history[-1].sample_angle_deg if a is not None]
    accuracy, angle = history[-1].test_accuracy, float(np.mean(angles)) if angles else float("nan")

    def draw(axes: Any) -> None:
        axes.plot([each.epoch for each in history], [each.test_accuracy for each in history], "o-", color="tab:blue")
        axes.axhline(session.limits.accuracy, color="tab:red", lw=1)
        axes.set(xlabel="epoch", ylabel="accuracy on test digits", ylim=(0, 1))

    figure = Quantity(accuracy, float(np.sqrt(max(accuracy * (1 - accuracy), 1e-4) / N_TEST)))
    test = "accuracy and angle against their limits: healthy devices lie five standard errors within"
    more: dict[str, Any] = {
        "figure": figure,
        "limit": Limit("least", session.limits.accuracy, key="accuracy"),
        "statistics": Statistics(test, N_TEST, session.significance),
        "draw": draw,
        "data": {"angle_deg": angle, "epochs": len(history), "hidden": [width, width]},
    }
    text = f"{accuracy:.1%} after {len(history)} epochs, errors sent back {angle:.0f}° from backprop's"
    if accuracy < session.limits.accuracy:
        return failed("training fails", f"{text}; accepted is {more['limit']}; the other failures say why", **more)
    if angle > session.limits.alignment_deg:
        return failed("gradients do not align", f"{text}; accepted are {session.limits.alignment_deg:g}°", **more)
    return passed(text, **more)


CHECKS = (
    Check(
        "training.learns",
        "a network of two hidden layers learns digits by DFA through the device, and aligns with its feedback",
        _learns,
        test="accuracy on 360 test digits after 8 epochs (standard 20), and the mean angle of a sample's errors to backprop's",
        faults=("training fails", "gradients do not align"),
        headline="accuracy on digits",
    ),
)
