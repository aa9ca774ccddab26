"""Over thousands of triggers with every fault there is, an accepted frame is its pattern's."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opu.drivers.bench_sequence import GaveUp, collect
from opu.drivers.bench_trigger import TRIGGERS, Timing

from opu.errors import DeviceLost
from opu.parts import CameraSettings, Region

from . import fake_parts as fp

BITS = 16
WEIGHTS = 1 << np.arange(BITS - 1, -1, -1)
REGION = Region(0, 0, 2, 4)


class Counting(fp.World):
    """The image is the pattern's own number, in every pixel."""

    def image(self, settings, on):
        return np.full((2, 4), 0 if on is None else on[0] @ WEIGHTS, np.uint16)


def world(trigger, **parameters):
    """Three open parts that count patterns from 1 (0 is what parked mirrors give)."""
    w = Counting(panel=(1, BITS), sensor=(2, 4), bit_depth=16, **parameters)
    modulator, camera = fp.FakeModulator(fp.FakeSettings()), fp.FakeCamera(fp.FakeSettings())
    for part in (modulator, camera):
        part.open()
    camera.configure(CameraSettings(REGION, 1e-3, trigger="hardware" if trigger == "modulator" else "software"))
    return w, modulator, camera


def patterns(numbers):
    return (np.asarray(numbers) + 1).astype(">u2").view(np.uint8).reshape(-1, 1, 2)


def read_all(trigger, w, modulator, camera, n, longest, retries=50):
    readings = np.zeros(n, int)
    timing = Timing(1e-3, 2e-3, w.lead_frames)

    def show(asked):
        modulator.load(patterns(asked))

        def see(k, frame):
            readings[asked[k]] = int(frame.pixels[0, 0]) - 1
            return True

        return TRIGGERS[trigger](modulator, camera, len(asked), timing, see, lambda: None)

    counts = collect(n, longest, retries, show)
    return readings, counts


# Faults that can cancel one another where no clock paces the frames are tried apart: an exposure too many, and right after
# it a trigger or the last frame lost (software), or a pulse missed and the last frame lost (camera).
SURVIVED = {
    "software": [
        ("lost", "incomplete", "twice", "late", "frozen", "trigger_lost"),
        ("incomplete", "twice", "extra"),
    ],
    "modulator": [("lost", "incomplete", "twice", "late", "frozen", "trigger_lost", "extra")],
    "camera": [
        ("lost", "incomplete", "twice", "late", "frozen", "trigger_lost", "extra"),
        ("lost", "incomplete", "twice", "late", "frozen", "trigger_lost", "pulse_lost"),
    ],
}
CASES = [(trigger, faults) for trigger, sets in SURVIVED.items() for faults in sets]


@pytest.mark.parametrize(("trigger", "faults"), CASES)
@settings(max_examples=15)
@given(data=st.data())
def test_every_accepted_reading_belongs_to_its_pattern(trigger, faults, data):
    """At least 170 patterns an example: with the retries, more than 10,000 triggers in all."""
    rates = {name: data.draw(st.floats(0, 0.04), name) for name in faults}
    lead = data.draw(st.integers(0, 1)) if trigger == "camera" else 0
    w, modulator, camera = world(trigger, rates=rates, seed=data.draw(st.integers(0, 2**32)), lead_frames=lead)
    n = data.draw(st.integers(170, 250))
    readings, _ = read_all(trigger, w, modulator, camera, n, data.draw(st.integers(1, 64)), retries=200)
    assert np.array_equal(readings, np.arange(n))


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_ten_thousand_triggers_with_loss_and_duplication(trigger):
    """2 % lost, 2 % damaged, 2 % twice, 0.2 % of the triggers lost: nothing wrong is accepted, and little is shown again."""
    rates = {"lost": 0.02, "incomplete": 0.02, "twice": 0.02, "trigger_lost": 0.002}
    w, modulator, camera = world(trigger, rates=rates, seed=3)
    n = 10_000
    readings, counts = read_all(trigger, w, modulator, camera, n, 100)
    assert np.array_equal(readings, np.arange(n))
    assert counts.lost > 100
    assert counts.incomplete > 100
    assert counts.repeated > 100
    assert w.exposures < 2 * n


@pytest.mark.parametrize("trigger", TRIGGERS)
@pytest.mark.parametrize("where", [0, 3, 7])
@pytest.mark.parametrize("fault", ["lost", "incomplete", "twice", "late", "trigger_lost", "extra"])
@pytest.mark.parametrize("stamps", [True, False], ids=["clock", "no clock"])
def test_each_fault_alone_is_survived(trigger, where, fault, stamps):
    w, modulator, camera = world(trigger, script={where: fault}, timestamps=stamps)
    readings, counts = read_all(trigger, w, modulator, camera, 8, 8)
    assert np.array_equal(readings, np.arange(8))
    noticed = {"twice": counts.repeated, "incomplete": counts.incomplete, "lost": counts.lost + counts.doubtful}
    if fault in noticed:
        assert noticed[fault] == 1


@pytest.mark.parametrize("trigger", TRIGGERS)
@pytest.mark.parametrize("where", [1, 3, 7])
def test_a_frozen_frame_shows_in_its_time(trigger, where):
    w, modulator, camera = world(trigger, script={where: "frozen"})
    readings, counts = read_all(trigger, w, modulator, camera, 8, 8)
    assert np.array_equal(readings, np.arange(8))
    assert counts.frozen == 2  # it, and the one that it repeats: either could be the copy


# With lead_frames = 1 the last pulse makes up for a lost one: only its count before that shows it.
@pytest.mark.parametrize(("lead", "counts_pulses"), [(0, True), (0, False), (1, True)])
@pytest.mark.parametrize("where", [0, 3, 6])
def test_a_pulse_that_the_modulator_misses(lead, counts_pulses, where):
    w, modulator, camera = world("camera", script={where: "pulse_lost"}, lead_frames=lead, counts_pulses=counts_pulses)
    readings, counts = read_all("camera", w, modulator, camera, 7, 7)
    assert np.array_equal(readings, np.arange(7))
    assert counts.doubtful == 1


def test_triggers_that_cancel_show_in_the_times():
    w, modulator, camera = world("modulator", script={2: "extra", 5: "trigger_lost"})
    readings, counts = read_all("modulator", w, modulator, camera, 8, 8)
    assert np.array_equal(readings, np.arange(8))
    assert counts.doubtful == 1


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_a_camera_that_never_answers_is_given_up(trigger):
    w, modulator, camera = world(trigger, rates={"trigger_lost": 1.0})
    with pytest.raises(GaveUp) as error:
        read_all(trigger, w, modulator, camera, 8, 8, retries=3)
    assert error.value.rounds == 4
    assert not camera.armed
    assert w.shown is None


@pytest.mark.parametrize("trigger", TRIGGERS)
@pytest.mark.parametrize("part", ["camera", "modulator"])
def test_a_lost_part_is_no_lost_frame(trigger, part):
    w, modulator, camera = world(trigger, script={3: f"unplug_{part}"})
    with pytest.raises(DeviceLost, match=part):
        read_all(trigger, w, modulator, camera, 8, 8)
    assert Counter([w.camera_gone, w.modulator_gone])[True] == 1
