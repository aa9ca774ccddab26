"""The client: the same to the bit as in process, whatever happens to its link."""

import gc
import json
import socket
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from opu.drivers import visa_device
from opu.drivers.instrument import Instrument
from opu.drivers.pipeline import frames_per_block
from opu.drivers.transport import LinkError
from opu.sim.device import SimulatedDevice
from opu.sim.settings import SimSettings

import opu
from opu.device import Acquisition
from opu.errors import ConfigError, DeviceClosed, DeviceError, DeviceLost, InputError

from .conftest import until
from .lamp import Lamp

SIM = {
    "n_inputs": 30,
    "n_outputs": 162,
    "preset": "harsh",
    "seed": 3,
    "speckle": {"drift_time_s": 5.0, "region": (9, 18), "grain_px": 2.0},
    "reference": {"arm": "phase", "coherence_time_s": 1.0},
    "faults": {"dropped_fraction": 0.05, "duplicated_fraction": 0.05},
}
"""Readings depend on frame numbers and time, so that a frame shown twice, lost or out of turn would change them."""


def simulated():
    return SimulatedDevice(SimSettings.model_validate(SIM))


def frames(n, width, seed=0):
    return np.random.default_rng(seed).random((n, width)) < 0.5


def lamp_readings(*batches):
    lamp = Lamp()
    lamp.open()
    lamp.configure(Acquisition(1e-3))
    return [lamp.measure(batch) for batch in batches]


@pytest.fixture(params=[0, 1], ids=["SOCKET", "HiSLIP"])
def transport(request):
    return request.param


@pytest.mark.parametrize("block_bytes", [4096, 1 << 20])
def test_it_is_the_device_in_process_bit_for_bit(transport, block_bytes, serve, connect):
    here, there = simulated(), connect(serve(simulated()).resources[transport], block_bytes=block_bytes)
    assert there.spec == here.spec
    here.open()
    there.open()
    shown = frames(60, here.spec.n_inputs)
    for wanted in (Acquisition(1e-4), Acquisition(1e-4, 0.01, True, (0.0, 2.1, 4.2)), Acquisition(2e-4, light=False)):
        assert there.configure(wanted) == here.configure(wanted)
        for batch in (shown[:3], shown, shown[:6]):
            assert np.array_equal(there.measure(batch), here.measure(batch))
        assert there.status() == here.status()
    there.close()
    here.close()
    assert not there.status().is_open


class Cut:
    """Cuts the link at chosen points of the client's conversation: before a message is sent, or before its reply is read."""

    def __init__(self, device, every, when):
        self.device, self.every, self.when, self.count = device, every, when, 0
        session = device._session
        self.exchange = session._exchange
        session._exchange = self._exchange

    def _exchange(self, *arguments, **keywords):
        self.count += 1
        if self.count % self.every:
            return self.exchange(*arguments, **keywords)
        session = self.device._session
        if self.when == "before":
            session.close()
            raise LinkError("cut before")
        self.exchange(*arguments, **keywords)
        session.close()
        raise LinkError("cut after")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("every", [7, 9])
def test_cut_links_change_nothing(when, every, transport, serve, connect):
    appliance = serve(simulated())
    here, there = simulated(), connect(appliance.resources[transport], block_bytes=4096)
    here.open()
    there.open()
    Cut(there, every, when)
    shown = frames(200, here.spec.n_inputs)
    for exposure_s in (1e-4, 2e-4):
        assert there.configure(Acquisition(exposure_s)) == here.configure(Acquisition(exposure_s))
        for batch in (shown, shown[:5]):
            assert np.array_equal(there.measure(batch), here.measure(batch))
    status, right = there.status(), here.status()
    for name in ("frames_shown", "frames_dropped", "saturated_fraction", "device_seconds", "device_joules"):
        assert getattr(status, name) == getattr(right, name)
    assert "link lost" in status.message
    assert appliance.instrument.queue.counts.failed == 0


def test_a_server_that_drops_its_clients_changes_nothing(serve, connect):
    appliance = serve()
    device = connect(appliance.resources[0], block_bytes=4096)
    device.open()
    device.configure(Acquisition(1e-3))
    batches = [frames(300, 20, seed) for seed in range(6)]
    expected = lamp_readings(*batches)
    for batch, right in zip(batches, expected, strict=True):
        for connection in list(appliance.listeners[0]._open):
            connection.shutdown(socket.SHUT_RDWR)
        until(lambda: not appliance.listeners[0]._open)
        assert not appliance.device.light
        assert np.array_equal(device.measure(batch), right)


