"""Exposure, gain, region and rest under every maker's names, on a node map in memory."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opu.drivers import genicam_names as names
from opu.drivers.genicam_features import Exposure, Gain, Sensor, number, rest, set_trigger
from opu.drivers.genicam_port import Limits
from opu.drivers.genicam_settings import GenicamSettings

from opu.errors import CapabilityError, DeviceError
from opu.parts import CameraSettings, Region


class Nodes:
    """Features in a dict; `log` is what was written, in order."""

    def __init__(self, values, limits=None, entries=None, units=None):
        self.values = dict(values)
        self._limits, self._entries, self._units = limits or {}, entries or {}, units or {}
        self.log = []

    def has(self, name):
        return name in self.values

    def writable(self, name):
        return self.has(name)

    def get(self, name):
        return self.values[name]

    def set(self, name, value):
        if name in self._entries:
            assert value in self._entries[name], (name, value)
        if (limits := self._limits.get(name)) is not None:
            assert limits.low <= value <= limits.high, (name, value)
            if limits.step:
                steps = (value - limits.low) / limits.step
                assert abs(steps - round(steps)) < 1e-6, (name, value)
        self.values[name] = value
        self.log.append((name, value))

    def limits(self, name):
        return self._limits[name]

    def entries(self, name):
        return self._entries[name]

    def unit(self, name):
        return self._units.get(name, "")


@pytest.mark.parametrize(
    ("name", "unit", "unit_s"),
    [
        ("ExposureTime", "us", 1e-6),
        ("ExposureTime", "", 1e-6),
        ("ExposureTimeAbs", "", 1e-6),
        ("ExposureTime", "ms", 1e-3),
    ],
)
@given(share=st.floats(0, 1))
def test_exposure_in_every_unit(name, unit, unit_s, share):
    nodes = Nodes({name: 5.0}, {name: Limits(1.0, 1e6)}, units={name: unit})
    exposure = Exposure(nodes, "camera")
    asked_s = unit_s * (1 + share * (1e6 - 1))
    assert exposure.set(asked_s) == pytest.approx(asked_s)
    assert nodes.values[name] == pytest.approx(asked_s / unit_s)


@given(exposure_us=st.floats(19.0, 1000.0))
def test_exposure_in_steps_takes_the_nearest(exposure_us):
    nodes = Nodes({"ExposureTimeAbs": 20.0}, {"ExposureTimeAbs": Limits(19.0, 1000.0, 3.0)})
    assert Exposure(nodes, "camera").set(exposure_us * 1e-6) == pytest.approx(exposure_us * 1e-6, abs=1.5e-6 + 1e-12)


def test_the_standards_name_comes_first():
    nodes = Nodes({"ExposureTimeAbs": 1.0, "ExposureTime": 2.0}, {"ExposureTime": Limits(1, 10)})
    Exposure(nodes, "camera").set(7e-6)
    assert [name for name, _ in nodes.log] == ["ExposureTime"]


def test_without_exposure_it_is_no_camera():
    with pytest.raises(CapabilityError, match="has no ExposureTime or ExposureTimeAbs"):
        Exposure(Nodes({}), "camera")


@given(gain_db=st.floats(0, 24))
def test_gain_in_db(gain_db):
    nodes = Nodes({"Gain": 0.0}, {"Gain": Limits(0.0, 24.0)})
    gain = Gain(nodes, GenicamSettings(), "camera")
    assert gain.max_db == 24.0
    assert gain.set(gain_db) == pytest.approx(gain_db)


@given(gain_db=st.floats(0, 10))
def test_gain_in_steps_counts_from_the_least(gain_db):
    nodes = Nodes({"GainRaw": 40}, {"GainRaw": Limits(33, 133, 1)})
    gain = Gain(nodes, GenicamSettings(gain_db_per_step=0.1), "camera")
    assert gain.max_db == pytest.approx(10.0)
    assert gain.set(gain_db) == pytest.approx(gain_db, abs=0.05 + 1e-9)
    assert isinstance(nodes.values["GainRaw"], int)


def test_gain_of_unknown_steps_stays_at_the_least():
    nodes = Nodes({"GainRaw": 40}, {"GainRaw": Limits(33, 133, 1)})
    gain = Gain(nodes, GenicamSettings(), "camera")
    assert (gain.max_db, gain.set(0.0), nodes.values["GainRaw"]) == (0.0, 0.0, 33)
    with pytest.raises(DeviceError, match="GainRaw counts steps: set gain_db_per_step"):
        gain.set(1.0)
    assert Gain(Nodes({}), GenicamSettings(), "camera").set(0.0) == 0.0


def sensor_nodes(step, least=16):
    names_ = ("Width", "Height", "OffsetX", "OffsetY")
    limits = {"Width": Limits(least, 640, step), "Height": Limits(least, 480, 2)}
    limits |= {"OffsetX": Limits(0, 640, step), "OffsetY": Limits(0, 480, 4)}
    return Nodes(dict.fromkeys(names_, 0), limits)


@given(
    region=st.tuples(*(st.integers(-50, 700) for _ in range(4))).map(lambda four: Region(*four)),
    step=st.sampled_from([1, 4, 16]),
)
def test_the_nearest_region_is_allowed(region, step):
    nodes = sensor_nodes(step)
    sensor = Sensor(nodes, "camera")
    assert sensor.step == (4, step)
    try:
        sensor.check(region)
    except DeviceError as error:
        region = Region(
            *(int(part.split("=")[1]) for part in str(error).rpartition("Region(")[2].rstrip(")").split(","))
        )
        sensor.check(region)
    assert region.row + region.rows <= 480
    assert region.column + region.columns <= 640
    sensor.set(region)  # Nodes asserts every limit and step
    assert nodes.values == {
        "OffsetY": region.row,
        "OffsetX": region.column,
        "Height": region.rows,
        "Width": region.columns,
    }


def test_everything_at_rest():
    sources = {"TriggerSelector": ["AcquisitionStart", "FrameStart"], "TriggerMode": ["Off", "On"]}
    automatic = {
        "ExposureAuto": ["Off", "Once"],
        "PixelFormat": ["Mono8", "Mono12p"],
        "AcquisitionMode": ["SingleFrame"],
    }
    values = {"ExposureAuto": "Once", "GammaEnable": True, "AcquisitionMode": "SingleFrame", "PixelFormat": "Mono8"}
    triggers = {"TriggerSelector": "FrameStart", "TriggerMode": "On", "AcquisitionFrameRate": 5.0, "Mode": 0}
    nodes = Nodes(values | triggers, {"AcquisitionFrameRate": Limits(1.0, 90.0)}, sources | automatic)
    rest(nodes, GenicamSettings(pixel_format="Mono12p", features={"Mode": 3}), "camera")
    assert nodes.values["ExposureAuto"] == "Off"
    assert nodes.values["GammaEnable"] is False
    assert nodes.values["AcquisitionMode"] == "SingleFrame"  # it has no other
    assert nodes.values["PixelFormat"] == "Mono12p"
    assert nodes.values["AcquisitionFrameRate"] == 90.0
    assert nodes.values["Mode"] == 3
    off = [value for name, value in nodes.log if name == "TriggerMode"]
    assert off == ["Off", "Off"]  # of each kind of trigger
    with pytest.raises(DeviceError, match="no feature 'Speed'"):
        rest(nodes, GenicamSettings(features={"Speed": 1}), "camera")


def test_triggers():
    values = {"TriggerSelector": "FrameStart", "TriggerMode": "Off", "TriggerSource": "Line1", "TriggerActivation": ""}
    entries = {"TriggerSource": ["Line1", "Line3", "Software"]}
    nodes = Nodes(values, entries=entries)
    region = Region(0, 0, 1, 1)
    set_trigger(nodes, CameraSettings(region, 1e-3), "Line3", "camera")
    assert (nodes.values["TriggerSource"], nodes.values["TriggerMode"]) == ("Software", "On")
    set_trigger(nodes, CameraSettings(region, 1e-3, trigger="hardware"), "Line3", "camera")
    assert nodes.values["TriggerSource"] == "Line3"
    assert nodes.values["TriggerActivation"] == "RisingEdge"
    with pytest.raises(DeviceError, match="no trigger source 'Line9'; it has Line1, Line3, Software: set trigger_line"):
        set_trigger(nodes, CameraSettings(region, 1e-3, trigger="hardware"), "Line9", "camera")
    with pytest.raises(CapabilityError, match="has no TriggerSource"):
        set_trigger(Nodes({}), CameraSettings(region, 1e-3), "Line1", "camera")


def test_the_table_repeats_no_name():
    for spellings in (names.EXPOSURE, names.GAIN, names.FRAME_RATE, names.FRAME_RATE_LIMIT, names.TEMPERATURE):
        listed = [spelling.name for spelling in spellings]
        assert len(set(listed)) == len(listed)
    assert number(Nodes({"ResultingFrameRateAbs": 42.0}), names.FRAME_RATE) == 42.0
    assert number(Nodes({}), names.FRAME_RATE) is None
