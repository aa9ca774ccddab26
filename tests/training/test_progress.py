from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opu.training.checkpoint import load_checkpoint, save_checkpoint
from opu.training.feedback import DigitalFeedback, OpticalFeedback
from opu.training.network import Network
from opu.training.optimiser import SGD, Adam
from opu.training.progress import Partial, Place, Progress, StepLog, WithProgress, place_of, progress_in

import opu
from opu.errors import InputError

from .fakes import FakeOPU

FLOATS = st.floats(0, 1e12, allow_nan=False)


@given(
    st.builds(Partial, st.integers(0, 10**6), FLOATS, st.integers(0, 10**9), st.integers(0, 10**9), FLOATS),
    st.none() | st.builds(Place, st.integers(0, 2**32 - 1), FLOATS),
    st.lists(FLOATS, max_size=5),
    st.booleans(),
)
def test_progress_goes_round_exactly(partial: Partial, place: Place | None, losses: list[float], drifts: bool) -> None:
    log = StepLog(3, tuple(range(len(losses))), tuple(losses), 0.1, 2)
    progress = Progress(partial, place, place, drifts, log)
    assert Progress.from_array(progress.array()) == progress


def test_it_is_stored_beside_the_optimisers_arrays_and_missed_by_none(tmp_path: Path) -> None:
    network = Network((4, 3, 2), np.random.default_rng(0))
    for optimiser in (Adam(network.parameters), SGD(network.parameters)):
        progress = Progress(Partial(steps=7))
        save_checkpoint(tmp_path / "c", network, WithProgress(optimiser, progress), {}, [])
        checkpoint = load_checkpoint(tmp_path / "c")
        assert progress_in(checkpoint.arrays) == progress
        checkpoint.restore(network, optimiser)  # which knows nothing of it
    save_checkpoint(tmp_path / "old", network, Adam(network.parameters), {}, [])
    assert progress_in(load_checkpoint(tmp_path / "old").arrays) is None


@pytest.mark.parametrize("text", ["{}", "not JSON", json.dumps({"partial": {"stepz": 1}})])
def test_damaged_progress_is_named(text: str) -> None:
    with pytest.raises(InputError, match="the file is damaged"):
        Progress.from_array(np.frombuffer(text.encode(), np.uint8))


def test_a_device_put_back_repeats_itself_and_its_counters_go_on() -> None:
    error = np.array([[0.9, -0.6, -0.3], [-0.1, 0.4, -0.3]], np.float32)
    with opu.open("sim", n_inputs=3, n_outputs=40, seed=2, preset="harsh", retrieval="anchor2") as o:
        feedback = OpticalFeedback(o, 3, 40)
        first = feedback.place()
        assert first is not None
        once = feedback.project(error)
        then = feedback.place()
        assert then is not None
        assert (then.frame - first.frame, then.frame > first.frame) == (feedback.frames_shown, True)
        again = feedback.project(error)
        assert not np.array_equal(once, again)  # other noise
        feedback.go_to(first)
        np.testing.assert_array_equal(feedback.project(error), once)
        assert feedback.place() == then
        assert feedback.frames_shown == 3 * (then.frame - first.frame)
        assert feedback.device_joules == pytest.approx(30.0 * feedback.device_seconds)  # the sim draws 30 W


def test_what_cannot_be_put_back_says_so() -> None:
    optical = OpticalFeedback(FakeOPU(3, 8), 3, 8)
    assert place_of(optical) is None
    optical.go_to(Place(5, 1.0))
    assert place_of(DigitalFeedback(3, 8, 0)) is None
    assert place_of(None) is None
