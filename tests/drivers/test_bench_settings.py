"""A bench in a config file: ten lines make one, and every mistake is told with its place."""

import subprocess
import sys
import tomllib

import pytest
from opu.drivers.bench_settings import BenchSettings, build_part

import opu
from opu.cli_devices import starter_config
from opu.config import Config, load_config
from opu.errors import ConfigError
from opu.factory import build_profile
from opu.kinds import kind_names, load_kind
from opu.validation import validated

from . import fake_parts as fp

TEN_LINES = """
[devices.lab]
kind = "bench"
n_inputs = 20
watchdog = false
[devices.lab.modulator]
kind = "fake"
[devices.lab.camera]
kind = "fake"
[devices.lab.laser]
kind = "fake"
"""


@pytest.fixture(autouse=True)
def _kinds(monkeypatch):
    fp.fake_kinds(monkeypatch)


def test_ten_lines_make_an_opu(tmp_path):
    world = fp.World(bit_depth=12)
    (tmp_path / "lab.toml").write_text(TEN_LINES)
    with opu.open(tmp_path / "lab.toml", anchor_share=0.5, settle_s=0.0) as o:
        assert o.linear_transform([[1.0] * 20]).shape == (1, 480)
        assert world.light_on
    assert not world.light_on
    assert not world.violations


def test_overrides_reach_parts_and_outputs(tmp_path):
    fp.World("other")
    fp.World()
    (tmp_path / "lab.toml").write_text(TEN_LINES)
    words = [f'{role}.world="other"' for role in ("modulator", "camera", "laser")]
    config = load_config(tmp_path / "lab.toml", overrides=[*words, "outputs.block=4", "roi=[0, 0, 16, 12]"])
    device = build_profile(config).device
    assert device.settings.camera == {"kind": "fake", "world": "other"}
    assert device.settings.roi == (0, 0, 16, 12)
    assert device.spec.output_shape == (5, 6)


FAKE = {"kind": "fake"}
GOOD = {"modulator": FAKE, "camera": FAKE, "laser": FAKE, "n_inputs": 20}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"camera": {"kind": "fake", "wrold": "x"}}, r"lab.camera: camera.wrold: unknown key; did you mean 'world'"),
        ({"camera": {"kind": "vvia"}}, r"unknown kind of camera 'vvia'; did you mean 'viva'"),
        ({"camera": {}}, r"camera.kind: missing.*pylon"),
        ({"laser": {"kind": "cld101x"}}, r"lab.laser: laser.resource: missing"),
        ({"lead_frames": 1}, 'lead_frames = 1 is for trigger = "camera"'),
        ({"outputs": {"block": 4, "step": 2}}, "would share pixels"),
        ({"outputs": {"pixels_file": "p.npy", "block": 2}}, "leave out block and step"),
        ({"outputs": {"block": 0}}, "greater than or equal to 1"),
        ({"trigger": "free"}, "'software', 'modulator' or 'camera'"),
        ({"camra": {}}, "unknown key; did you mean 'camera'"),
        ({"n_inputs": 0}, "greater than or equal to 1"),
    ],
)
def test_mistakes_are_told_with_their_place(table, message):
    with pytest.raises(ConfigError, match=message):
        validated(BenchSettings, GOOD | table, "lab")


def test_numbers_and_lists_of_toml_are_taken():
    settings = validated(BenchSettings, GOOD | {"outputs": {"region": [0, 4, 8, 8], "block": 2, "step": [2, 4]}}, "lab")
    assert settings.outputs.region == (0, 4, 8, 8)
    assert (settings.outputs.block, settings.outputs.step) == ((2, 2), (2, 4))


def test_the_kind_is_installed_and_its_starter_is_a_config():
    assert "bench" in kind_names()
    kind = load_kind("bench")
    table = tomllib.loads(starter_config(kind.starter))["devices"]["d"]
    assert table.pop("kind") == "bench"
    settings = validated(kind.settings, table, "d")
    assert settings.camera == {"kind": "viva"}
    build_part("laser", settings.laser)


def test_a_starters_comments_are_keys_too():
    """Uncommented, every line of the starter is a key that the settings know."""
    lines = load_kind("bench").starter.format(name="d").splitlines()
    text = "\n".join(line.removeprefix("# ") for line in lines)
    table = tomllib.loads(text)
    parts = table["devices"]["d"]
    assert {*table, *parts} - {"kind", "devices"} <= {*BenchSettings.model_fields}
    assert {*parts["outputs"]} <= {*BenchSettings.model_fields["outputs"].annotation.model_fields}


def test_no_makers_library_is_loaded_before_a_part_opens():
    code = (
        "import sys; from opu.kinds import load_kind; k = load_kind('bench'); "
        "s = k.settings(n_inputs=4, modulator={'kind': 'alp'}, camera={'kind': 'viva'}, laser=None); k.build(s); "
        "print([name for name in sys.modules if name.split('.')[0] in ('ALP4', 'viva_genicam', 'pyvisa', 'genicam')])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_a_part_that_is_not_there_is_told_when_the_profile_is_built():
    world = fp.World()
    world.camera_gone = True
    table = GOOD | {"kind": "bench", "watchdog": False}
    with pytest.raises(opu.DeviceError, match="camera fake camera no longer answers"):
        build_profile(Config("test", "lab", {"lab": table}))
    assert not world.light_on
