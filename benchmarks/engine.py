"""The projection engine against stored matrices and its rivals: ratios of medians, in one process, threads pinned.

    uv run python benchmarks/engine.py [--threads 1] [--quick] [--huge] [--json FILE] [--plot FILE]

Peers: a stored matrix as two float32 products (the baseline) or one complex64 product; scikit-learn's Gaussian projection;
PyTorch where it is installed; the archived OPU simulator (lightonml 1.4.3, transcribed: |x @ M|^2 with a stored complex
matrix, its two lines of arithmetic). Inputs are binary, half of them on; entries of ours are hashed on the fly, every time.
One thread is timed by CPU time.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from machine import cpu_name, pin_threads

CHOICE = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
CHOICE.add_argument("--threads", type=int, default=1, help="threads of ours and of every peer")
CHOICE.add_argument("--quick", action="store_true", help="small sizes: a look, not a measurement")
CHOICE.add_argument(
    "--huge", action="store_true", help="2^20 x 2^20 too, dense and structured, time and memory (minutes)"
)
CHOICE.add_argument("--json", type=Path)
CHOICE.add_argument("--plot", type=Path)
ARGUMENTS = CHOICE.parse_args() if __name__ == "__main__" else CHOICE.parse_args([])
pin_threads(ARGUMENTS.threads)

import numpy as np  # noqa: E402
from contenders import archived_matrix, archived_transform, light_only, simulator  # noqa: E402
from timing import median_s  # noqa: E402

import opu  # noqa: E402


def against_stored(n: int, batch: int, n_outputs: int) -> dict[str, Any]:
    """One row: our time, and every peer's relative to the pair of float32 products."""
    rng = np.random.default_rng(0)
    frames = rng.random((batch, n)) < 0.5
    x = frames.astype(np.float32)
    real, imaginary = rng.standard_normal((2, n, n_outputs), dtype=np.float32)
    baseline = median_s(lambda: (x @ real, x @ imaginary))
    matrix = (real + 1j * imaginary).astype(np.complex64)
    single = x.astype(np.complex64)
    return {
        "size": n,
        "batch": batch,
        "outputs": n_outputs,
        "baseline_ms": baseline * 1e3,
        "complex64": median_s(lambda: single @ matrix, 3) / baseline,
        "lightonml": median_s(partial(archived_transform, x, matrix), 3) / baseline,
        "torch": _torch(x, real, imaginary, baseline),
        "weighted": median_s(light_only(simulator(n, n_outputs, laser={"profile": "gaussian"}), frames), 3) / baseline,
        "ours": median_s(light_only(simulator(n, n_outputs), frames)) / baseline,
    }


def _torch(x: np.ndarray, real: np.ndarray, imaginary: np.ndarray, baseline: float) -> float | None:
    try:
        import torch
    except ImportError:
        return None
    torch.set_num_threads(ARGUMENTS.threads)
    tx, tr, ti = (torch.from_numpy(array) for array in (x, real, imaginary))
    return median_s(lambda: (tx @ tr, tx @ ti), 3) / baseline


def against_archived(n: int, batch: int) -> dict[str, Any]:
    """The whole of n x n: the archived simulator stores its matrix, we make ours each time; set-up and memory apart."""
    frames = np.random.default_rng(0).random((batch, n)) < 0.5
    x = frames.astype(np.float32)
    started = time.perf_counter()
    matrix = archived_matrix(n, n, 0)
    their_setup = time.perf_counter() - started
    theirs = median_s(partial(archived_transform, x, matrix), 3)
    their_bytes = matrix.nbytes
    del matrix
    started = time.perf_counter()
    device = simulator(n, n)
    packed = np.packbits(frames, axis=1)
    our_setup = time.perf_counter() - started
    ours = median_s(lambda: device.measure(packed))
    row = {
        "size": n,
        "batch": batch,
        "time_ratio": ours / theirs,
        "ours_ms": ours * 1e3,
        "setup_s": [our_setup, their_setup],
    }
    row["their_matrix_mib"] = their_bytes / 2**20
    if not ARGUMENTS.quick:
        from sklearn.random_projection import GaussianRandomProjection

        started = time.perf_counter()
        projection = GaussianRandomProjection(n, random_state=0).fit(x)
        row["sklearn_setup_s"] = time.perf_counter() - started
        # One real projection; the two of a complex medium take twice that.
        row["sklearn_ratio"] = ours / (2 * median_s(lambda: projection.transform(x), 3))
    return row


