"""`opu bench view|align|map` on a bench in memory: what they say is true of it, and the light is off afterwards."""

import json
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opu.drivers.bench_figures import figures, grain_px, histogram, thumbnail
from opu.drivers.bench_png import write_png
from scipy import ndimage
from typer.testing import CliRunner

from opu.cli import app
from opu.errors import ConfigError, DeviceError

from . import fake_parts as fp


@pytest.fixture(autouse=True)
def _kinds(monkeypatch):
    fp.fake_kinds(monkeypatch)


@pytest.fixture
def lab(tmp_path):
    path = tmp_path / "lab.toml"
    parts = "".join(
        f'[devices.lab.{role}]\nkind = "fake"\n' for role in ("modulator", "camera", "laser", "power_meter")
    )
    path.write_text(
        'device = "lab"\n[devices.lab]\nkind = "bench"\nn_inputs = 20\nanchor_share = 0.5\nwatchdog = false\nsettle_s = 0.0\n'
        f"{parts}[devices.sim]\nkind = 'sim'\nn_inputs = 4\nn_outputs = 4\n"
    )
    return path


def run(*words):
    return CliRunner().invoke(app, ["bench", *map(str, words)], catch_exceptions=True)


def read_png(path):
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    place, chunks = 8, {}
    while place < len(data):
        length, name = struct.unpack(">I4s", data[place : place + 8])
        content = data[place + 8 : place + 8 + length]
        assert struct.unpack(">I", data[place + 8 + length :][:4])[0] == zlib.crc32(name + content)
        chunks[name] = content
        place += 12 + length
    columns, rows, depth = struct.unpack(">IIB", chunks[b"IHDR"][:9])
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(rows, -1)
    assert not lines[:, 0].any()
    return np.ascontiguousarray(lines[:, 1:]).view(f">u{depth // 8}").reshape(rows, columns)


@given(st.sampled_from([np.uint8, np.uint16]), st.integers(1, 9), st.integers(1, 9), st.integers(0, 99))
def test_png_holds_the_pixels(tmp_path_factory, dtype, rows, columns, seed):
    pixels = np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, (rows, columns), dtype, endpoint=True)
    path = tmp_path_factory.mktemp("png") / "p.png"
    write_png(path, pixels)
    assert np.array_equal(read_png(path), pixels)


def speckle(grain, shape=(256, 256), seed=0):
    """Intensity of a Gaussian-filtered circular field: its autocovariance is exp(-r²/(2 s²)), s the filter's sigma, so its
    full width at half height is 2 sqrt(2 ln 2) s."""
    rng = np.random.default_rng(seed)
    sigma = grain / (2 * np.sqrt(2 * np.log(2)))
    field = [ndimage.gaussian_filter(rng.standard_normal(shape), sigma, mode="wrap") for _ in range(2)]
    light = field[0] ** 2 + field[1] ** 2
    return light / light.mean()


@pytest.mark.parametrize("grain", [4.0, 8.0])
def test_grain_and_contrast_of_a_speckle_with_known_ones(grain):
    """256² pixels hold some 256²/grain² grains: contrast and width are known to a few times 1/sqrt of that."""
    light = speckle(grain)
    tolerance = 5 * grain / 256
    assert grain_px(light) == pytest.approx(grain, rel=tolerance)
    found = figures(np.rint(20 * light + 5).astype(np.uint16), 65535, 5.0)
    assert found.contrast == pytest.approx(1.0, rel=tolerance)
    assert figures(np.rint(20 * light + 5).astype(np.uint16), 60, 5.0).saturated_fraction == pytest.approx(
        np.exp(-55 / 20), rel=0.15 * grain / 4
    )


def test_focus_falls_with_blur():
    sharp = (100 * speckle(3.0)).astype(np.uint16)
    blurred = ndimage.gaussian_filter(sharp, 2.0)
    assert figures(blurred, 65535).focus < figures(sharp, 65535).focus / 4


def test_even_frames_have_no_structure():
    found = figures(np.full((20, 30), 7, np.uint8), 255)
    assert (found.contrast, found.focus, found.grain_px, found.mean_dn) == (0, 0, 0, 7)


def test_pictures_in_characters():
    pixels = np.zeros((40, 64), np.uint8)
    pixels[:20] = 200
    lines = thumbnail(pixels, 8, 4).splitlines()
    assert lines == ["@" * 8, "@" * 8, " " * 8, " " * 8]
    bars = histogram(pixels, 255, 64, 3).splitlines()
    assert bars[0][0] == bars[0][50] == "█"
    assert bars[0][1:50].isspace()
    assert bars[-1].startswith("0")
    assert bars[-1].endswith("255")


def test_view_once(lab, tmp_path):
    world = fp.World()
    result = run("view", "--config", lab, "--once", "--png", tmp_path / "v.png")
    assert result.exit_code == 0, result.output
    for word in ("IT WILL BE LIT", "fake camera", "contrast", "grain", "light off, bench closed"):
        assert word in result.output
    assert read_png(tmp_path / "v.png").shape == world.sensor
    assert not world.light_on
    assert not world.violations


