"""The simulator on a GPU against the light itself: ms per vector of the whole device path, arrays on the device.

    python benchmarks/gpu.py [--json FILE]      (needs CuPy and a GPU; a real OPU shows 2,000 frames a second)

Medians of CUDA-event timings after a warm-up; random inputs, half of them on; "typical" camera.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import cupy as cp
import numpy as np

from opu.device import Acquisition
from opu.kinds import load_kind

REAL_MS = 0.5
CASES = (
    ("structured", 2**14, 1024),
    ("structured", 2**17, 512),
    ("structured", 1_000_000, 1),
    ("structured", 1_000_000, 16),
    ("structured", 1_000_000, 64),
    ("structured", 1_000_000, 256),
    ("dense", 2**14, 1),
    ("dense", 2**14, 16),
    ("dense", 2**14, 128),
    ("dense", 2**14, 1024),
    ("dense", 2**17, 128),
    ("dense", 2**17, 1024),
)


def measure(medium: str, size: int, batch: int, repeats: int) -> dict[str, object]:
    """One case: set-up of a new seed, then the median time of a batch."""
    kind = load_kind("sim")
    panel = {"columns": 1024, "rows": -(-(size + 1) // 1024) + 1, "contrast_ratio": None}
    laser = {"profile": "flat"}
    shape = {"n_inputs": size, "n_outputs": size, "anchor_share": 0.0, "dmd": panel, "laser": laser}
    device = kind.build(kind.settings(**shape, seed=7, medium=medium, compute="cuda"))
    device.open()
    device.configure(Acquisition(1e-4))
    frames = cp.random.randint(0, 256, (batch, -(-size // 8)), dtype=cp.uint8)
    if size % 8:
        frames[:, -1] &= (0xFF << (8 - size % 8)) & 0xFF
    started = time.perf_counter()
    device.measure(frames)
    cp.cuda.Device().synchronize()
    first = time.perf_counter() - started
    times = []
    for _ in range(repeats):
        begin, end = cp.cuda.Event(), cp.cuda.Event()
        begin.record()
        device.measure(frames)
        end.record()
        end.synchronize()
        times.append(cp.cuda.get_elapsed_time(begin, end))
    device.close()
    cp.get_default_memory_pool().free_all_blocks()
    per_vector = float(np.median(times)) / batch
    return {
        "medium": medium,
        "size": size,
        "batch": batch,
        "first_call_s": first,
        "ms_per_vector": per_vector,
        "vectors_per_s": 1000 / per_vector,
        "times_a_real_opu": REAL_MS / per_vector,
    }


def main() -> None:
    """Print the table; write it as JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    name = cp.cuda.runtime.getDeviceProperties(0)["name"].decode()
    print(f"{name}, CuPy {cp.__version__}")
    print(f"{'medium':<11}{'size':>9}{'batch':>7}{'first s':>9}{'ms/vector':>11}{'vectors/s':>11}{'x 2 kHz':>9}")
    rows = []
    for medium, size, batch in CASES:
        row = measure(medium, size, batch, arguments.repeats)
        rows.append(row)
        print(
            f"{medium:<11}{size:>9}{batch:>7}{row['first_call_s']:>9.2f}{row['ms_per_vector']:>11.4f}"
            f"{row['vectors_per_s']:>11.0f}{row['times_a_real_opu']:>9.1f}",
            flush=True,
        )
    if arguments.json:
        arguments.json.write_text(json.dumps({"device": name, "cupy": cp.__version__, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
