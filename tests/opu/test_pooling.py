"""Several devices as one: outputs side by side, limits that all share, and nothing left lit."""

import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from opu import OPU
from opu.device import Acquisition
from opu.errors import ConfigError, DeviceClosed, DeviceError, DeviceLost, InputError
from opu.pooling import PooledDevice
from opu.testing import ReferenceDevice

N_INPUTS = 24
FRAMES = np.random.default_rng(3).random((9, N_INPUTS)) < 0.5
EXPOSURE = Acquisition(1e-3)


class Lab(ReferenceDevice):
    """A stored matrix of its own seed, whose spec and status can be set and whose calls can be made to fail."""

    def __init__(self, n_outputs: int = 10, seed: int = 0, n_inputs: int = N_INPUTS, anchor: int | None = 5, **spec):
        rng = np.random.default_rng(seed)
        matrix = rng.standard_normal((n_outputs, n_inputs)) + 1j * rng.standard_normal((n_outputs, n_inputs))
        if anchor is not None:
            matrix[:, anchor] *= 6
        super().__init__(matrix, anchor_input=anchor, brightness=1e5)
        self._spec = replace(self._spec, serial=f"lab-{seed}", **spec)
        self.fails: dict[str, BaseException] = {}
        self.telling: dict[str, object] = {}
        self.threads: set[int] = set()
        self.delay_s, self.finished = 0.0, 0

    def _call(self, name: str) -> None:
        if name in self.fails:
            raise self.fails[name]

    def open(self) -> None:
        self._call("open")
        super().open()

    def close(self) -> None:
        super().close()
        self._call("close")

    def configure(self, acquisition):
        self._call("configure")
        return super().configure(acquisition)

    def measure(self, frames):
        self.threads.add(threading.get_ident())
        time.sleep(self.delay_s)
        self._call("measure")
        self.finished += 1
        return super().measure(frames)

    def status(self):
        return replace(super().status(), **self.telling)


def three() -> list[Lab]:
    return [Lab(10, 0), Lab(7, 1), Lab(4, 2)]


def opened(devices: list[Lab]) -> PooledDevice:
    pool = PooledDevice(devices)
    pool.open()
    pool.configure(EXPOSURE)
    return pool


def alone(device: Lab):
    device.open()
    device.configure(EXPOSURE)
    readings = device.measure(FRAMES)
    device.close()
    return readings


def test_outputs_stand_side_by_side_and_each_device_has_its_thread():
    expected = np.concatenate([alone(device) for device in three()], axis=1)
    devices = three()
    for device in devices:
        device.delay_s = 0.05
    pool = opened(devices)
    np.testing.assert_array_equal(pool.measure(FRAMES), expected)
    np.testing.assert_array_equal(pool.measure(np.packbits(FRAMES, axis=1)), expected)
    assert pool.spec.n_outputs == 21
    assert threading.get_ident() not in set().union(*(device.threads for device in devices))
    pool.close()
    assert not any(device.status().is_open for device in devices)


def test_a_device_keeps_its_thread_from_batch_to_batch():
    devices = three()
    pool = opened(devices)
    for _ in range(20):
        pool.measure(FRAMES)
    assert [len(device.threads) for device in devices] == [1, 1, 1]
    assert len(set().union(*(device.threads for device in devices))) == 3
    pool.close()


def test_a_pool_projects_like_its_devices():
    e = np.random.default_rng(1).standard_normal((4, N_INPUTS - 1))
    devices = [Lab(300, 0), Lab(200, 1)]
    with OPU(PooledDevice(devices)) as pool:
        z = pool.linear_transform(e)
    for device, part in zip(devices, np.split(z, [300], axis=1), strict=True):
        a, data = device.matrix[:, 5], np.delete(device.matrix, 5, axis=1)
        expected = np.sqrt(2) * np.real(data * (a.conj() / np.abs(a))[:, None]) @ e.T
        assert np.corrcoef(part.ravel(), expected.T.ravel())[0, 1] > 0.99


def test_the_spec_is_what_all_can_do():
    one = Lab(10, 0, exposure_min_s=1e-5, exposure_max_s=0.5, frame_rate_hz=300.0, saturation_dn=60000)
    two = Lab(5, 1, exposure_min_s=2e-5, exposure_max_s=1.0, frame_rate_hz=900.0, can_blank=False, response="b")
    spec = PooledDevice([one, two]).spec
    assert (spec.exposure_min_s, spec.exposure_max_s, spec.frame_rate_hz) == (2e-5, 0.5, 300.0)
    assert (spec.n_inputs, spec.anchor_input, spec.bit_depth, spec.saturation_dn) == (N_INPUTS, 5, 16, 60000)
    assert (spec.n_outputs, spec.can_blank, spec.serial, spec.kind) == (15, False, "lab-0 + lab-1", "pool")
    assert PooledDevice([two, one]).spec.fingerprint != spec.fingerprint
    assert PooledDevice([one, Lab(5, 1, response="c")]).spec.response != spec.response


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (Lab(4, 1, n_inputs=25), r"device 0 \(reference 'lab-0'\) and device 2 \(reference 'lab-1'\).*n_inputs is 24 and 25"),
        (Lab(4, 1, anchor=6), "anchor_input is 5 and 6"),
        (Lab(4, 1, anchor=None), "anchor_input is 5 and None"),
        (Lab(4, 1, bit_depth=12), "bit_depth is 16 and 12"),
        (Lab(4, 1, exposure_min_s=1.5, exposure_max_s=2.0), "none in common"),
        (Lab(10, 0), "same medium|repeat the other's"),
    ],
)  # fmt: skip
def test_devices_that_do_not_fit_together_are_named(other, message):
    with pytest.raises(ConfigError, match=message):
        PooledDevice([Lab(10, 0), Lab(10, 3), other])


