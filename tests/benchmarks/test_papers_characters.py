"""The table of characters: its commands against a stand-in for the example, and the example itself where PyTorch is."""

import argparse
import json
import math
import sys
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest

from opu.errors import InputError

TINY = ["--steps", "3", "--tuning-steps", "2", "--seeds", "1"]


@pytest.fixture
def characters(papers):
    return import_module("characters")


@pytest.fixture
def asked(characters, monkeypatch):
    """A stand-in for the example; the list of the options that it was given."""
    asked: list[argparse.Namespace] = []

    def parser():
        result = argparse.ArgumentParser()
        for name in ("data", "feedback", "config", "device"):
            result.add_argument(f"--{name}")
        for name in ("steps", "seed", "threads"):
            result.add_argument(f"--{name}", type=int)
        for name in ("learning-rate", "embedding-std"):
            result.add_argument(f"--{name}", type=float)
        result.add_argument("--set", action="append", default=[])
        result.add_argument("--validate", action="store_true")
        return result

    def trained(args):
        asked.append(args)
        score = 2.0 + abs(args.learning_rate - 2e-3) + abs(args.embedding_std - 1) + args.seed / 1000
        return {"nats_per_character": score, "seconds": 1, "feedback": args.feedback}

    example = SimpleNamespace(
        parser=parser, trained=trained, arguments=lambda parser, given: parser.parse_args(given), ENCODING={"kind": "x"}
    )
    for name in ("BLOCKS", "WIDTH", "HEADS", "CONTEXT", "BATCH", "WARM_UP_STEPS", "FINAL_RATE"):
        setattr(example, name, 1)
    monkeypatch.setattr(characters, "example", lambda: example)
    return asked


def test_tuning_never_sees_the_test_text(characters, asked, tmp_path, capsys):
    out = tmp_path / "out.json"
    command = [*TINY, "--data", str(tmp_path), "--tune", "--out", str(out), "--set", "preset=harsh"]
    characters.main(command)
    said = capsys.readouterr().out
    n_tuned = len(characters.ARMS) * math.prod(map(len, characters.GRID.values()))
    assert [a.validate for a in asked] == [True] * n_tuned + [False] * len(characters.ARMS)
    assert {(a.steps, a.seed) for a in asked[:n_tuned]} == {(2, 1000)}
    assert {(a.steps, a.seed, a.learning_rate, a.embedding_std) for a in asked[n_tuned:]} == {(3, 0, 2e-3, 1.0)}
    assert {a.data for a in asked} == {str(tmp_path / "tinyshakespeare.txt")}
    # the device's keys are the optical arm's alone
    assert {(a.feedback, *a.set) for a in asked if a.set} == {("optical", "preset=harsh")}
    assert "2.000" in said
    written = json.loads(out.read_text())
    optical = next(run for run in written["test"] if run["arm"] == "dfa-optical")
    assert optical["hyper"]["device"] == {"kind": "sim", "preset": "harsh"}
    asked.clear()
    characters.main(command)
    assert not asked  # all of it was kept
    assert capsys.readouterr().out == said


def test_published_figures_say_that_they_are_of_other_data(characters, asked, tmp_path, capsys):
    characters.main([*TINY, "--out", str(tmp_path / "out.json"), "--arms", "backprop,dfa-digital"])
    said = capsys.readouterr().out
    assert "29.8 [1]" in said
    assert "52 [1]" in said
    assert "perplexity on WikiText-103, other data" in said


def test_missing_pytorch_is_said_in_a_line(characters, monkeypatch):
    monkeypatch.delitem(sys.modules, "transformer", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setattr(sys, "path", list(sys.path))
    with pytest.raises(InputError, match=r"needs PyTorch.*pip install torch"):
        characters.example()


@pytest.mark.torch
@pytest.mark.slow
def test_the_command_trains(characters, tmp_path, capsys, monkeypatch):
    pytest.importorskip("torch", reason="PyTorch is not installed: make torch-test")
    rng = np.random.default_rng(0)
    (tmp_path / "tinyshakespeare.txt").write_text("".join(rng.choice(list("abcdefgh"), 3000)))
    monkeypatch.setattr(sys, "path", list(sys.path))
    out = tmp_path / "out.json"
    arms = ["dfa-digital", "dfa-optical"]
    characters.main([*TINY, "--data", str(tmp_path), "--out", str(out), "--arms", ",".join(arms)])
    for name in ("transformer", "common"):
        del sys.modules[name]
    said, runs = capsys.readouterr().out, json.loads(out.read_text())["test"]
    assert [run["arm"] for run in runs] == arms
    for run in runs:
        assert 0 < run["score"] < 6
        assert f"{run['score']:.3f}" in said
        assert ("frames" in run) == (run["arm"] == "dfa-optical")
        assert run["hyper"].get("encoding") == ({"kind": "stochastic"} if run["arm"] == "dfa-optical" else None)
