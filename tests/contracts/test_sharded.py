"""A device whose outputs are shared out, and devices pooled side by side, keep every law of opu.testing."""

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from opu.device import Acquisition
from opu.kinds import load_kind
from opu.pooling import PooledDevice
from opu.shard import Shard
from opu.sharding import ShardedDevice
from opu.testing import LAWS, Subject

N_INPUTS, N_OUTPUTS = 20, 162
SETTINGS = {"n_inputs": N_INPUTS, "n_outputs": N_OUTPUTS, "preset": "typical", "seed": 11}


@pytest.fixture(scope="module")
def threads() -> Iterator[Executor]:
    with ThreadPoolExecutor(2) as executor:
        yield executor


@pytest.fixture(scope="module")
def processes() -> Iterator[Executor]:
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as executor:
        yield executor


def sharded(executor: Executor, **parameters: object) -> Subject:
    shards = Shard("sim", SETTINGS | parameters).split(3)
    return Subject(make=lambda: ShardedDevice(shards, executor), repeatable=True, similarity=0.95)


MOVING = {
    "preset": "harsh",
    "laser": {"power_w": 10e-3},
    "speckle": {"region": [9, 18], "grain_px": 2.0, "polarisation": 0.8, "drift_time_s": 5.0},
    "faults": {"dropped_fraction": 0.1, "first_trigger_lost": True, "trigger_timeout_s": 0.01},
}
"""Drift, grain, losses: readings depend on the time, and the time on what went wrong."""


def pooled(executor: ThreadPoolExecutor | None) -> Subject:
    sim = load_kind("sim")
    tables = [SETTINGS | {"seed": seed, "n_outputs": n_outputs} for seed, n_outputs in ((1, 80), (2, 50), (3, 32))]
    settings = [sim.settings.model_validate(table) for table in tables]
    return Subject(
        make=lambda: PooledDevice([sim.build(each) for each in settings], executor), repeatable=True, similarity=0.95
    )


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())
def test_shards_on_threads_keep_law(law, threads):
    law(sharded(threads))


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())
def test_shards_on_processes_keep_law(law, processes):
    law(sharded(processes, preset="harsh", camera={"bit_depth": 12}))


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())
def test_shards_of_a_moving_bench_keep_law(law, threads):
    law(sharded(threads, **MOVING))


@pytest.mark.parametrize("duplicated_fraction", [0.0, 0.3])
def test_time_faults_and_drift_are_those_of_one_device(threads, processes, duplicated_fraction):
    """Bit for bit, over calls, configure() and the end of a worker's memory, and so are seconds, joules and losses."""
    faults = MOVING["faults"] | {"duplicated_fraction": duplicated_fraction}
    table = SETTINGS | MOVING | {"faults": faults, "reference": {"arm": "phase", "coherence_time_s": 0.05}}
    sim = load_kind("sim")
    whole = sim.build(sim.settings.model_validate(table))
    parts = ShardedDevice(Shard("sim", table).split(3), threads)
    frames = np.random.default_rng(0).random((30, N_INPUTS + 1)) < 0.5
    for device in (whole, parts):
        device.open()
        device.configure(Acquisition(1e-3, reference_rad=(0.0, 2.0)))
    assert np.array_equal(whole.measure(frames[:8]), parts.measure(frames[:8]))
    for device in (whole, parts):
        device.configure(Acquisition(2e-3))
    parts.executor = processes  # workers that have seen nothing yet
    for some in (frames[8:9], frames[9:]):
        assert np.array_equal(whole.measure(some), parts.measure(some))
    one, other = whole.status(), parts.status()
    assert one.frames_dropped > 2
    assert replace(other, message="") == one


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())
@pytest.mark.parametrize("shared", [False, True], ids=["own threads", "shared threads"])
def test_pooled_devices_keep_law(law, shared, threads):
    law(pooled(threads if shared else None))