def test_silence_and_return_change_nothing(serve, connect):
    appliance = serve(dead_man_s=0.2)
    device = connect(appliance.resources[0], heartbeat_s=60.0)
    device.open()
    device.configure(Acquisition(1e-3))
    first, second = (frames(5, 20, seed) for seed in (0, 1))
    one, two = lamp_readings(first, second)
    assert np.array_equal(device.measure(first), one)
    until(lambda: not appliance.device.light)
    assert np.array_equal(device.measure(second), two)
    assert appliance.device.light


def test_a_heartbeat_keeps_the_light_on_between_calls_and_ends_with_the_device(serve, connect):
    appliance = serve(dead_man_s=0.3)
    device = visa_device.VisaDevice(visa_device.VisaSettings(resource=appliance.resources[0]))
    device.open()
    device.configure(Acquisition(1e-3))
    time.sleep(0.7)
    assert appliance.device.light
    del device
    gc.collect()
    until(lambda: not appliance.device.light)


def test_errors_of_the_device_arrive_as_they_are_and_measuring_goes_on(serve, connect):
    appliance = serve()
    device = connect(appliance.resources[0], block_bytes=4096)
    device.open()
    device.configure(Acquisition(1e-3))
    batch = frames(300, 20)
    appliance.device.fail_at = 130
    with pytest.raises(DeviceError, match="jams") as caught:
        device.measure(batch)
    assert type(caught.value) is DeviceError
    shown = appliance.device.status().frames_shown
    assert shown < 130  # nothing after the failure
    again = device.measure(batch)
    lamp = Lamp()
    lamp.open()
    lamp.configure(Acquisition(1e-3))
    lamp._frames_shown = shown
    assert np.array_equal(again, lamp.measure(batch))
    with pytest.raises(DeviceError, match="frame_time_s") as caught:
        device.configure(Acquisition(1e-3, 1e-4))
    with pytest.raises(InputError, match="padding"):
        device.measure(np.full((1, 3), 255, np.uint8))


def test_two_clients_one_controller(serve, connect):
    resource = serve().resources[0]
    first, second = connect(resource), connect(resource)
    first.open()
    with pytest.raises(DeviceError, match="controls the device"):
        second.open()
    assert second.spec == first.spec
    first.close()
    second.open()
    assert second.status().is_open


def test_a_session_that_was_taken_over_is_lost(serve, connect, monkeypatch):
    appliance = serve(dead_man_s=0.2)
    first, second = connect(appliance.resources[0], heartbeat_s=60.0), connect(appliance.resources[0])
    first.open()
    first.configure(Acquisition(1e-3))
    until(lambda: appliance.instrument.lease.silent)
    second.open()
    with pytest.raises(DeviceLost, match="open again"):
        first.measure(frames(1, 20))
    assert not first.status().is_open
    with pytest.raises(DeviceClosed):
        first.measure(frames(1, 20))
    first.close()
    assert second.status().is_open


def restart(appliance, serve, device):
    """Another server at the same address."""
    port = appliance.listeners[0].port
    appliance.stop()
    from opu.drivers.serve import Access

    return serve(device, Access(f"127.0.0.1:{port}"))


def test_a_restarted_server_is_a_lost_session_and_opens_again(serve, connect):
    appliance = serve()
    device = connect(appliance.resources[0], reconnect_s=5.0)
    device.open()
    device.configure(Acquisition(1e-3))
    restart(appliance, serve, Lamp())
    with pytest.raises(DeviceLost, match="open again"):
        device.measure(frames(1, 20))
    device.open()
    device.configure(Acquisition(1e-3))
    assert device.measure(frames(2, 20)).shape == (2, 48)


@pytest.mark.parametrize(
    "difference", [{"serial": "lamp-1"}, {"fingerprint": "other glass"}, {"response": "other laser"}]
)
def test_another_device_at_the_address_is_refused_by_name(difference, serve, connect):
    appliance = serve()
    device = connect(appliance.resources[0], reconnect_s=5.0)
    device.open()
    device.configure(Acquisition(1e-3))
    other = Lamp()
    other._spec = replace(other._spec, **difference)
    restart(appliance, serve, other)
    name, value = next(iter(difference.items()))
    with pytest.raises(DeviceError, match=rf"another device.*{name}.*{value}"):
        device.measure(frames(1, 20))
    assert not other.status().is_open