def test_no_devices_and_other_processes_are_refused():
    with pytest.raises(ConfigError, match="no devices"):
        PooledDevice([])
    with ProcessPoolExecutor(1) as processes, pytest.raises(ConfigError, match="ThreadPoolExecutor"):
        PooledDevice(three(), processes)  # type: ignore[arg-type]


def test_a_device_that_does_not_open_leaves_none_open():
    devices = three()
    devices[1].fails["open"] = DeviceLost("no answer from the camera; check its cable")
    pool = PooledDevice(devices)
    with pytest.raises(DeviceLost, match=r"^device 1 \(reference 'lab-1'\): no answer") as caught:
        pool.open()
    assert type(caught.value) is DeviceLost
    assert not any(device.status().is_open for device in devices)
    assert not pool.status().is_open
    with pytest.raises(DeviceClosed):
        pool.measure(FRAMES)


def test_a_device_that_is_open_elsewhere_is_not_closed_by_the_pool():
    devices = three()
    devices[1].open()
    with pytest.raises(DeviceError, match="already open"):
        PooledDevice(devices).open()
    assert [device.status().is_open for device in devices] == [False, True, False]


def test_close_closes_every_device_even_if_some_fail():
    devices = three()
    pool = opened(devices)
    devices[0].fails["close"] = DeviceError("shutter stuck; close it by hand")
    devices[1].fails["close"] = OSError("bus error")
    with pytest.raises(DeviceError, match=r"device 0 .*shutter stuck") as caught:
        pool.close()
    assert any("bus error" in note for note in caught.value.__notes__)
    assert not any(device.status().is_open for device in devices)
    for device in devices:
        device.fails.clear()
    pool.close()
    assert not pool.status().is_open


def test_an_error_is_raised_with_the_devices_name_after_all_have_finished():
    devices = three()
    pool = opened(devices)
    devices[0].fails["measure"] = DeviceLost("camera gone; check its cable")
    devices[2].delay_s = 0.2
    with pytest.raises(DeviceLost, match=r"^device 0 \(reference 'lab-0'\): camera gone"):
        pool.measure(FRAMES)
    assert devices[2].finished == 1
    assert all(device.status().is_open for device in devices)
    devices[0].fails["measure"] = OSError("bus error")
    with pytest.raises(OSError, match="bus error") as caught:
        pool.measure(FRAMES)
    assert any("device 0 (reference 'lab-0')" in note for note in caught.value.__notes__)
    devices[0].fails.clear()
    assert pool.measure(FRAMES).shape == (9, 21)
    pool.close()


def test_bad_frames_reach_no_device():
    devices = three()
    pool = opened(devices)
    with pytest.raises(InputError):
        pool.measure(FRAMES[:, 1:])
    assert [device.threads for device in devices] == [set(), set(), set()]
    pool.close()


def test_a_refused_acquisition_changes_no_device():
    devices = three()
    pool = PooledDevice(devices)
    pool.open()
    devices[2].fails["configure"] = DeviceError("laser interlock open; close the lid")
    with pytest.raises(DeviceError, match=r"device 2 .*interlock"):
        pool.configure(EXPOSURE)
    assert not pool.status().light_on  # what had been lit is blanked
    assert pool.status().acquisition is None
    devices[2].fails.clear()
    before = pool.configure(EXPOSURE)
    devices[2].fails["configure"] = DeviceError("laser interlock open; close the lid")
    with pytest.raises(DeviceError):
        pool.configure(Acquisition(2e-3))
    assert [device.status().acquisition for device in devices] == [before] * 3
    assert pool.status().acquisition == before
    pool.close()


def test_limits_are_checked_before_any_device_is_touched():
    devices = [Lab(4, 0), Lab(4, 1, exposure_max_s=0.1)]
    pool = opened(devices)
    with pytest.raises(DeviceError, match=r"exposure_s = 0.2 s is outside 1e-06 to 0.1 s.*all its devices share"):
        pool.configure(Acquisition(0.2))
    assert devices[0].status().acquisition == pool.status().acquisition
    pool.close()


def test_status_sums_up():
    devices = three()
    pool = PooledDevice(devices)
    assert pool.status().light_on is False
    devices[0].telling = {"light_on": None, "frames_shown": 3, "frames_dropped": 2, "device_seconds": 1.0}
    devices[1].telling = {"frames_shown": 5, "frames_dropped": 1, "temperature_c": 31.0, "message": "warm"}
    assert pool.status().light_on is None
    devices[2].telling = {"light_on": True, "interlock": "open", "saturated_fraction": 0.5, "temperature_c": 25.0}
    status = pool.status()
    assert (status.light_on, status.interlock, status.temperature_c) == (True, "open", 31.0)
    assert (status.frames_shown, status.frames_dropped, status.device_seconds) == (5, 3, 1.0)
    assert status.saturated_fraction == pytest.approx(0.5 * 4 / 21)
    assert status.message == "device 1 (reference 'lab-1'): warm"


def test_a_pool_on_the_callers_threads_leaves_them_running():
    with ThreadPoolExecutor(1) as executor:
        pool = PooledDevice(three(), executor)
        pool.open()
        pool.configure(EXPOSURE)
        assert pool.measure(FRAMES).shape == (9, 21)
        pool.close()
        assert executor.submit(int).result() == 0
