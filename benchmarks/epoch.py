"""One epoch of training against PyTorch's backprop: 784-1024-1024-10, batch 128, 60,000 random samples, same threads.

    python benchmarks/epoch.py [--threads 2] [--json FILE]      (PyTorch where it is installed: pip install torch)

Medians of three epochs, ratios to PyTorch (or to our own backprop without it). Optical: the "typical" simulator, ternary
errors, two-frame anchor.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

CHOICE = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
CHOICE.add_argument("--threads", type=int, default=2)
CHOICE.add_argument("--samples", type=int, default=60_000)
CHOICE.add_argument("--json", type=Path)
ARGUMENTS = CHOICE.parse_args()
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = str(ARGUMENTS.threads)  # before NumPy is imported

from importlib import import_module  # noqa: E402
from itertools import pairwise  # noqa: E402

import numpy as np  # noqa: E402

import opu  # noqa: E402

SIZES, BATCH = (784, 1024, 1024, 10), 128


def epoch_s(step: Callable[[np.ndarray, np.ndarray], None], x: np.ndarray, y: np.ndarray) -> float:
    """Median seconds of an epoch of steps, after a short warm-up."""
    for start in range(0, 10 * BATCH, BATCH):
        step(x[start : start + BATCH], y[start : start + BATCH])
    times = []
    for _ in range(3):
        started = time.perf_counter()
        for start in range(0, len(x), BATCH):
            step(x[start : start + BATCH], y[start : start + BATCH])
        times.append(time.perf_counter() - started)
    return float(np.median(times))


def torch_step() -> Callable[[np.ndarray, np.ndarray], None] | None:
    """PyTorch's own backprop with Adam."""
    try:
        import torch
    except ImportError:
        return None
    torch.set_num_threads(ARGUMENTS.threads)
    layers: list[Any] = []
    for a, b in pairwise(SIZES):
        layers += [torch.nn.Linear(a, b), torch.nn.Tanh()]
    model = torch.nn.Sequential(*layers[:-1])
    optimiser = torch.optim.Adam(model.parameters(), 1e-3)

    def step(x: np.ndarray, y: np.ndarray) -> None:
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(model(torch.from_numpy(x)), torch.from_numpy(y)).backward()
        optimiser.step()

    return step


def our_step(method: Any) -> Callable[[np.ndarray, np.ndarray], None]:
    """openopu's trainer with Adam."""
    training = import_module("opu.training")
    loss = import_module("opu.training.loss").softmax_cross_entropy
    network = training.Network(SIZES, np.random.default_rng(0), "tanh")
    optimiser = import_module("opu.training.optimiser").make_optimiser("adam", network.parameters, 0.9)
    moment = training.Moment(seed=0, step=0)

    def step(x: np.ndarray, y: np.ndarray) -> None:
        training.train_step(network, method, optimiser, loss, training.Sample(x, y), moment, 1e-3)

    return step


def main() -> None:
    """Print seconds and ratios."""
    opu.set_num_threads(ARGUMENTS.threads)
    training = import_module("opu.training")
    rng = np.random.default_rng(0)
    x = rng.standard_normal((ARGUMENTS.samples, SIZES[0]), dtype=np.float32)
    y = rng.integers(0, SIZES[-1], ARGUMENTS.samples)
    width = sum(SIZES[1:-1])
    seconds: dict[str, float] = {}
    torch = torch_step()
    if torch is not None:
        seconds["PyTorch backprop"] = epoch_s(torch, x, y)
    seconds["backprop"] = epoch_s(our_step(training.Backprop()), x, y)
    seconds["DFA, digital"] = epoch_s(our_step(training.DFA(training.DigitalFeedback(SIZES[-1], width, 0))), x, y)
    with opu.open("sim", n_inputs=SIZES[-1], n_outputs=width, encoding="ternary", retrieval="anchor2") as o:
        seconds["DFA, optical"] = epoch_s(our_step(training.DFA(training.OpticalFeedback(o, SIZES[-1], width))), x, y)
    base = next(iter(seconds))
    print(f"{'-'.join(map(str, SIZES))}, batch {BATCH}, {ARGUMENTS.samples} samples, {ARGUMENTS.threads} threads")
    for name, value in seconds.items():
        print(f"{name:<18}{value:8.2f} s/epoch{value / seconds[base]:8.2f} x {base}")
    if ARGUMENTS.json:
        ARGUMENTS.json.write_text(json.dumps({"threads": ARGUMENTS.threads, "seconds": seconds}, indent=1) + "\n")


if __name__ == "__main__":
    main()