def feedback_overhead(n_outputs: int) -> dict[str, Any]:
    """linear_transform on a DFA shape against the device's own time for the same frames."""
    errors = np.random.default_rng(0).standard_normal((128, 10))
    with opu.open("sim", n_inputs=10, n_outputs=n_outputs, seed=1, encoding="ternary", retrieval="anchor2") as o:
        o.calibrate(fill=0.2)
        whole = median_s(lambda: o.linear_transform(errors), 9)
        frames = np.packbits(np.random.default_rng(0).random((256, 11)) < 0.3, axis=1)
        device = median_s(lambda: o.device.measure(frames), 9)
    return {"outputs": n_outputs, "ms": whole * 1e3, "over_device": whole / device}


def camera_ns(**camera: float) -> float:
    """The fused camera, ns per pixel."""
    device = simulator(64, 16384, camera=camera)
    photons = np.random.default_rng(0).exponential(2000, (64, 16384)).astype(np.float32)
    return median_s(lambda: device.camera.read(photons, 1e-3, 0)) / photons.size * 1e9


def structured(n: int, batch: int = 4) -> dict[str, Any]:
    """The whole device path, and its floor: three transforms of SciPy."""
    from scipy import fft

    device = simulator(n, n, "structured")
    frames = np.packbits(np.random.default_rng(0).random((batch, n)) < 0.5, axis=1)
    started = time.perf_counter()
    device.measure(frames[:1])
    first = time.perf_counter() - started
    field = np.random.default_rng(0).standard_normal(2 * n, dtype=np.float32).view(np.complex64)
    transform = median_s(lambda: fft.fft(field, workers=1))
    path = median_s(lambda: device.measure(frames), 3) / batch
    return {"size": n, "ms_per_vector": path * 1e3, "over_three_ffts": path / (3 * transform), "first_call_s": first}


def huge(medium: str) -> dict[str, Any]:
    """2^20 x 2^20, a batch of 16 packed frames, in a process of its own: time and peak memory."""
    device = simulator(2**20, 2**20, medium)
    frames = np.random.default_rng(0).integers(0, 256, (16, 2**17), dtype=np.uint8)
    started = time.perf_counter()
    device.measure(frames)
    seconds = time.perf_counter() - started
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"medium": medium, "seconds": seconds, "s_per_vector": seconds / 16, "peak_mib": peak_mib}


