"""The bench over parts in memory: the contract, what is shown, faults and recovery. Light is never where it must not be."""

import time
from threading import Thread

import numpy as np
import pytest
from opu.drivers.bench_device import BenchDevice
from opu.drivers.bench_mirrors import MirrorPanel

import opu
from opu.device import Acquisition, Device
from opu.errors import DeviceClosed, DeviceError, DeviceLost
from opu.frames import pack
from opu.layout import mirror_owner
from opu.testing import LAWS, Subject

from . import fake_parts as fp

TRIGGERS = ("software", "modulator", "camera")


@pytest.fixture(autouse=True)
def _kinds(monkeypatch):
    fp.fake_kinds(monkeypatch)


def device(world=None, **settings):
    world = fp.World() if world is None else world
    return BenchDevice(world.settings(**settings), world.clock, world.sleep)


@pytest.fixture
def bench():
    """bench(world, **settings) -> an open device; closed at the end, and its world checked."""
    opened = []

    def make(world=None, exposure_s=2e-3, **settings):
        made = device(world, **settings)
        made.open()
        opened.append(made)
        made.configure(Acquisition(exposure_s))
        return made

    yield make
    for made in opened:
        made.close()
    assert not any(world.violations for world in fp.WORLDS.values())


def frames(n, width=21, seed=0):
    return np.random.default_rng(seed).random((n, width)) < 0.5


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())
@pytest.mark.parametrize("trigger", TRIGGERS)
def test_the_contract_holds(law, trigger):
    law(Subject(make=lambda: device(trigger=trigger), repeatable=True, similarity=0.95))


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())
def test_the_contract_holds_with_noise_blocks_and_loss(law):
    world = {"noise_dn": 1.0, "rates": {"lost": 0.05, "twice": 0.05, "incomplete": 0.05}, "bit_depth": 10}

    def make():
        return device(fp.World(**world), outputs={"block": 2, "reduce": "mean"}, anchor_share=0.0, trigger="modulator")

    law(Subject(make=make, similarity=0.9))


def test_orientation(bench):
    """One-hot frames light the summed columns of the world's own matrix."""
    world = fp.World(bit_depth=12)
    owner = mirror_owner(20, 0.0, MirrorPanel(20, 12, "interleaved", None)).ravel()
    fields = np.stack([world.matrix[:, owner == k].sum(axis=1) for k in range(20)], axis=1)
    subject = Subject(
        lambda: device(world, anchor_share=0.0), repeatable=True, intensities=abs(fields) ** 2, similarity=0.99
    )
    LAWS["orientation_is_out_in"](subject)


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_long_batches_in_pieces_give_what_one_piece_gives(bench, trigger):
    whole = bench(fp.World(), trigger=trigger).measure(frames(37))
    pieces = bench(fp.World(max_patterns=5), trigger=trigger).measure(frames(37))
    assert np.array_equal(whole, pieces)


@pytest.mark.parametrize("trigger", TRIGGERS)
@pytest.mark.parametrize(
    "fault", ["lost", "incomplete", "twice", "late", "frozen", "trigger_lost", "extra", "pulse_lost"]
)
def test_a_fault_costs_frames_and_changes_nothing(bench, trigger, fault):
    clean = bench(fp.World(), trigger=trigger).measure(frames(9))
    world = fp.World(script={4: fault}, timestamps=fault != "frozen")  # so that the image has to tell
    d = bench(world, trigger=trigger)
    assert np.array_equal(d.measure(frames(9)), clean)
    status = d.status()
    assert status.frames_shown == 9
    if fault in ("lost", "incomplete", "frozen"):
        assert status.frames_dropped == 1
        assert fault in status.message


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_frames_that_stay_lost_are_an_error_and_dark(bench, trigger):
    world = fp.World(rates={"trigger_lost": 1.0})
    d = bench(world, trigger=trigger, retries=2)
    with pytest.raises(DeviceError, match=r"fake camera and modulator fake DMD: 5 of 5 frames .* after 3 rounds"):
        d.measure(frames(5))
    assert not world.light_on
    world.rates = {}
    assert d.measure(frames(5)).shape == (5, 480)  # mended: goes on, lit again
    assert world.light_on


def test_a_frozen_camera_is_an_error(bench, monkeypatch):
    world = fp.World(timestamps=False)
    texture = np.random.default_rng(0).integers(0, 200, world.sensor).astype(np.uint8)
    monkeypatch.setattr(world, "image", lambda settings, on: texture)
    d = bench(world, retries=3)
    with pytest.raises(DeviceError, match=r"4 of 5 frames .* frozen"):
        d.measure(frames(5))


