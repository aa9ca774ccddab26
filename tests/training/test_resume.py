"""Interrupted after any update, a run goes on as if nothing had happened: every method, a graph, a pipeline."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
from opu.training.settings import TrainSettings

from opu.errors import EncodingWarning

from .pieces import PROJECTED_TWICE, assert_same, in_pieces, sim, train
from .test_graph_data import write


@pytest.mark.parametrize("method", ["bp", "fa", "shallow", "drtp", "local", "dni", "dithered", "slots"])
def test_every_method_goes_on_from_the_middle_of_an_epoch(tmp_path: Path, method: Any) -> None:
    settings = TrainSettings(method=method, epochs=2, hidden=(12, 8), batch_size=256, dropout=0.1, out=tmp_path)
    whole = Path(train(sim(), settings).run_dir)
    assert_same(whole, in_pieces(sim(), settings, [4, 4], {whole}))


@pytest.mark.parametrize(("feedback", "hidden"), [("digital", (16,)), ("optical", (400,))])
def test_a_graph_goes_on_between_its_steps(tmp_path: Path, feedback: Any, hidden: tuple[int, ...]) -> None:
    settings = TrainSettings(
        dataset="cora", data=write(tmp_path), feedback=feedback, epochs=24, hidden=hidden, out=tmp_path / "runs"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EncodingWarning)  # two classes leave no threshold between
        whole = Path(train(sim(), settings).run_dir)
        assert_same(whole, in_pieces(sim(), settings, [11, 7], {whole}))


@pytest.mark.parametrize("feedback", ["digital", "optical"])
def test_a_pipeline_goes_on_with_the_forward_pass_that_was_ahead(tmp_path: Path, feedback: Any) -> None:
    """Its weights lacked the update that was made last, so it cannot be made again: the checkpoint has it."""
    settings = TrainSettings(
        feedback=feedback, epochs=3, hidden=(12, 8), batch_size=256, dropout=0.2, pipeline=1, out=tmp_path
    )
    whole = Path(train(sim(), settings).run_dir)
    # within an epoch, at the last update but one, and where an epoch ends
    assert_same(whole, in_pieces(sim(), settings, [2, 3, 1, 3], {whole}), but=PROJECTED_TWICE)
