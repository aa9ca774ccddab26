"""A device whose outputs are shared out, and devices pooled side by side, keep every law of opu.testing."""

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor

import pytest

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
@pytest.mark.parametrize("shared", [False, True], ids=["own threads", "shared threads"])
def test_pooled_devices_keep_law(law, shared, threads):
    law(pooled(threads if shared else None))
