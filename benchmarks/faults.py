"""One epoch of training through an appliance while its link suffers faults of every kind, against the same epoch without any.

    python benchmarks/faults.py [--faults 1000] [--transport SOCKET] [--json benchmarks/results/faults.json]

Server, proxy and client are processes of their own. Readings, weights, metrics and the sequence of frames shown must be
equal to the bit, and neither memory, threads nor sockets may be left behind; exit status 1 otherwise.
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import os
import sys
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from machine import description, pin_threads

ROOT = Path(__file__).parents[1]
TRANSPORTS = ("SOCKET", "HiSLIP")
SIZES = {"n_inputs": 10, "preset": "typical", "seed": 5}
TIMEOUT_S, STALL_S = 0.3, 0.5
BLOCK_BYTES = 4096
GROWTH_MIB = 8.0
"""Resident memory may grow by this much: allocators keep some, a leak of one link a fault would be more."""


@dataclass
class Footprint:
    """What a process holds."""

    resident_mib: float
    traced_mib: float
    threads: int
    sockets: int


def main() -> int:
    """Run both epochs, print, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", type=int, default=1000)
    parser.add_argument("--transport", choices=TRANSPORTS, default="SOCKET")
    parser.add_argument("--hidden", type=int, default=1024, help="width of both hidden layers")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0, help="of the faults")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    pin_threads(1)
    result = measure(options)
    report(result)
    if options.json is not None:
        import_module("opu.files").write_atomic(options.json, json.dumps(result, indent=1) + "\n")
    return 0 if result["passed"] else 1


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Fault-free epoch, footprint, epoch with faults, footprint."""
    with _process(_serve, 2 * options.hidden) as server:
        resource, port = server.recv()[options.transport]
        with _process(_proxy, port, options.seed) as proxy:
            resource = resource.replace(str(port), str(proxy.recv()))
            _epoch(options, resource, proxy, None)  # once for whatever is loaded and kept on first use
            _ask(server, "trace")
            tracemalloc.start()
            clean = _epoch(options, resource, proxy, None)
            shown_clean, before = _ask(server, "look"), _footprint()
            carried = clean["carried"]
            faulty = _epoch(options, resource, proxy, _gaps(carried, options.faults), options.faults)
            shown, after = _ask(server, "look"), _footprint()
    right = {
        "epoch finished": faulty["steps"] == clean["steps"] > 0,
        "faults injected during the epoch": faulty["injected_total"] == options.faults,
        "readings equal to the bit": faulty["readings"] == clean["readings"],
        "metrics equal": faulty["metrics"] == clean["metrics"],
        "weights equal to the bit": faulty["weights"] == clean["weights"],
        "frames shown once, by the device's own count": shown["device_counter"] == shown_clean["device_counter"] > 0,
        "the same frames in the same order": shown["frames_sha256"] == shown_clean["frames_sha256"],
    }
    for who, one, two in (("client", before, after), ("server", shown_clean["footprint"], shown["footprint"])):
        right[f"{who}: memory flat"] = (
            two.resident_mib - one.resident_mib < GROWTH_MIB and two.traced_mib - one.traced_mib < GROWTH_MIB / 8
        )
        right[f"{who}: no thread or socket left"] = two.threads <= one.threads and two.sockets <= one.sockets
    return {
        "machine": description(1),
        "transport": options.transport,
        "hidden": [options.hidden] * 2,
        "steps": clean["steps"],
        "frames": shown["device_counter"],
        "faults": faulty["injected"],
        "faults_total": faulty["injected_total"],
        "told": faulty["message"],
        "blocks": {name: n - shown_clean["blocks"][name] for name, n in shown["blocks"].items()},
        "damaged_at_server": shown["damaged"] - shown_clean["damaged"],
        "megabytes": {"without": sum(carried.values()) / 1e6, "with": sum(faulty["carried"].values()) / 1e6},
        "seconds": {"without": clean["seconds"], "with": faulty["seconds"]},
        "metrics": clean["metrics"],
        "readings_sha256": clean["readings"],
        "footprint": {
            "client": {"before": asdict(before), "after": asdict(after)},
            "server": {"before": asdict(shown_clean["footprint"]), "after": asdict(shown["footprint"])},
        },
        "right": right,
        "passed": all(right.values()),
    }


def report(result: dict[str, Any]) -> None:
    """As text."""
    kinds = ", ".join(f"{n} {kind}" for kind, n in sorted(result["faults"].items()))
    print(f"{result['faults_total']} faults over {result['transport']}: {kinds}")
    seconds, megabytes = result["seconds"], result["megabytes"]
    print(
        f"{result['steps']} steps, {result['frames']} frames; {seconds['without']:.1f} s and {megabytes['without']:.2f} MB "
        f"without faults, {seconds['with']:.1f} s and {megabytes['with']:.2f} MB with"
    )
    print(f"client: {result['told']}")
    print(f"server: blocks {result['blocks']}, damaged {result['damaged_at_server']}")
    for who, footprint in result["footprint"].items():
        one, two = footprint["before"], footprint["after"]
        for name, digits in (("resident_mib", 1), ("traced_mib", 2), ("threads", 0), ("sockets", 0)):
            print(f"{who}: {name.replace('_', ' ')} {one[name]:.{digits}f} before, {two[name]:.{digits}f} after")
    for what, is_right in result["right"].items():
        print(f"  {'yes' if is_right else 'NO '} {what}")


def _gaps(carried: dict[str, int], n: int) -> tuple[int, int]:
    """Bytes between faults so that n fall into an epoch; what is sent again makes up for chance."""
    mean = sum(carried.values()) / n / 1.05
    return int(0.2 * mean), int(1.8 * mean)


# The client


class Recording:
    """A device whose readings are hashed on their way."""

    def __init__(self, device: Any) -> None:
        self._device, self.readings = device, sha256()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._device, name)

    def measure(self, frames: Any) -> Any:
        """Those of the device."""
        readings = self._device.measure(frames)
        self.readings.update(np.ascontiguousarray(readings).tobytes())
        return readings


def _epoch(
    options: argparse.Namespace, resource: str, proxy: Connection, gaps: tuple[int, int] | None, n: int = 0
) -> dict[str, Any]:
    """One epoch of the digits by optical DFA. Faults begin when it begins: opening and calibrating go before."""
    kinds, processor = import_module("opu.kinds"), import_module("opu.processor")
    run, settings = import_module("opu.training.run"), import_module("opu.training.settings")
    kind = kinds.load_kind("visa")
    device = Recording(
        kind.build(
            kind.settings(
                resource=resource, timeout_s=TIMEOUT_S, reconnect_s=60.0, block_bytes=BLOCK_BYTES, heartbeat_s=0.2
            )
        )
    )
    steps, message, told = 0, "", {}

    def begun(_: object) -> None:
        _ask(proxy, "begin", gaps, n)
        told["start"] = time.perf_counter()

    def stepped(*_: object) -> None:
        nonlocal steps
        steps += 1

    def done(_: object) -> None:
        nonlocal message
        told["seconds"] = time.perf_counter() - told["start"]
        told["proxy"] = _ask(proxy, "end")
        message = device.status().message

    with tempfile.TemporaryDirectory() as folder:
        wanted = settings.TrainSettings(
            dataset="digits", epochs=1, hidden=(options.hidden,) * 2, batch_size=options.batch, out=Path(folder)
        )

        @contextmanager
        def open_opu(resolved: Any, _: int, __: int) -> Iterator[Any]:
            with processor.OPU(device, encoding=resolved.encoding, retrieval=resolved.retrieval) as opu:
                yield opu

        result = run.run_training(wanted, open_opu, on_start=begun, on_batch=stepped, on_epoch=done)
        (checkpoint,) = Path(folder).glob("*/checkpoint.safetensors")
        weights = _weights(checkpoint)
    (record,) = result.history
    metrics = {key: value for key, value in record.as_json().items() if key != "seconds"}
    return {
        "steps": steps,
        "message": message,
        "seconds": told["seconds"],
        "readings": device.readings.hexdigest(),
        "metrics": metrics,
        "weights": weights,
        **told["proxy"],
    }


def _weights(checkpoint: Path) -> str:
    from safetensors import safe_open

    digest = sha256()
    with safe_open(checkpoint, "numpy") as file:
        for name in sorted(name for name in file.keys() if name.startswith("network/")):  # noqa: SIM118
            digest.update(file.get_tensor(name).tobytes())
    return digest.hexdigest()


# Other processes


@contextmanager
def _process(target: Callable[..., None], *arguments: Any) -> Iterator[Connection]:
    ours, its = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=target, args=(its, *arguments), daemon=True)
    process.start()
    try:
        yield ours
    finally:
        ours.send(("stop",))
        process.join(10)
        process.kill()
        ours.close()


def _ask(pipe: Connection, *question: Any) -> Any:
    pipe.send(question)
    return pipe.recv()


def _serve(pipe: Connection, n_outputs: int) -> None:
    serve, limits = import_module("opu.drivers.serve"), import_module("opu.drivers.limits")
    kind = import_module("opu.kinds").load_kind("sim")
    device = kind.build(kind.settings(**SIZES, n_outputs=n_outputs))
    digest = sha256()
    measure, opened = device.measure, device.open

    def counted(frames: Any) -> Any:
        readings = measure(frames)
        digest.update(np.ascontiguousarray(frames).tobytes())
        return readings

    def begun() -> None:
        nonlocal digest
        opened()
        digest = sha256()

    device.measure, device.open = counted, begun
    access = serve.Access("127.0.0.1:0", "127.0.0.1:0")
    with serve.Appliance(device, access, limits.Limits(keep_bytes=1 << 20, stall_s=1.0)) as appliance:
        ports = [listener.port for listener in appliance.listeners]
        pipe.send(dict(zip(TRANSPORTS, zip(appliance.resources, ports, strict=True), strict=True)))
        while (question := pipe.recv()[0]) != "stop":
            if question == "trace":
                tracemalloc.start()
                pipe.send("tracing")
                continue
            until = time.monotonic() + 10
            while any(listener.connections for listener in appliance.listeners) and time.monotonic() < until:
                time.sleep(0.05)
            pipe.send(
                {
                    "frames_sha256": digest.hexdigest(),
                    "device_counter": device.status().frames_shown,
                    "blocks": asdict(appliance.instrument.queue.counts),
                    "damaged": appliance.service.damaged,
                    "footprint": _footprint(),
                }
            )


def _proxy(pipe: Connection, port: int, seed: int) -> None:
    path = ROOT / "tests" / "drivers" / "fault_proxy.py"
    spec = spec_from_file_location("fault_proxy", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules["fault_proxy"] = module
    spec.loader.exec_module(module)
    with module.FaultProxy(port, module.Schedule(seed, (1, 1)), stall_s=STALL_S) as proxy:
        proxy.schedule.on = False
        pipe.send(proxy.port)
        while (question := pipe.recv())[0] != "stop":
            if question[0] == "begin":
                gaps, n = question[1:]
                proxy.schedule = module.Schedule(seed, gaps or (1, 1), at_most=n)
                proxy.schedule.on = gaps is not None
                pipe.send("begun")
            else:
                schedule = proxy.schedule
                schedule.on = False
                injected = dict(schedule.injected)
                pipe.send(
                    {"injected": injected, "injected_total": sum(injected.values()), "carried": dict(schedule.carried)}
                )


def _footprint() -> Footprint:
    gc.collect()
    with open("/proc/self/status") as file:
        resident = next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) / 1024
    sockets = 0
    for entry in os.listdir("/proc/self/fd"):
        try:
            sockets += os.readlink(f"/proc/self/fd/{entry}").startswith("socket:")
        except OSError:
            continue
    return Footprint(resident, tracemalloc.get_traced_memory()[0] / 2**20, threading.active_count(), sockets)


if __name__ == "__main__":
    sys.exit(main())
