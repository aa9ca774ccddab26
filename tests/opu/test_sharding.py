"""Outputs shared out over workers: the readings of one process, from any executor, after any loss."""

import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

import opu
from opu import shard as shards_module
from opu.device import Acquisition
from opu.errors import ConfigError, DeviceClosed, DeviceError, DeviceLost
from opu.frames import pack
from opu.kinds import DeviceKind, load_kind
from opu.shard import Seekable, Shard, measure_shard
from opu.sharding import ShardedDevice, sharded

N_INPUTS = 20
FRAMES = np.random.default_rng(3).random((9, N_INPUTS)) < 0.5
EXPOSURE = Acquisition(1e-3)


class Inline(Executor):
    """Runs tasks at once, in this thread; does not tell how many workers it has."""

    def submit(self, fn, /, *args, **kwargs):
        future: Future = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future


@pytest.fixture(autouse=True)
def _forget_devices():
    yield
    shards_module._held.clear()


def spawning(n: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(n, mp_context=multiprocessing.get_context("spawn"))


def whole_readings(kind: str = "toy", frames=FRAMES, **settings):
    device = Shard(kind, settings).build()
    device.open()
    try:
        device.configure(EXPOSURE)
        return device.measure(frames)
    finally:
        device.close()


def toy_device(executor: Executor, n: int = 2, **settings) -> ShardedDevice:
    settings = {"n_outputs": 42, **settings}
    device = ShardedDevice(Shard("toy", settings).split(n), executor)
    device.open()
    device.configure(EXPOSURE)
    return device


def kill_one_at_work(trace: Path, timeout_s: float = 30.0) -> threading.Thread:
    """Kills the first process that leaves its id in the folder."""

    def kill() -> None:
        end = time.monotonic() + timeout_s
        while not (found := list(trace.iterdir())) and time.monotonic() < end:
            time.sleep(0.01)
        time.sleep(0.05)
        os.kill(int(found[0].name), getattr(signal, "SIGKILL", signal.SIGTERM))

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


@given(st.integers(0, 50), st.integers(1, 400), st.data())
def test_shards_tile_the_outputs_at_multiples_of_four(first, n_outputs, data):
    start = 4 * first
    whole = Shard("toy", {"n_outputs": start + n_outputs, "outputs": (start, start + n_outputs)})
    n = data.draw(st.integers(1, whole.most_shards))
    ranges = [shard.range for shard in whole.split(n)]
    assert len(ranges) == n
    assert [output for pair in ranges for output in range(*pair)] == list(range(start, start + n_outputs))
    assert all(begin % 4 == 0 for begin, _ in ranges)
    sizes = [-(-stop // 4) - begin // 4 for begin, stop in ranges]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("n", [0, -1, 12])
def test_impossible_numbers_of_shards_are_refused(n):
    with pytest.raises(ConfigError, match=rf"shards = {n}: outputs 0 to 41 make 1 to 11 shards"):
        Shard("toy", {"n_outputs": 42}).split(n)


@pytest.mark.parametrize("n", [1, 2, 3, 11])
def test_readings_are_those_of_one_device(toy, n):
    expected = whole_readings(seed=4)
    with ThreadPoolExecutor(3) as threads:
        device = toy_device(threads, n, seed=4)
        got = [device.measure(FRAMES[:2]), device.measure(pack(FRAMES[2:5])), device.measure(FRAMES[5:])]
        np.testing.assert_array_equal(np.concatenate(got), expected)
        status = device.status()
        assert (status.frames_shown, status.light_on, status.is_open) == (9, True, True)
        assert status.device_seconds == pytest.approx(9e-3)
        device.close()
        assert not device.status().is_open
        assert threads.submit(int).result() == 0  # the executor is the caller's
        with pytest.raises(DeviceClosed, match=f"in {n} shards is not open"):
            device.measure(FRAMES)


@pytest.mark.parametrize("preset", ["ideal", "typical", "harsh"])
def test_a_sharded_simulator_is_the_simulator(preset):
    rng = np.random.default_rng(0)
    x, e = rng.random((5, 30)) < 0.5, rng.standard_normal((3, 30))
    parameters = {"n_inputs": 30, "n_outputs": 202, "preset": preset, "seed": 9}
    with opu.open("sim", **parameters) as one, opu.open("sim", **parameters, executor=Inline(), shards=3) as many:
        assert many.spec == one.spec
        for k in range(2):
            np.testing.assert_array_equal(many.transform(x[k:]), one.transform(x[k:]))
        np.testing.assert_array_equal(many.linear_transform(e), one.linear_transform(e))
        assert many.calibration is not None
        many.calibration.check(one.spec)
        assert many.status().frames_shown == one.status().frames_shown
        assert many.status().saturated_fraction == pytest.approx(one.status().saturated_fraction)


def test_a_range_of_a_simulator_can_be_sharded_in_turn():
    sim = load_kind("sim")
    settings = sim.settings(n_inputs=20, n_outputs=200, outputs=(100, 178))  # type: ignore[call-arg]
    device = sharded(sim, settings, Inline(), 3)
    assert [shard.outputs for shard in device.shards] == [(100, 124), (124, 152), (152, 178)]
    frames = np.concatenate([FRAMES, FRAMES[:, :1]], axis=1)
    one = sim.build(settings)
    for each in (one, device):
        each.open()
        each.configure(EXPOSURE)
    np.testing.assert_array_equal(device.measure(frames), one.measure(frames))


def test_spawned_processes_give_the_same_and_a_killed_one_is_a_lost_device(toy):
    expected = whole_readings(seed=4)
    settings = {"seed": 4, "trace": str(toy), "delay_s": 0.5}
    with spawning(2) as pool:
        device = toy_device(pool, **settings)
        np.testing.assert_array_equal(device.measure(FRAMES[:4]), expected[:4])
        assert str(os.getpid()) not in {file.name for file in toy.iterdir()}
        for file in toy.iterdir():
            file.unlink()
        killer = kill_one_at_work(toy)
        with pytest.raises(DeviceLost, match=r"toy device 'ref-0' in 2 shards lost its workers.*retries"):
            device.measure(FRAMES[4:])
        killer.join()
        with pytest.raises(DeviceLost):  # a broken pool stays broken
            device.measure(FRAMES[4:])
        assert device.status().frames_shown == 4
        device.close()
    with spawning(1) as pool:  # fresh workers take up where the lost ones were
        device = toy_device(pool, **settings)
        device.seek(4)
        np.testing.assert_array_equal(device.measure(FRAMES[4:]), expected[4:])


def test_a_task_may_be_repeated_and_a_worker_may_forget(toy):
    expected = whole_readings()
    shard = Shard("toy", {"n_outputs": 42}, (8, 20))
    acquisition = Acquisition(1e-3, 1e-3)
    for _ in range(2):
        for first in (5, 0):
            got = measure_shard(shard, acquisition, pack(FRAMES[first:]), first)
            np.testing.assert_array_equal(got, expected[first:, 8:20])
        shards_module._held.clear()


def test_devices_that_share_workers_do_not_disturb_one_another(toy):
    with ThreadPoolExecutor(2) as threads:
        devices = [toy_device(threads, seed=0), toy_device(threads, seed=0), toy_device(threads, seed=1)]
        devices[1].configure(Acquisition(5e-4))
        first = [device.measure(FRAMES[:5]) for device in devices]
        second = [device.measure(FRAMES[5:]) for device in reversed(devices)][::-1]
    np.testing.assert_array_equal(np.concatenate([first[0], second[0]]), whole_readings(seed=0))
    np.testing.assert_array_equal(np.concatenate([first[2], second[2]]), whole_readings(seed=1))
    assert first[1].sum() < first[0].sum()


def test_a_worker_keeps_few_devices_of_others(toy):
    for seed in range(30):
        toy_device(Inline(), 3, seed=seed).measure(FRAMES)
    assert len(shards_module._held) <= 3 + shards_module.OTHER_SHARDS_KEPT


@pytest.mark.parametrize("make", [lambda: ThreadPoolExecutor(2), lambda: spawning(1)], ids=["threads", "processes"])
def test_a_workers_error_arrives_as_itself_and_the_call_can_be_repeated(toy, make):
    with make() as executor:
        device = toy_device(executor, fail_at=7)
        with pytest.raises(DeviceError, match="frame 7 jams") as caught:
            device.measure(FRAMES)
        assert type(caught.value) is DeviceError
        assert device.status().frames_shown == 0
        np.testing.assert_array_equal(device.measure(FRAMES[:7]), whole_readings(frames=FRAMES[:7]))


def test_an_executor_that_was_shut_down_is_a_lost_device(toy):
    threads = ThreadPoolExecutor(2)
    device = toy_device(threads)
    threads.shutdown()
    with pytest.raises(DeviceLost, match=r"shut down.*new executor"):
        device.measure(FRAMES)


def test_shards_default_to_the_workers(toy):
    with ThreadPoolExecutor(3) as threads:
        for executor, n_outputs, n in ((threads, 42, 3), (Inline(), 42, 2), (threads, 5, 2), (Inline(), 3, 1)):
            with opu.open("toy", n_outputs=n_outputs, executor=executor) as o:
                assert isinstance(o.device, ShardedDevice)
                assert isinstance(o.device, Seekable)
                assert len(o.device.shards) == n
                assert "shards on" in o.status().message


class NoOutputs(BaseModel):
    n_outputs: int = 8


def test_what_cannot_be_sharded_says_why(toy):
    kind = DeviceKind("bench", "", NoOutputs, lambda settings: None)  # type: ignore[arg-type, return-value]
    with pytest.raises(ConfigError, match=r"'bench' cannot be sharded.*no field `outputs`.*PooledDevice"):
        sharded(kind, NoOutputs(), Inline())
    with pytest.raises(ConfigError, match=r"'toy-real' cannot be sharded.*seek.*PooledDevice"):
        opu.open("toy-real", executor=Inline())
    with pytest.raises(ConfigError, match=r"shards = 4 needs an executor.*ProcessPoolExecutor"):
        opu.open("toy", shards=4)
    with pytest.raises(ConfigError, match="unknown device kind 'nowhere'"):
        ShardedDevice([Shard("nowhere", {}, (0, 4))], Inline())
    with pytest.raises(ConfigError, match="settings without n_outputs"):
        Shard("toy", {}).split(2)


@pytest.mark.parametrize(
    "ranges",
    [[(0, 20)], [(0, 20), (24, 42)], [(20, 42), (0, 20)], [(0, 20), None], []],
    ids=["short", "gap", "order", "whole", "none"],
)
def test_shards_that_do_not_tile_a_device_are_refused(toy, ranges):
    with pytest.raises(ConfigError, match="split"):
        ShardedDevice([Shard("toy", {"n_outputs": 42}, outputs) for outputs in ranges], Inline())


def test_shards_of_two_devices_are_refused(toy):
    with pytest.raises(ConfigError, match="one device"):
        ShardedDevice([Shard("toy", {"seed": 0}, (0, 20)), Shard("toy", {"seed": 1}, (20, 42))], Inline())
