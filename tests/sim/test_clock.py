import pytest
from hypothesis import given
from hypothesis import strategies as st
from opu.sim.camera_settings import CameraSettings
from opu.sim.clock import Pace, frame_time, joules, published_rate_hz, to_ns, to_s
from opu.sim.clock_settings import ClockSettings
from opu.sim.dmd_settings import DMDSettings

from opu.errors import ConfigError

CAMERA, DMD = CameraSettings(), DMDSettings()


def shortest(exposure_s=10e-6, n_inputs=784, n_outputs=2000, camera=CAMERA, dmd=DMD, **clock):
    return frame_time(ClockSettings(**clock), camera, dmd, exposure_s, n_inputs, n_outputs)


@pytest.mark.parametrize(
    ("parameters", "seconds", "limit"),
    [
        ({"exposure_s": 1e-3}, 1.05e-3, "exposure"),
        ({"exposure_s": 400e-6}, 500e-6, "readout"),
        ({"exposure_s": 400e-6, "gap_s": 0.0}, 450e-6, "readout"),
        ({"camera": CameraSettings(readout_s=1e-4)}, 250e-6, "panel"),
        ({"link_bytes_per_s": 1e6}, 2e-3, "link"),
        ({"link_bytes_per_s": 1e6, "camera": CameraSettings(bit_depth=12)}, 4e-3, "link"),
        ({"upload_bytes_per_s": 1e8}, 1140 * 114 / 1e8, "upload"),
        ({"upload_bytes_per_s": 1e7, "dmd": DMDSettings(roi=(5, 5, 100, 300))}, 300 * 114 / 1e7, "upload"),
        ({"rates": "generation2"}, 500e-6, "rate table"),
        ({"rates": "generation2", "exposure_s": 450e-6}, 500e-6, "exposure"),
        ({"rates": "generation2", "exposure_s": 2e-3}, 2.05e-3, "exposure"),
        ({"rates": "generation3"}, 125e-6, "rate table"),
        ({"rates": "generation3", "link_bytes_per_s": 1e6}, 2e-3, "link"),
    ],
)
def test_the_slowest_stage_sets_the_frame_time(parameters, seconds, limit):
    found = shortest(**parameters)
    assert found.seconds == pytest.approx(seconds, rel=1e-12)
    assert found.limit == limit


@pytest.mark.parametrize(
    ("n_inputs", "n_outputs", "rate_hz"),
    [
        (145_000, 81_000, 8000),
        (145_001, 81_000, 6300),
        (290_000, 81_000, 6300),
        (10, 81_001, 3800),
        (583_000, 163_000, 3800),
        (1_000_000, 326_000, 1900),
        (1_039_680, 600_000, 1000),
        (10, 2_000_000, 340),
    ],
)
def test_published_rates_of_generation_3(n_inputs, n_outputs, rate_hz):
    assert published_rate_hz("generation3", n_inputs, n_outputs) == rate_hz


def test_generation_2_is_flat_and_1500_tera_operations_are_as_published():
    assert published_rate_hz("generation2", 10**6, 10**6) == 2000
    # 2e6 outputs of 1e6 inputs, a complex product counted as 2 operations: published as "1500 TeraOPS".
    assert 2 * 1e6 * 2e6 * published_rate_hz("generation3", 10**6, 2 * 10**6) == pytest.approx(1500e12, rel=0.1)


def test_sizes_beyond_the_table_are_refused():
    with pytest.raises(
        ConfigError, match=r"2000001 outputs are beyond the published 1,039,680 and 2,000,000; use fewer, or"
    ):
        shortest(rates="generation3", n_outputs=2_000_001)


def test_a_refusal_names_the_stage_and_the_remedy():
    message = shortest(exposure_s=2e-3).refusal(1e-3)
    assert "frame_time_s = 0.001 s is shorter than 0.00205 s, set by the exposure" in message
    assert "shorten the exposure" in message


def test_time_is_whole_nanoseconds():
    found = shortest(rates="generation2", exposure_s=1.23456789012e-3)
    assert to_s(to_ns(found.seconds)) == found.seconds
    assert found.seconds >= 1.23456789012e-3 + 50e-6
    assert to_ns(500e-6) == 500_000


@given(st.integers(0, 2**51 - 1))
def test_nanoseconds_survive_as_seconds(ns):
    """Two roundings of 2^-53 each: less than half a nanosecond below 2^51 of them."""
    assert to_ns(to_s(ns)) == ns


def test_energy_is_power_times_time():
    assert joules(ClockSettings(), 3600.0) == pytest.approx(30 * 3600)


class FakeTime:
    """A clock that only sleeping and `passes` move; every sleep ends `late_s` late."""

    def __init__(self, late_s: float = 0.0) -> None:
        self.now_s, self.late_s, self.slept = 100.0, late_s, 0

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.slept += 1
        self.now_s += seconds + self.late_s

    def passes(self, seconds: float) -> None:
        self.now_s += seconds


def test_a_call_lasts_as_long_as_the_device_takes():
    fake = FakeTime()
    with Pace(fake, fake.sleep).lasting(0.5):
        fake.passes(0.2)
    assert fake.now_s == pytest.approx(100.5)


def test_many_calls_do_not_drift():
    """1000 calls of 10 ms that compute 1 ms, slept 2 ms late each: 10 s in all, within one oversleep; idle time is added."""
    fake = FakeTime(late_s=2e-3)
    pace = Pace(fake, fake.sleep)
    for _ in range(1000):
        with pace.lasting(10e-3):
            fake.passes(1e-3)
        fake.passes(5e-3)
    assert fake.now_s == pytest.approx(100 + 1000 * 15e-3, abs=2.001e-3)


def test_calls_shorter_than_an_oversleep_do_not_drift_either():
    fake = FakeTime(late_s=5e-3)
    pace = Pace(fake, fake.sleep)
    for _ in range(1000):
        with pace.lasting(1e-3):
            fake.passes(1e-4)
    assert fake.now_s == pytest.approx(101.0, abs=5.001e-3)
    assert fake.slept < 300


def test_what_computing_took_too_long_is_not_made_up():
    fake = FakeTime()
    pace = Pace(fake, fake.sleep)
    with pace.lasting(1e-3):
        fake.passes(1.0)
    with pace.lasting(0.5):
        pass
    assert fake.now_s == pytest.approx(101.5)


def test_a_stall_is_not_made_up():
    fake = FakeTime(late_s=60.0)
    pace = Pace(fake, fake.sleep)
    with pace.lasting(0.5):
        pass
    fake.late_s = 0.0
    with pace.lasting(0.5):
        pass
    assert fake.now_s == pytest.approx(161.0)


def test_an_error_does_not_wait():
    fake = FakeTime()
    with pytest.raises(ZeroDivisionError), Pace(fake, fake.sleep).lasting(5.0):
        _ = 1 / 0
    assert fake.slept == 0