@pytest.mark.parametrize("trigger", TRIGGERS)
@pytest.mark.parametrize("part", ["camera", "modulator"])
def test_an_unplugged_part_is_lost_dark_and_comes_back(bench, trigger, part):
    world = fp.World(script={3: f"unplug_{part}"})
    d = bench(world, trigger=trigger)
    with pytest.raises(DeviceLost, match=f"{part}.*no longer answers"):
        d.measure(frames(6))
    assert not world.light_on
    with pytest.raises(DeviceLost, match=r"close\(\) it and open\(\) it again"):
        d.measure(frames(6))
    assert part in d.status().message
    d.close()
    with pytest.raises(DeviceLost):
        d.open()
    assert not d.status().is_open
    world.camera_gone = world.modulator_gone = False
    d.open()
    d.configure(Acquisition(2e-3))
    assert np.array_equal(d.measure(frames(6)), bench(fp.World(), trigger=trigger).measure(frames(6)))


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_an_interlock_that_opens_spoils_its_batch_alone(bench, trigger):
    world = fp.World(script={3: "interlock"})
    d = bench(world, trigger=trigger)
    with pytest.raises(DeviceError, match="laser fake laser 'laser-1': its interlock is open; close it"):
        d.measure(frames(6))
    assert not world.light_on
    assert d.status().interlock == "open"
    with pytest.raises(DeviceError, match="interlock open"):
        d.measure(frames(6))
    world.interlock_open = False
    assert d.measure(frames(6)).any()


def test_somebody_turns_the_laser_off_or_on(bench):
    world = fp.World()
    d = bench(world)
    d.measure(frames(2))
    world.light_on = False
    with pytest.raises(DeviceError, match="dark although it was switched on"):
        d.measure(frames(2))
    d.configure(Acquisition(2e-3, light=False))
    world.light_on = True
    with pytest.raises(DeviceError, match="lit although it was switched off"):
        d.measure(frames(2))
    assert not world.light_on


def test_order_of_opening_and_closing():
    world = fp.World()
    d = device(world)
    assert d.spec
    world.log.clear()
    d.open()
    d.configure(Acquisition(1e-3))
    assert world.log == ["open laser", "open camera", "open modulator"]
    assert not world.light_on
    d.measure(frames(3))
    d.close()
    assert world.log[3:] == ["light on", "light off", "close modulator", "close camera", "close laser"]
    assert not world.violations


@pytest.mark.parametrize("part", ["camera", "modulator"])
def test_what_fails_to_open_leaves_nothing_open(part):
    world = fp.World()
    d = device(world)
    assert d.spec
    setattr(world, f"{part}_gone", True)
    world.light_on = True  # left on by somebody: the laser's opening darkens it
    with pytest.raises(DeviceLost, match=part):
        d.open()
    assert not world.light_on
    assert {line.split()[1] for line in world.log if line.startswith("open")} == {
        line.split()[1] for line in world.log if line.startswith("close")
    }


def test_closing_tries_every_step(bench):
    world = fp.World()
    d = bench(world)
    d.measure(frames(2))
    world.laser_stuck = True
    with pytest.raises(DeviceLost, match="'laser-1' may still be lit"):
        d.close()
    d.close()
    assert not world.camera.is_open
    assert not world.modulator.is_open
    world.laser_stuck = False
    world.light_on = False