def main() -> None:
    """Print every table; write JSON and the plot where asked."""
    opu.set_num_threads(ARGUMENTS.threads)
    machine = {
        "cpu": cpu_name(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "threads": ARGUMENTS.threads,
    }
    print(f"{machine['cpu']}; Python {machine['python']}, NumPy {machine['numpy']}, {ARGUMENTS.threads} thread(s)")
    n = 2**12 if ARGUMENTS.quick else 2**14
    print(f"\ntime relative to a stored pair of float32 products, n = {n}, half of the inputs on")
    print(f"{'batch':>6}{'ours':>8}{'weighted':>10}{'complex64':>11}{'lightonml':>11}{'torch':>8}{'baseline ms':>13}")
    rows = []
    for batch, outputs in ((1, 4096), (16, 2048), (128, 1024), (1024, 512)):
        row = against_stored(n, batch, min(outputs, n))
        rows.append(row)
        torch = "-" if row["torch"] is None else f"{row['torch']:.2f}"
        print(
            f"{batch:>6}{row['ours']:>8.3f}{row['weighted']:>10.3f}{row['complex64']:>11.2f}{row['lightonml']:>11.2f}"
            f"{torch:>8}{row['baseline_ms']:>13.1f}",
            flush=True,
        )
    archived = [against_archived(2**11 if ARGUMENTS.quick else 2**13, batch) for batch in (1, 64)]
    print("\nwhole device path against the archived simulator (its matrix stored, its set-up apart) and scikit-learn")
    for row in archived:
        sklearn = f", {row['sklearn_ratio']:.2f} of scikit-learn's" if "sklearn_ratio" in row else ""
        print(
            f"  n = {row['size']}, batch {row['batch']}: {row['time_ratio']:.2f} of its time{sklearn}; "
            f"set-up {row['setup_s'][0]:.3f} s against {row['setup_s'][1]:.1f} s; "
            f"its matrix {row['their_matrix_mib']:.0f} MiB, ours none",
            flush=True,
        )
    camera, exact = camera_ns(), camera_ns(read_noise_e=0.5)
    print(f"\ncamera, fused: {camera:.2f} ns/pixel; exact Poisson, read noise 0.5 e: {exact:.1f} ns/pixel")
    feedback = [feedback_overhead(outputs) for outputs in (1024, 100_000)]
    for row in feedback:
        print(
            f"linear_transform, 128 errors of 10 to {row['outputs']}: {row['ms']:.2f} ms, "
            f"{row['over_device']:.2f} x the device's own"
        )
    sizes = [structured(2**k) for k in ((14,) if ARGUMENTS.quick else (14, 17, 20))]
    for row in sizes:
        print(
            f"structured, n = {row['size']}: {row['ms_per_vector']:.2f} ms/vector, camera included, "
            f"{row['over_three_ffts']:.2f} x three FFTs; first call of a seed {row['first_call_s'] * 1e3:.0f} ms",
            flush=True,
        )
    result: dict[str, Any] = {
        "machine": machine,
        "stored": rows,
        "archived": archived,
        "camera_ns": camera,
        "exact_camera_ns": exact,
        "feedback": feedback,
    }
    result["structured"] = sizes
    if ARGUMENTS.huge:
        result["huge"] = [_in_own_process(medium) for medium in ("structured", "dense")]
        for row in result["huge"]:
            print(
                f"2^20 x 2^20, {row['medium']}, 16 frames: {row['s_per_vector']:.2f} s/vector, "
                f"peak memory {row['peak_mib']:.0f} MiB",
                flush=True,
            )
    if ARGUMENTS.json:
        ARGUMENTS.json.write_text(json.dumps(result, indent=1) + "\n")
    if ARGUMENTS.plot:
        _plot(rows, machine, ARGUMENTS.plot)


def _in_own_process(medium: str) -> dict[str, Any]:
    import subprocess

    code = "import json, opu; from engine import huge; "
    code += f"opu.set_num_threads({ARGUMENTS.threads}); print(json.dumps(huge({medium!r})))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent, capture_output=True, text=True, check=True
    )
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def _plot(rows: list[dict[str, Any]], machine: dict[str, Any], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    peers = {
        "ours": "openopu, hashed on the fly",
        "complex64": "stored complex64",
        "lightonml": "archived OPU simulator",
    }
    for k, (key, label) in enumerate(peers.items()):
        axes.bar([i + 0.27 * (k - 1) for i in range(len(rows))], [row[key] for row in rows], 0.25, label=label)
    axes.axhline(1, color="black", linewidth=1, linestyle=":")
    axes.set_xticks(range(len(rows)), [f"{row['batch']}" for row in rows])
    axes.set_xlabel("batch")
    axes.set_ylabel("time / stored float32 pair")
    axes.set_title(f"n = {rows[0]['size']}, {machine['threads']} thread(s), {machine['cpu']}")
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
