"""The examples run, on a few seconds' worth of made-up data where theirs is not bundled. They need PyTorch."""

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make torch-test")
pytestmark = [pytest.mark.torch, pytest.mark.slow]

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def run(monkeypatch, capsys):
    """run(name, *options) -> the result line of that example."""

    def call(name: str, *options: str):
        monkeypatch.syspath_prepend(EXAMPLES)
        monkeypatch.setattr(sys, "argv", [name, "--quick", *map(str, options)])
        runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
        return json.loads(capsys.readouterr().out.splitlines()[-1])

    yield call
    sys.modules.pop("common", None)


@pytest.fixture
def text(tmp_path):
    """Sixteen characters in words that repeat."""
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list("abcdefghijklmno"), 4)) for _ in range(50)]
    path = tmp_path / "text.txt"
    path.write_text(" ".join(rng.choice(words, 4000)))
    return path


@pytest.fixture
def graph(tmp_path):
    """Sixty nodes in five classes, each linked to ten of its own class, with features that tell little."""
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 5
    edges = [(a, b) for a in range(60) for b in rng.choice(np.flatnonzero(labels == labels[a]), 10)]
    path = tmp_path / "cora.npz"
    np.savez(
        path,
        feature_indices=np.stack([rng.permutation(20)[:4] for _ in labels]).ravel().astype(np.int16),
        feature_indptr=np.arange(61, dtype=np.int32) * 4,
        n_features=20,
        labels=labels.astype(np.int8),
        edges=np.array(edges, dtype=np.int32),
        train=np.arange(12),
        val=np.arange(12, 30),
        test=np.arange(30, 60),
    )
    return path


@pytest.mark.parametrize("feedback", ["optical", "encoded", "shallow"])
def test_transformer(run, text, feedback):
    result = run("transformer", "--data", text, "--feedback", feedback)
    assert result["test_nats"] < 4
    # two frames for each of 20 x 16 x 64 characters, and the calibration
    assert feedback != "optical" or result["frames"] > 2 * 20 * 16 * 64


@pytest.mark.parametrize("feedback", ["optical", "digital", "backprop", "shallow"])
def test_cora_gcn(run, graph, feedback):
    result = run("cora_gcn", "--data", graph, "--feedback", feedback, "--epochs", 5)
    assert 0 <= result["test_percent"] <= 100
    assert ("frames" in result) == (feedback == "optical")


def test_autoencoder(run):
    assert run("autoencoder")["test_mse"] < 0.9 * run("autoencoder")["mean_image_mse"]


def test_convnet(run):
    assert len(run("convnet", "--feedback", "digital")["test_percent"]) == 6


def test_missing_data_is_said_in_a_line(run, monkeypatch, tmp_path):
    monkeypatch.setenv("OPU_DATA", str(tmp_path))
    with pytest.raises(SystemExit, match=r"error: no file .*cora\.npz: say where it is"):
        run("cora_gcn")
