"""The ALP driver through ALP4lib's own ctypes layer, on a panel that a C stub of the library pretends to be."""

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opu.drivers.alp import ALP, AlpPanel, AlpSettings
from opu.drivers.alp_rows import row_bytes_of

from opu.errors import ConfigError, DeviceClosed, DeviceError, DeviceLost, InputError
from opu.parts import Modulator

from . import alp_stub
from .alp_stub import ENVIRONMENT, AlpStub, compile_stub


@pytest.fixture(scope="module")
def library_dir(tmp_path_factory):
    return str(compile_stub(tmp_path_factory.mktemp("alp")))


@pytest.fixture
def make(library_dir, tmp_path, monkeypatch):
    """make(rows=..., ..., settings...) -> (stub, panel), the panel closed at the end."""
    panels = []

    def build(data_format="auto", settle_s=0.0, serial=None, **parameters):
        stub = AlpStub.create(tmp_path / f"panel{len(panels)}", **{"rows": 4, "columns": 24, "memory": 16} | parameters)
        monkeypatch.setenv(ENVIRONMENT, str(tmp_path / f"panel{len(panels)}"))
        asked = {"library_dir": library_dir, "data_format": data_format, "settle_s": settle_s, "serial": serial}
        panels.append(ALP.build(AlpSettings(**asked)))
        return stub, panels[-1]

    yield build
    for panel in panels:
        panel.close()


