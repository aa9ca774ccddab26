"""The table of Cora in a tiny form: seven cliques of papers, one for each class."""

import json
from importlib import import_module

import numpy as np
import pytest

CLASSES, SIZE = 7, 8


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """In every clique the first is for training, the next three for validation, the rest for test; words are half noise."""
    folder, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(5)
    n = CLASSES * SIZE
    labels = np.arange(n) // SIZE
    words = np.stack(
        [np.where(rng.random(n) < 0.5, labels, rng.integers(0, 12, n)), 12 + rng.integers(0, 9, n)], axis=1
    )
    pairs = [
        (a, b) for start in range(0, n, SIZE) for a in range(start, start + SIZE) for b in range(a + 1, start + SIZE)
    ]
    place = np.arange(n) % SIZE
    parts = {"train": place == 0, "val": (place > 0) & (place < 4), "test": place >= 4}
    np.savez(
        folder / "cora.npz",
        feature_indices=words.ravel(),
        feature_indptr=np.arange(0, 2 * n + 1, 2),
        n_features=21,
        labels=labels,
        edges=np.array(pairs),
        **{name: np.flatnonzero(where) for name, where in parts.items()},
    )
    return folder


def test_the_command_trains_and_resumes(papers, folder, tmp_path, capsys):
    cora, out = import_module("cora"), tmp_path / "cora.json"
    tiny = ["--data", str(folder), "--epochs", "8", "--seeds", "1", "--out", str(out)]
    cora.main(tiny)
    said = capsys.readouterr().out
    runs = json.loads(out.read_text())["test"]
    assert [run["arm"] for run in runs] == [arm.name for arm in cora.ARMS]
    for run in runs:
        assert f"{run['score']:.2f} " in said
        assert 1 <= run["epoch"] <= 8
        assert run["hyper"]["hidden"] == [64]
    assert "81.5 [1]" in said
    written = out.read_bytes()
    cora.main(tiny)
    assert out.read_bytes() == written  # nothing was trained again
    assert capsys.readouterr().out == said


def test_the_weights_judged_are_those_best_on_validation(papers, folder, tmp_path, capsys):
    """Judged on the validation papers themselves, a network must score what was its best in training."""
    cora, out = import_module("cora"), tmp_path / "cora.json"
    tiny = ["--data", str(folder), "--epochs", "12", "--seeds", "1", "--arms", "dfa-digital", "--out", str(out)]
    cora.main([*tiny, "--tune", "--tuning-seeds", "1"])
    runs = json.loads(out.read_text())["validation"]
    assert len(runs) == len(cora.GRID["learning_rate"]) * len(cora.GRID["weight_decay"])
    for run in runs:
        assert run["score"] == run["validation_score"]
    assert any(run["epoch"] < 12 for run in runs)  # for some it was not the last epoch
