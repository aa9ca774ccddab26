"""The table of MNIST in a tiny form: from IDX files to numbers, and what training may see."""

import json
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest

from opu.config import load_config
from opu.encodings import Ternary
from opu.errors import ConfigError

N_TRAIN, N_TEST = 240, 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Ten classes of 4 x 4 images, each a noisy picture of its own; no two images are alike."""
    folder, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(3)
    pictures = rng.integers(0, 200, (10, 4, 4))
    for prefix, n in (("train", N_TRAIN), ("t10k", N_TEST)):
        labels = np.arange(n) % 10
        images = pictures[labels] + rng.integers(0, 56, (n, 4, 4))
        for kind, values in (("images-idx3", images), ("labels-idx1", labels)):
            header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes()
            (folder / f"{prefix}-{kind}-ubyte").write_bytes(header + values.astype(np.uint8).tobytes())
    return folder


def rows_of(x):
    return {row.tobytes() for row in np.ascontiguousarray(x)}


def test_training_never_holds_what_it_is_judged_on(papers, folder):
    whole = import_module("opu.training").load("mnist", folder)
    train, test = rows_of(whole.train_x), rows_of(whole.test_x)
    judged = {}
    for part, task in import_module("images").tasks("mnist", folder).items():
        seen = rows_of(task.data.train_x) | rows_of(task.data.test_x)
        # A network that tells every class is right as often as its labels say; what it is asked is what it is judged on.
        asked = []
        task.score(SimpleNamespace(predict=lambda x, chunk, asked=asked: asked.append(x) or np.zeros(len(x), int)))
        judged[part] = rows_of(asked[0])
        assert not seen & judged[part]
        assert not seen & test
    assert judged["test"] == test
    assert judged["validation"] < train
    assert len(judged["validation"]) == N_TRAIN // 6


def test_the_command_trains_tunes_and_resumes(papers, folder, tmp_path, capsys):
    mnist, out = import_module("mnist"), tmp_path / "mnist.json"
    tiny = ["--data", str(folder), "--hidden", "12,12", "--epochs", "2", "--out", str(out)]
    mnist.main([*tiny, "--seeds", "1"])
    said = capsys.readouterr()
    document = json.loads(out.read_text())
    assert [run["arm"] for run in document["test"]] == [arm.name for arm in mnist.ARMS]
    assert document["validation"] == []
    assert {"cpu", "versions"} <= set(document["machine"])
    optical = document["test"][3]
    assert optical["hyper"]["device"] == {"kind": "sim", "preset": "typical"}
    assert [run["frames"] > 0 for run in document["test"]] == [False, False, False, True, False]
    for run in document["test"]:
        assert 0 <= run["score"] <= 100
        assert f"{run['score']:.2f} " in said.out
    assert "MNIST, 784-12-12-10, 2 epochs" in said.out
    assert "95.8 [2]" in said.out
    # One more seed, and a grid for one arm: only what is new is trained, and the old runs stay as they were.
    mnist.main([*tiny, "--seeds", "2", "--arms", "backprop", "--tune", "--tuning-seeds", "1"])
    said = capsys.readouterr()
    more = json.loads(out.read_text())
    assert more["test"][:5] == document["test"]
    assert [run["seed"] for run in more["validation"]] == [1000] * 4
    assert {run["hyper"]["learning_rate"] for run in more["validation"]} == set(mnist.GRID["learning_rate"])
    best = max(run["score"] for run in more["validation"])
    rate = next(run["hyper"]["learning_rate"] for run in more["validation"] if run["score"] == best)
    assert {run["hyper"]["learning_rate"] for run in more["test"][5:]} <= {rate}
    assert "Chosen for each line on validation data (1 seed(s) of their own): learning rate 0.0005, 0.001" in said.out


def test_a_job_is_a_function_of_its_seed(papers, folder):
    """Weights, batches, the medium and the camera's noise all come from it, so the light's run repeats to the bit."""
    trial, ledger = import_module("trial"), import_module("ledger")
    task = import_module("images").tasks("mnist", folder)["test"]
    hyper = {
        "method": "dfa",
        "feedback": "optical",
        "retrieval": "anchor2",
        "hidden": [12],
        "epochs": 2,
        "batch_size": 32,
    }
    runs = [trial.run(ledger.Job("light", hyper, seed), task, load_config(None)) for seed in (0, 0, 1)]
    for run in runs:
        del run["train_seconds"]
    assert runs[0] == runs[1]
    assert runs[0]["train_loss"] != runs[2]["train_loss"]


def test_encoded_feedback_is_the_decoded_error_through_the_same_matrix(papers):
    training = import_module("opu.training")
    digital = training.DigitalFeedback(3, 5, seed=1)
    feedback = import_module("trial").EncodedFeedback(digital, Ternary(0.3))
    error = np.array([[0.8, -0.6, 0.0], [0.0, 0.0, 0.0], [1.0, -0.2, 0.1]], np.float32)
    # Ternary: signs where over 0.3 of the largest, then the row's norm again: 1/sqrt(2) each; nothing; sqrt(1.05) on one.
    decoded = np.array([[0.5**0.5, -(0.5**0.5), 0], [0, 0, 0], [1.05**0.5, 0, 0]])
    np.testing.assert_allclose(feedback.project(error), decoded @ digital.matrix, rtol=1e-5, atol=1e-6)
    assert feedback.project(error).dtype == np.float32
    assert (feedback.n_errors, feedback.width) == (3, 5)


def test_a_wrong_hyper_parameter_is_named_before_training(papers, folder, tmp_path):
    mnist, out = import_module("mnist"), tmp_path / "mnist.json"
    with pytest.raises(ConfigError, match=r"learning_rate.*-1"):
        mnist.main(["--data", str(folder), "--learning-rate", "-1", "--out", str(out)])
    with pytest.raises(SystemExit):
        mnist.main(["--data", str(folder), "--hidden", "12,0", "--out", str(out)])
    assert not out.exists()