def test_view_tells_what_the_camera_sees(lab):
    world = fp.World(sensor=(40, 60), bit_depth=10)
    result = run("view", "--config", lab, "--json", "--set", "outputs.region=[2, 4, 20, 40]")
    found = json.loads(result.stdout.splitlines()[-1])
    assert found["rows"] == 20
    assert 1023 / 16 < found["mean_dn"] < 1023 / 4
    assert found["contrast"] == pytest.approx(1.0, abs=5 / np.sqrt(20 * 40))  # independent pixels of polarised speckle
    assert found["dark_dn"] == 0
    whole = json.loads(run("view", "--config", lab, "--json", "--whole").stdout.splitlines()[-1])
    assert whole["rows"] == 40
    assert not world.light_on


def test_control_c_is_dark(lab, monkeypatch):
    world = fp.World()

    def interrupt(seconds):
        assert world.light_on
        raise KeyboardInterrupt

    monkeypatch.setattr("opu.drivers.bench_view.time.sleep", interrupt)
    result = run("view", "--config", lab)
    assert result.exit_code == 0
    assert not world.light_on


def test_align_suggests_what_auto_exposure_finds(lab):
    """Mean rises with exposure; the suggested one reads an eighth of the range."""
    world = fp.World()
    result = run("align", "--config", lab, "--json")
    found = json.loads(result.stdout.splitlines()[-1])
    assert found["power_w"] == 0.01
    means = [point["figures"]["mean_dn"] for point in found["points"]]
    assert means == sorted(means)
    wanted_us = float(found["suggestions"][0].split("exposure of ")[1].split(" µs")[0])
    again = run("view", "--config", lab, "--json", "--exposure", wanted_us * 1e-6)
    assert json.loads(again.stdout.splitlines()[-1])["mean_dn"] == pytest.approx(255 / 8, rel=0.15)
    assert not world.light_on
    table = run("align", "--config", lab)
    assert "saturated" in table.output
    assert "power meter: 0.01 W" in table.output


def test_align_without_light_says_so(lab):
    world = fp.World()
    world.parts[:] = 0
    result = run("align", "--config", lab)
    assert "no light at any exposure" in result.output


def test_map_finds_the_beam(lab, tmp_path):
    """Mirrors of columns 5 to 14 of 20 and rows 3 to 8 of 12 reach the camera; blocks are 1 x 1 of a 12 x 20 grid."""
    world = fp.World(sensor=(40, 48), bit_depth=12)
    reach = np.zeros(world.panel, bool)
    reach[3:9, 5:15] = True
    world.parts[:, ~reach.ravel()] = 0
    png = tmp_path / "beam.png"
    result = run("map", "--config", lab, "--rows", 12, "--columns", 20, "--json", "--png", png)
    found = json.loads(result.stdout.splitlines()[-1])
    assert found["roi"] == [5, 3, 10, 6]
    light = np.array(found["light_dn"])
    # Means of 1920 speckles: 2.3 % each.
    assert light[reach].std() / light[reach].mean() < 0.05
    assert (light[~reach] == 0).all()
    assert "any layout" in found["suggestions"][1]
    assert read_png(png).shape == (12 * 16, 20 * 16)
    assert not world.light_on
    assert not world.violations
    assert "5, 3, 10, 6" in run("map", "--config", lab, "--rows", 12, "--columns", 20).output


def test_map_without_light(lab):
    world = fp.World()
    world.parts[:] = 0
    assert "no block reaches the camera" in run("map", "--config", lab, "--rows", 3, "--columns", 4).output


def test_a_gaussian_beam_wants_interleaving(lab):
    world = fp.World(sensor=(40, 48), bit_depth=12)
    y, x = np.mgrid[:12, :20]
    world.parts *= np.exp(-((y - 5.5) ** 2 + (x - 9.5) ** 2) / 4**2).ravel()
    found = json.loads(run("map", "--config", lab, "--rows", 12, "--columns", 20, "--json").stdout.splitlines()[-1])
    x, y, width, height = found["roi"]
    # Intensity exp(-2 r²/4²) ends at 1/e², r = 4.
    assert abs(width - 8) <= 2
    assert abs(height - 8) <= 2
    assert "interleaved" in found["suggestions"][1]


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (["--device", "sim"], ConfigError, 'kind = "bench"'),
        (["--light", "lamp"], ConfigError, "allowed: laser, external"),
        (["--pattern", "stripes"], ConfigError, "allowed: random, on, off"),
    ],
)
def test_mistakes_are_told(lab, words, error, message):
    fp.World()
    result = run("view", "--config", lab, "--once", *words)
    assert isinstance(result.exception, error)
    assert message in str(result.exception)


def test_a_laser_is_required_unless_the_light_is_anothers(lab):
    world = fp.World()
    text = lab.read_text().replace('[devices.lab.laser]\nkind = "fake"\n', "")
    lab.write_text(text)
    result = run("view", "--config", lab, "--once")
    assert "--light external" in str(result.exception)
    world.light_on = True
    result = run("view", "--config", lab, "--once", "--light", "external")
    assert result.exit_code == 0
    assert "laser   not touched" in result.output
    assert world.light_on


def test_light_none_stays_dark(lab):
    world = fp.World()
    result = run("view", "--config", lab, "--json", "--light", "none", "--exposure", 0.001)
    assert json.loads(result.stdout.splitlines()[-1])["max_dn"] == 0
    assert "light on" not in world.log


def test_an_error_is_dark(lab):
    world = fp.World(script={9: "interlock"})
    result = run("align", "--config", lab)
    assert isinstance(result.exception, DeviceError)
    assert not world.light_on
    assert not world.camera.is_open