def test_a_server_that_stays_away_is_told_in_status_and_then_lost(serve, connect):
    appliance = serve()
    device = connect(appliance.resources[0], reconnect_s=0.3)
    device.open()
    device.configure(Acquisition(1e-3))
    appliance.stop()
    status = device.status()
    assert "link lost" in status.message
    assert status.light_on is None
    with pytest.raises(DeviceLost, match=r"does not answer.*opu serve"):
        device.measure(frames(1, 20))
    device.close()
    assert not device.status().is_open


def test_a_dead_port_is_told_soon(connect, monkeypatch):
    monkeypatch.setattr(visa_device, "OPEN_RETRY_S", 0.1)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    for resource in (f"TCPIP::127.0.0.1::{port}::SOCKET", f"TCPIP::127.0.0.1::hislip0,{port}::INSTR"):
        start = time.monotonic()
        with pytest.raises(DeviceLost, match="does not answer"):
            connect(resource).open()
        assert time.monotonic() - start < 2
    with pytest.raises(ConfigError, match="no VISA address"):
        connect("over there").open()


def answering(replies):
    """A server of two clients, one after another, that answers each line by a rule; returns its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def run():
        with listener:
            for _ in range(2):
                connection, _ = listener.accept()
                with connection, connection.makefile("rb") as lines:
                    for line in lines:
                        reply = replies(line)
                        if reply:
                            connection.sendall(reply)

    threading.Thread(target=run, daemon=True).start()
    return listener.getsockname()[1]


def test_an_instrument_that_is_no_appliance_is_named(connect, monkeypatch):
    monkeypatch.setattr(visa_device, "OPEN_RETRY_S", 0.0)
    port = answering(lambda line: b"ACME,scope,1,2\n" if line.startswith(b"*IDN?") else b"")
    with pytest.raises(DeviceError, match=r"ACME,scope.*no appliance"):
        _ = connect(f"TCPIP::127.0.0.1::{port}::SOCKET", timeout_s=0.2).spec


def test_another_major_version_is_refused_by_name(serve, connect, monkeypatch):
    monkeypatch.setattr("opu.drivers.service.PROTOCOL", (2, 3))
    with pytest.raises(DeviceError, match=r"speaks version 2\.3.*update openopu on this client"):
        _ = connect(serve().resources[0]).spec
    monkeypatch.setattr("opu.drivers.service.PROTOCOL", (1, 9))
    assert connect(serve().resources[0]).spec.serial == "lamp-0"


def test_what_a_later_minor_version_adds_is_left_out(serve, connect):
    appliance = serve()
    table = json.loads(appliance.instrument.spec_json) | {"colour": "green", "frame_arrays": ["numpy", "cupy"]}
    appliance.instrument.spec_json = json.dumps(table)
    assert connect(appliance.resources[0]).spec == appliance.device.spec


def test_blocks_fit_and_hold_whole_cycles_of_the_reference_arm():
    spec = replace(Lamp().spec, n_inputs=800, n_outputs=1000)
    assert frames_per_block(spec, Acquisition(1e-3, 1e-6), 20_024) == 10
    assert frames_per_block(spec, Acquisition(1e-3, 1e-6, True, (0.0, 1.0, 2.0)), 20_024) == 9
    assert frames_per_block(spec, Acquisition(1e-3, 1e-6, True, (0.0, 1.0, 2.0)), 4096) == 3
    assert frames_per_block(spec, Acquisition(1e-3, 0.1), 1 << 30) == 5


def test_opu_open_swaps_the_device_by_one_word(serve, tmp_path):
    """The same file with device = "sim" and device = "lab": the same projections, to the bit."""
    table = {"n_inputs": 24, "n_outputs": 100, "seed": 5, "preset": "typical"}
    sim = SimulatedDevice(SimSettings.model_validate(table))
    path = tmp_path / "lab.toml"
    path.write_text(
        'device = "bench"\n[devices.bench]\nkind = "sim"\n'
        + "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())
        + f'[devices.lab]\nkind = "visa"\nresource = "{serve(sim).resources[0]}"\n'
    )
    rng = np.random.default_rng(0)
    e, x = rng.standard_normal((20, 24)), rng.random((8, 24)) < 0.5
    results = []
    for name in ("bench", "lab"):
        with opu.open(path, device=name) as processor:
            results.append((processor.linear_transform(e), processor.transform(x), processor.spec))
    (linear, native, spec), (linear_there, native_there, spec_there) = results
    assert spec == spec_there
    assert np.array_equal(linear, linear_there)
    assert np.array_equal(native, native_there)


def test_an_instrument_is_free_of_threads_that_outlive_it():
    before = threading.active_count()
    instrument = Instrument(Lamp())
    instrument.shutdown()
    until(lambda: threading.active_count() <= before)
