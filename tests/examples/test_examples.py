"""The examples run, on a few seconds' worth of made-up data where theirs is not bundled. They need PyTorch."""

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make torch-test")
from opu.torch import DFA  # noqa: E402

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
    assert result["nats_per_character"] < 4
    assert result["measured_on"] == "test"
    # two frames for each of 20 x 16 x 64 characters, and the calibration
    assert feedback != "optical" or result["frames"] > 2 * 20 * 16 * 64


@pytest.mark.parametrize("feedback", ["optical", "digital", "backprop", "shallow"])
def test_cora_gcn(run, graph, feedback):
    result = run("cora_gcn", "--data", graph, "--feedback", feedback, "--epochs", 5)
    assert 0 <= result["test_percent"] <= 100
    assert ("frames" in result) == (feedback == "optical")


def test_autoencoder(run):
    assert run("autoencoder")["test_mse"] < 0.9 * run("autoencoder")["mean_image_mse"]


def test_the_transformer_is_tuned_without_the_test_text(run, monkeypatch):
    """Learned from and measured on, of a text that is its own index: tuning touches nothing of the last tenth."""
    monkeypatch.syspath_prepend(EXAMPLES)
    parts = runpy.run_path(str(EXAMPLES / "transformer.py"))["parts"]
    text = torch.arange(1003)
    (train, test), (learned, validation) = parts(text, False), parts(text, True)
    assert torch.equal(torch.cat([train, test]), text)
    assert torch.equal(torch.cat([learned, validation]), train)
    assert [len(learned), len(validation), len(test)] == [852, 50, 101]


@pytest.mark.parametrize(("sign", "degrees"), [(1, 0), (-1, 180)])
def test_the_convnets_angles_are_to_the_true_gradient(run, monkeypatch, sign, degrees):
    """A projector that is the last layer's transpose gives what backpropagation gives, at every weight."""
    monkeypatch.syspath_prepend(EXAMPLES)
    convnet = runpy.run_path(str(EXAMPLES / "convnet.py"))
    torch.manual_seed(0)
    model, images, labels = convnet["network"](), torch.randn(8, 3, 20, 20), torch.arange(8)

    def transposed(error):
        return sign * error @ model.last.weight.detach() * model.last.in_features**0.5

    with DFA(model, [model.second], projector=transposed) as dfa:
        found = convnet["angles"](model, convnet["Learning"]("", dfa=dfa), images, labels)
        assert dfa.enabled
    assert list(found) == ["conv 1", "conv 2", "conv 3", "head 1", "head 2"]
    # float32: a cosine within 1e-6 of 1 is an angle within sqrt(2e-6) rad = 0.08 degrees
    assert np.allclose(list(found.values()), degrees, atol=0.1)


def test_convnet(run):
    result = run("convnet", "--feedback", "digital", "--seeds", 2)
    assert [len(accuracies) for accuracies in result["test_percent"].values()] == [2] * 6


def test_missing_data_is_said_in_a_line(run, monkeypatch, tmp_path):
    monkeypatch.setenv("OPU_DATA", str(tmp_path))
    with pytest.raises(SystemExit, match=r"error: no file .*cora\.npz: say where it is"):
        run("cora_gcn")
