"""A real Dask cluster of two worker processes on this machine: one is killed at work, and the readings stay the same."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import opu
from opu.device import Acquisition
from opu.errors import DeviceError, DeviceLost
from opu.shard import Shard
from opu.sharding import ShardedDevice

distributed = pytest.importorskip("distributed", reason="needs the extra `distributed`")

FRAMES = np.random.default_rng(3).random((9, 20)) < 0.5


@pytest.fixture
def client(toy: Path) -> Iterator["distributed.Client"]:
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address=None,
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
            memory_limit=0,
            silence_logs=50,
            local_directory=str(toy.parent),
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def measured(device, cuts=(3,)):
    device.open()
    try:
        device.configure(Acquisition(1e-3))
        return np.concatenate([device.measure(part) for part in np.split(FRAMES, cuts)])
    finally:
        device.close()


def kill_workers_at_work(trace: Path, times: int) -> tuple[threading.Thread, list[int]]:
    """Kills, one after the other, processes that leave their id in the folder; their ids go into the list."""
    killed: list[int] = []

    def kill() -> None:
        end = time.monotonic() + 60
        while len(killed) < times and time.monotonic() < end:
            for file in trace.iterdir():
                if int(file.name) not in killed:
                    time.sleep(0.1)
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(file.name), getattr(signal, "SIGKILL", signal.SIGTERM))
                        killed.append(int(file.name))
                    break
            time.sleep(0.01)

    thread = threading.Thread(target=kill)
    thread.start()
    return thread, killed


def test_a_worker_killed_at_work_changes_nothing(client, toy):
    settings = {"n_outputs": 42, "trace": str(toy), "delay_s": 0.5}
    workers = set(client.run(os.getpid).values())
    assert len(workers) == 2
    assert os.getpid() not in workers
    device = ShardedDevice(Shard("toy", settings).split(3), client.get_executor(retries=3))
    killer, killed = kill_workers_at_work(toy, 1)
    readings = measured(device)
    killer.join()
    assert len(killed) == 1
    assert killed[0] in workers
    np.testing.assert_array_equal(readings, measured(Shard("toy", {"n_outputs": 42}).build()))
    assert os.getpid() not in {int(file.name) for file in toy.iterdir()}


def test_a_simulator_on_a_cluster_is_the_simulator(client):
    rng = np.random.default_rng(0)
    x, e = rng.random((20, 30)) < 0.5, rng.standard_normal((10, 30))
    parameters = {"n_inputs": 30, "n_outputs": 202, "preset": "harsh", "seed": 9}
    executor = client.get_executor(retries=3)
    with opu.open("sim", **parameters) as one, opu.open("sim", **parameters, executor=executor) as many:
        assert len(many.device.shards) == 2
        np.testing.assert_array_equal(many.transform(x), one.transform(x))
        np.testing.assert_array_equal(many.linear_transform(e), one.linear_transform(e))


def test_an_error_in_a_worker_arrives_as_itself(client):
    device = ShardedDevice(Shard("toy", {"n_outputs": 42, "fail_at": 7}).split(2), client.get_executor())
    with pytest.raises(DeviceError, match="frame 7 jams") as caught:
        measured(device)
    assert type(caught.value) is DeviceError


def test_a_task_that_kills_every_worker_is_a_lost_device(client, toy):
    client.cluster.scheduler.allowed_failures = 0
    device = ShardedDevice(
        Shard("toy", {"n_outputs": 42, "trace": str(toy), "delay_s": 1.0}).split(1), client.get_executor()
    )
    killer, killed = kill_workers_at_work(toy, 1)
    with pytest.raises(DeviceLost, match=r"lost its workers \(KilledWorker.*nothing was measured"):
        measured(device)
    killer.join()
    assert len(killed) == 1
