"""Digits learned through the closed optical loop: a bench driver, real protocols, simulated light. Prints the accuracy.

    uv run python benchmarks/closed_loop.py [--epochs 8] [--hidden 1024] [--batch-size 128] [--learning-rate 4e-3]

The panel is the ALP library's stand-in, the camera Aravis's over GigE Vision, the laser a SCPI peer on TCP (see
tests/drivers/closed_loop.py); needs aravis-tools, gcc and the extras alp, viva and visa.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

import numpy as np

from opu.config import load_config
from opu.device import Acquisition

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Train once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--hidden", default="1024", help="widths, as 512,512")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--learning-rate", type=float, default=4e-3)
    parser.add_argument("--trigger", choices=("software", "modulator", "camera"), default="software")
    parser.add_argument("--lose", type=float, default=0.0, help="share of the camera's packets that are lost")
    options = parser.parse_args()
    hidden = [int(width) for width in options.hidden.split(",")]

    sys.path.insert(0, str(ROOT))
    loops = import_module("tests.drivers.closed_loop")
    train = import_module("opu.training.session").train
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sizes = loops.Sizes(n_inputs=10, region=(32, sum(hidden) // 32), memory=1024)
        with loops.closed_loop(folder, options.trigger, sizes) as loop:
            print(f"{_rate_hz(loop):.0f} frames/s in sequences of 512 at {sum(hidden)} outputs")
            loop.camera.tell(f"lose {options.lose}")
            config = loop.write_config(
                folder / "train.toml",
                epochs=options.epochs,
                hidden=hidden,
                batch_size=options.batch_size,
                learning_rate=options.learning_rate,
            )
            begun_s = time.monotonic()
            train(load_config(config, "lab"), {"out": folder / "runs"})
            took_s = time.monotonic() - begun_s
        (metrics,) = (folder / "runs").glob("*/metrics.json")
        history = json.loads(metrics.read_text())["history"]
    print("test accuracy by epoch:", ", ".join(f"{epoch['test_accuracy']:.4f}" for epoch in history))
    print(f"{history[-1]['test_accuracy']:.2%} after {len(history)} epochs, {took_s:.0f} s")


def _rate_hz(loop: object) -> float:
    bench = loop.bench()  # type: ignore[attr-defined]
    bench.open()
    try:
        bench.configure(Acquisition(1e-3))
        frames = np.random.default_rng(0).random((512, bench.spec.n_inputs)) < 0.5
        bench.measure(frames[:2])
        begun_s = time.monotonic()
        bench.measure(frames)
        return len(frames) / (time.monotonic() - begun_s)
    finally:
        bench.close()


if __name__ == "__main__":
    main()