def test_control_c_in_a_measurement_is_dark(bench, monkeypatch):
    world = fp.World()
    d = bench(world)
    monkeypatch.setattr(d.parts.camera, "grab", lambda timeout_s: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        d.measure(frames(2))
    assert not world.light_on


def test_close_from_another_thread_ends_a_measurement(bench):
    world = fp.World()
    d = bench(world, warm_up_s=1e4)
    d.parts.light._sleep = lambda seconds: time.sleep(0.001)
    caught = []

    def measure():
        try:
            d.measure(frames(2))
        except DeviceClosed as error:
            caught.append(error)

    thread = Thread(target=measure)
    thread.start()
    while "warming up" not in d.status().message:
        pass
    assert world.light_on
    d.close()
    assert not world.light_on
    thread.join(5)
    assert caught


def test_other_parts_than_before_are_refused():
    world = fp.World()
    d = device(world)
    spec = d.spec
    world.sensor = (20, 28)
    with pytest.raises(DeviceError, match="other parts than"):
        d.open()
    assert d.spec != spec


def test_spec_says_what_the_parts_and_settings_give():
    spec = device(outputs={"block": 4, "grain_px": 8.0}, medium="opal 1").spec
    assert isinstance(device(), Device)
    assert (spec.kind, spec.serial, spec.medium) == ("bench", "dmd-1/cam-1", "opal 1")
    assert (spec.n_inputs, spec.anchor_input, spec.n_outputs, spec.output_shape) == (21, 20, 30, (5, 6))
    assert (spec.bit_depth, spec.saturation_dn, spec.grain_px) == (12, 4080, 2.0)
    assert abs(spec.anchor_share - 0.5) < 20 / 240
    assert spec.can_blank
    assert spec.frame_rate_hz == pytest.approx(1 / (1e-3 + 1e-5))


def test_fingerprint_and_response_change_with_what_they_are_of():
    base = device().spec
    for settings in (
        {"layout": "rows"},
        {"roi": [0, 0, 18, 12]},
        {"medium": "moved"},
        {"outputs": {"region": [0, 4, 20, 20]}},
    ):
        assert device(**settings).spec.fingerprint != base.fingerprint
    brighter = device(gain_db=6.0).spec
    assert (brighter.fingerprint, brighter.response == base.response) == (base.fingerprint, False)
    assert device(trigger="modulator").spec.fingerprint == base.fingerprint


def test_without_a_laser_of_ours():
    d = device(laser=None)
    assert not d.spec.can_blank
    d.open()
    try:
        with pytest.raises(DeviceError, match="no laser of ours"):
            d.configure(Acquisition(1e-3, light=False))
        assert d.status().light_on is None
        assert "not under this program's control" in d.status().message
        d.configure(Acquisition(1e-3))
        assert d.measure(frames(2)).shape == (2, 480)
    finally:
        d.close()


def test_frame_times(bench):
    d = bench(overlap=True)
    assert d.configure(Acquisition(5e-4)).frame_time_s == pytest.approx(1e-3)
    assert d.configure(Acquisition(5e-3)).frame_time_s == pytest.approx(5e-3)
    in_force = d.configure(Acquisition(5e-4, frame_time_s=0.02))
    with pytest.raises(DeviceError, match="shorter than"):
        d.configure(Acquisition(9e-4, frame_time_s=9.1e-4))
    assert d.status().acquisition == in_force
    assert d.parts.camera.in_force.exposure_s == 5e-4
    before_s = d._clock()
    d.measure(frames(10))
    assert d._clock() - before_s >= 0.18  # paced: nine intervals
    gap = bench(overlap=True, frame_gap_s=1e-3)
    assert gap.configure(Acquisition(1e-2)).frame_time_s == pytest.approx(1.1e-2)


def test_a_camera_set_by_somebody_else_is_noticed(bench, monkeypatch):
    d = bench()
    monkeypatch.setattr(d.parts.camera.world, "image", lambda settings, on: np.zeros((4, 4), np.uint8))
    with pytest.raises(DeviceError, match="gives frames of uint8"):
        d.measure(frames(2))


def test_packed_frames_and_light_that_is_off(bench):
    d = bench()
    assert np.array_equal(d.measure(frames(5)), d.measure(pack(frames(5))))
    d.configure(Acquisition(2e-3, light=False))
    assert not d.parts.light.is_lit
    assert not d.measure(frames(5)).any()


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_a_whole_opu_over_it(trigger):
    """Calibration by measurement alone, then a projection of the world's own matrix."""
    world = fp.World(bit_depth=10, noise_dn=0.7, sensor=(40, 48), rates={"lost": 0.01, "twice": 0.01})
    with opu.OPU(device(world, trigger=trigger)) as o:
        e = np.random.default_rng(1).standard_normal((4, 20))
        z = o.linear_transform(e)
    owner = mirror_owner(20, 0.5, MirrorPanel(20, 12, "interleaved", None)).ravel()
    columns = np.stack([world.matrix[:, owner == k].sum(axis=1) for k in range(21)], axis=1)
    b = (np.conj(columns[:, 20:]) * columns[:, :20]).real / abs(columns[:, 20:])
    like = np.corrcoef(z.ravel(), (e @ b.T).ravel())[0, 1]
    assert like > 0.95
    assert not world.light_on