def patterns(n, rows=4, columns=24, seed=0):
    """Random ones, no two alike in the first row."""
    result = np.random.default_rng(seed).integers(0, 256, (n, rows, -(-columns // 8)), dtype=np.uint8)
    result[:, 0, 0] = np.arange(n)
    return result


def test_it_is_a_modulator_and_tells_what_the_device_tells(make):
    stub, panel = make(rows=6, columns=32, memory=11, serial=77, min_us=44)
    stub.set_slot(alp_stub.SERIAL, 77)
    with pytest.raises(DeviceClosed, match="open"):
        _ = panel.spec
    panel.open()
    assert isinstance(panel, Modulator)
    spec = panel.spec
    assert (spec.rows, spec.columns, spec.max_patterns, spec.serial, spec.triggered) == (6, 32, 11, "77", True)
    assert spec.frame_time_min_s == pytest.approx(44e-6)
    assert "ALP-4.3" in spec.model
    assert panel.status().temperature_c == 31.5
    assert (stub.slot(alp_stub.TRIGGER_EDGE), stub.slot(alp_stub.SYNCH_POLARITY)) == (2009, 2006)


def test_the_calls_of_a_life_in_their_order(make):
    stub, panel = make()
    panel.open()
    panel.load(patterns(3))
    panel.start(0.001)
    panel.wait(5)
    panel.close()
    silent = {"DevInquire", "SeqInquire", "ProjInquire", "ProjInquireEx", "DevControl"}
    assert [call for call in stub.calls() if call not in silent] == [
        *("DevAlloc", "DevHalt", "SeqAlloc", "SeqControl", "SeqFree"),
        *("DevHalt", "SeqAlloc", "SeqControl", "SeqControl", "SeqPut"),
        *("DevHalt", "ProjControl", "SeqControl", "SeqControl", "SeqTiming", "ProjStart"),
        *("DevHalt", "SeqFree", "DevFree"),
    ]
    assert stub.calls()[-2] == "DevControl"  # the mirrors float before the device is freed
    assert (stub.slot(alp_stub.PARKED), stub.slot(alp_stub.FLOATING), stub.slot(alp_stub.ALLOCATED)) == (1, 1, 0)


KINDS = st.one_of(
    st.tuples(st.just(0), st.integers(1, 40), st.sampled_from(["auto", "packed", "bytes"])),
    st.sampled_from([(4, 1024, "auto"), (3, 1920, "auto"), (7, 1920, "packed"), (2, 1400, "auto"), (3, 1920, "bytes")]),
)


@settings(max_examples=40)
@given(kind=KINDS, rows=st.integers(1, 3), n=st.integers(1, 4), fill=st.floats(0, 1), seed=st.integers(0, 2**32 - 1))
def test_any_patterns_reach_the_mirrors_exactly(library_dir, tmp_path_factory, kind, rows, n, fill, seed):
    dmd_type, columns, data_format = kind
    mirrors = np.random.default_rng(seed).random((n, rows, columns)) < fill
    path = tmp_path_factory.mktemp("mirrors", numbered=True) / "panel"
    stub = AlpStub.create(path, rows=rows, columns=columns, memory=4, dmd_type=dmd_type)
    panel = AlpPanel(AlpSettings(library_dir=library_dir, data_format=data_format, settle_s=0.0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ENVIRONMENT, str(path))
        panel.open()
    try:
        panel.load(np.packbits(mirrors, axis=2))
        np.testing.assert_array_equal(np.unpackbits(stub.loaded(n), axis=2, count=columns), mirrors)
        panel.show(n - 1)
        np.testing.assert_array_equal(np.unpackbits(stub.displayed().pattern, axis=1, count=columns), mirrors[-1])
    finally:
        panel.close()


@pytest.mark.parametrize(("dmd_type", "columns", "times"), [(4, 1024, 1 / 8), (3, 1920, 256 / 1920), (9, 2560, 1.0)])
def test_bits_are_uploaded_where_their_layout_is_published(make, dmd_type, columns, times):
    stub, panel = make(rows=2, columns=columns, dmd_type=dmd_type)
    panel.open()
    panel.load(patterns(3, 2, columns))
    assert stub.slot(alp_stub.UPLOADED) == round(3 * 2 * columns * times)
    assert (row_bytes_of(dmd_type, columns, "auto") is None) == (times == 1)


def test_large_loads_go_in_pieces(make, monkeypatch):
    monkeypatch.setattr("opu.drivers.alp.CHUNK_BYTES", 4 * 24 * 2)
    stub, panel = make()
    panel.open()
    shown = patterns(7)
    panel.load(np.asfortranarray(shown))
    assert stub.calls().count("SeqPut") == 4
    np.testing.assert_array_equal(stub.loaded(7), shown)


def test_show_holds_any_pattern_in_any_order(make):
    stub, panel = make()
    panel.open()
    loaded = patterns(8)
    panel.load(loaded)
    assert stub.displayed().index is None
    for count, index in enumerate([3, 7, 0, 0, 6, 1, 5], start=1):
        panel.show(index)
        seen = stub.displayed()
        assert (seen.index, seen.shown, seen.running) == (index, count, True)
        np.testing.assert_array_equal(seen.pattern, loaded[index])
    panel.stop()
    panel.stop()
    assert stub.displayed().index is None
    panel.show(2)  # what is loaded stays
    assert stub.displayed().index == 2


def test_on_its_own_clock_it_shows_each_pattern_once(make):
    stub, panel = make()
    panel.open()
    panel.load(patterns(5))
    panel.show(4)
    begun_s = time.monotonic()
    panel.start(0.01)
    panel.wait(5)
    assert time.monotonic() - begun_s >= 5 * 0.01
    seen = stub.displayed()
    assert (seen.running, seen.shown, seen.index) == (False, 1 + 5, 4)
    assert stub.slot(alp_stub.PICTURE_US) == 10_000
    assert panel.status().frames == 5


def test_a_stepped_clock_shows_the_patterns_in_order(make):
    stub, panel = make(clock="stepped")
    panel.open()
    panel.load(patterns(4))
    for _ in range(2):
        panel.start(0.001)
        for index in range(4):
            assert (stub.displayed().index, panel.status().frames) == (index, index + 1)
            stub.tick()
        panel.wait(5)
    assert stub.displayed().shown == 8


def test_a_pulse_brings_up_the_next_pattern(make):
    stub, panel = make()
    panel.open()
    panel.load(patterns(4))
    panel.start(0.001, "hardware")
    assert (stub.displayed().index, stub.displayed().slave, panel.status().frames) == (None, True, 0)
    for index in range(4):
        assert stub.displayed().running
        stub.pulse()
        assert (stub.displayed().index, panel.status().frames) == (index, index + 1)
    panel.wait(5)
    panel.start(0.001)  # and back on its own clock
    assert not stub.displayed().slave


def test_a_lost_pulse_is_counted(make):
    stub, panel = make()
    panel.open()
    panel.load(patterns(4))
    panel.start(0.001, "hardware")
    stub.pulse(3)
    with pytest.raises(DeviceError, match=r"when 3 of 4 patterns had begun.*trigger"):
        panel.wait(0.02)
    assert stub.displayed().index is None  # stopped
    assert panel.status().frames == 3
    with pytest.raises(DeviceError, match="3 of 4"):
        panel.wait(0.02)


def test_stop_from_another_thread_ends_wait(make):
    _, panel = make()
    panel.open()
    panel.load(patterns(2))
    panel.start(0.001, "hardware")
    timer = threading.Timer(0.02, panel.stop)
    timer.start()
    with pytest.raises(DeviceError, match="0 of 2"):
        panel.wait(60)
    timer.join()


def test_nothing_to_wait_for_is_no_error(make):
    _, panel = make()
    panel.open()
    panel.wait(0)
    panel.load(patterns(1))
    panel.wait(0)
    assert panel.status().frames is None


def test_times_out_of_range_are_refused_with_the_limit(make):
    stub, panel = make(min_us=100)
    panel.open()
    panel.load(patterns(2))
    for trigger in ("software", "hardware"):
        with pytest.raises(DeviceError, match=r"99 µs is not within its 100 to 10000000 µs"):
            panel.start(99e-6, trigger)
        with pytest.raises(DeviceError, match="not within"):
            panel.start(11.0, trigger)
    assert stub.slot(alp_stub.RUNS) == 0
    panel.start(100e-6)
    panel.wait(5)


def test_with_pulses_the_panel_is_left_its_shortest_time(make):
    stub, panel = make(min_us=100)
    panel.open()
    panel.load(patterns(2))
    panel.start(0.5, "hardware")
    assert stub.slot(alp_stub.PICTURE_US) == 100


def test_memory_is_respected_and_used_again(make):
    stub, panel = make(memory=8)
    panel.open()
    with pytest.raises(DeviceError, match="9 patterns do not fit into its memory of 8"):
        panel.load(patterns(9))
    for n in (3, 8, 5, 1):
        panel.load(patterns(n, seed=n))
        np.testing.assert_array_equal(stub.loaded(n), patterns(n, seed=n))
        panel.start(100e-6)
        panel.wait(5)
        assert panel.status().frames == n
    assert stub.calls().count("SeqAlloc") == 1 + 2  # a probe, 3 and 8; fewer fit into those
    assert not [call for call in stub.calls() if "100" in call]


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((2, 4, 4), np.uint8),
        np.zeros((4, 3), np.uint8),
        np.zeros((2, 4, 3), bool),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_other_shapes_are_refused(make, wrong):
    stub, panel = make()
    panel.open()
    with pytest.raises(InputError, match=r"uint8\[n, 4, 3\]"):
        panel.load(wrong)
    assert "SeqPut" not in stub.calls()


def test_what_is_not_loaded_is_not_shown(make):
    _, panel = make()
    panel.open()
    with pytest.raises(InputError, match="load"):
        panel.start(0.01)
    panel.load(patterns(2))
    for index in (-1, 2):
        with pytest.raises(InputError, match=f"pattern {index} is not one of the 2"):
            panel.show(index)


def test_a_pulled_cable_is_device_lost_and_a_new_open_works(make):
    stub, panel = make()
    panel.open()
    panel.load(patterns(3))
    panel.show(1)
    stub.unplug()
    with pytest.raises(DeviceLost, match=r"ALP code 1012.*plug it in"):
        panel.show(2)
    assert panel.status().is_open
    assert "1012" in panel.status().message
    stub.plug_in()
    with pytest.raises(DeviceLost, match="1012"):  # the old handle stays lost
        panel.load(patterns(3))
    panel.close()
    panel.open()
    panel.load(patterns(3))
    panel.show(2)
    assert stub.displayed().index == 2


def test_a_cable_pulled_while_waiting(make):
    stub, panel = make()
    panel.open()
    panel.load(patterns(3))
    panel.start(0.001, "hardware")
    stub.unplug()
    with pytest.raises(DeviceLost, match="1012"):
        panel.wait(5)
    panel.close()
    panel.close()
    with pytest.raises(DeviceError, match=r"ALP code 1001.*cable"):
        panel.open()


@pytest.mark.parametrize(
    ("code", "kind", "said"), [(1011, DeviceLost, "cable"), (1020, DeviceError, "memory"), (1021, DeviceError, "1021")]
)
def test_return_codes_become_errors(make, code, kind, said):
    stub, panel = make()
    panel.open()
    stub.refuse(code)  # 1021 is missing in ALP4lib's table
    with pytest.raises(kind, match=said):
        panel.load(patterns(1))
    stub.refuse(0)
    panel.load(patterns(1))
    panel.show(0)
    assert stub.displayed().index == 0


def test_opened_twice_here_and_held_elsewhere(make):
    stub, panel = make()
    panel.open()
    with pytest.raises(DeviceError, match="open already"):
        panel.open()
    panel.close()
    stub.set_slot(alp_stub.ALLOCATED, 1)
    stub.set_slot(alp_stub.OWNER, os.getppid())
    with pytest.raises(DeviceError, match=r"1004.*another program"):
        panel.open()
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    stub.set_slot(alp_stub.OWNER, ended.pid)
    panel.open()


def test_another_serial_number(make):
    _, panel = make(serial=5)
    with pytest.raises(DeviceError, match=r"modulator alp \(serial 5\).*1001"):
        panel.open()


def test_what_is_not_installed_is_named(make, tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match=r"version 4.4 cannot be loaded.*libalp44.so.*library_dir"):
        AlpPanel(AlpSettings(version="4.4", library_dir=str(tmp_path))).open()
    monkeypatch.setitem(sys.modules, "ALP4", None)
    with pytest.raises(ConfigError, match=r"pip install 'openopu\[alp\]'"):
        AlpPanel(AlpSettings()).open()


def test_temperatures_below_zero(make):
    stub, panel = make()
    panel.open()
    stub.set_slot(alp_stub.TEMPERATURE, -5 * 256 - 64)
    assert panel.status().temperature_c == -5.25


def test_it_prints_nothing(make, capfd):
    _, panel = make()
    panel.open()
    panel.load(patterns(1))
    panel.close()
    assert capfd.readouterr() == ("", "")


def test_closed_it_does_nothing(make):
    _, panel = make()
    panel.close()
    panel.stop()
    assert not panel.status().is_open
    for call in (lambda: panel.load(patterns(1)), lambda: panel.show(0), lambda: panel.start(0.01)):
        with pytest.raises(DeviceClosed, match="open"):
            call()
