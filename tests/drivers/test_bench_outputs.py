"""Outputs are sums, means or picks of pixels, and clipped whenever one of their pixels is."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opu.drivers.bench_outputs import Outputs
from opu.drivers.bench_settings import OutputSettings

from opu.errors import ConfigError
from opu.parts import CameraSpec, Region

CAMERA = CameraSpec("cam", "1", 24, 32, 8, 1e-5, 1.0, 100.0, step=(2, 4))


def outputs(camera=CAMERA, n_outputs=None, **settings):
    return Outputs(OutputSettings.model_validate(settings), n_outputs, camera)


def read(o, pixels):
    out = np.empty(o.n_outputs, o.dtype)
    o.read(pixels, out)
    return out


@given(st.data())
def test_blocks_against_a_loop(data):
    block = (data.draw(st.integers(1, 5)), data.draw(st.integers(1, 5)))
    step = (block[0] + data.draw(st.integers(0, 3)), block[1] + data.draw(st.integers(0, 3)))
    bits = data.draw(st.sampled_from([4, 8, 10, 12]))
    reduce = data.draw(st.sampled_from(["sum", "mean"]))
    camera = replace(CAMERA, bit_depth=bits)
    region = [2, 4, 16, 20]
    some = data.draw(st.none() | st.integers(1, 4))
    if reduce == "sum" and block[0] * block[1] * (2**bits - 1) >= 2**16:
        with pytest.raises(ConfigError, match="at most 16"):
            outputs(camera, region=region, block=list(block), step=list(step), reduce=reduce)
        return
    o = outputs(camera, some, region=region, block=list(block), step=list(step), reduce=reduce)
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    top = 2**bits if data.draw(st.booleans()) else 2 ** (bits - 1)  # with clipped pixels, or none
    pixels = rng.integers(0, top, (16, 20)).astype(np.uint8 if bits <= 8 else np.uint16)
    expected, count = [], block[0] * block[1]
    for i in range((16 - block[0]) // step[0] + 1):
        for j in range((20 - block[1]) // step[1] + 1):
            part = pixels[i * step[0] :, j * step[1] :][: block[0], : block[1]].astype(int)
            clipped = part.max() == 2**bits - 1
            value = part.sum() if reduce == "sum" else (2 * part.sum() + count) // (2 * count)
            full = (2**bits - 1) * (count if reduce == "sum" else 1)
            expected.append(full if clipped else value)
    if some is not None:
        expected = [expected[k * len(expected) // some] for k in range(some)]
    readings = read(o, pixels)
    assert readings.tolist() == expected
    assert readings.dtype == (np.uint8 if o.bit_depth <= 8 else np.uint16)
    assert o.saturation_dn < 2**o.bit_depth


def test_a_block_clips_exactly_when_a_pixel_does():
    o = outputs(block=4)
    assert (o.bit_depth, o.saturation_dn, o.shape, o.n_outputs) == (12, 16 * 255, (6, 8), 48)
    pixels = np.full((24, 32), 254, np.uint8)
    assert (read(o, pixels) == 16 * 254).all()
    pixels[5, 9] = 255
    assert np.flatnonzero(read(o, pixels) >= o.saturation_dn).tolist() == [1 * 8 + 2]


def test_a_full_well_below_the_converters_end():
    o = outputs(block=2, saturation_dn=200)
    pixels = np.full((24, 32), 199, np.uint8)
    assert read(o, pixels).max() == 796 < o.saturation_dn == 800
    pixels[0, 0] = 200
    assert read(o, pixels)[0] == 800
    with pytest.raises(ConfigError, match="saturation_dn = 300"):
        outputs(saturation_dn=300)


def test_every_kth_pixel_and_all():
    pixels = np.arange(24 * 32, dtype=np.uint16).reshape(24, 32)
    camera = replace(CAMERA, bit_depth=16)
    assert np.array_equal(read(outputs(camera, step=3), pixels), pixels[::3, ::3].ravel())
    whole = outputs(camera)
    assert whole.shape == (24, 32)
    assert np.array_equal(read(whole, pixels), pixels.ravel())
    some = outputs(camera, 100)
    assert some.shape is None
    assert read(some, pixels).tolist() == [k * 768 // 100 for k in range(100)]


@pytest.mark.parametrize("kind", ["mask", "list"])
def test_listed_pixels(tmp_path, kind):
    rng = np.random.default_rng(0)
    mask = rng.random((8, 12)) < 0.2
    np.save(tmp_path / "p.npy", mask if kind == "mask" else np.argwhere(mask))
    o = outputs(region=[0, 0, 8, 12], pixels_file=str(tmp_path / "p.npy"))
    pixels = rng.integers(0, 256, (8, 12)).astype(np.uint8)
    assert read(o, pixels).tolist() == pixels[mask].tolist()
    assert o.shape is None


@pytest.mark.parametrize(
    "stored", [np.zeros((8, 12), bool), np.ones((4, 4), bool), np.array([[9, 0]]), np.array([1.5, 2])]
)
def test_a_wrong_list_is_refused(tmp_path, stored):
    np.save(tmp_path / "p.npy", stored)
    with pytest.raises(ConfigError, match="pixels_file"):
        outputs(region=[0, 0, 8, 12], pixels_file=str(tmp_path / "p.npy"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"region": [0, 0, 30, 32]}, "shrink or move"),
        ({"region": [1, 0, 8, 8]}, r"nearest is \[0, 0, 8, 8\]"),
        ({"region": [2, 4, 8, 6]}, "in steps of 2 rows and 4"),
        ({"block": 25, "reduce": "mean"}, "does not fit"),
        ({"pixels_file": "/nowhere.npy"}, "cannot be read"),
    ],
)
def test_what_does_not_fit_the_camera_is_told(settings, message):
    with pytest.raises(ConfigError, match=message):
        outputs(**settings)


def test_too_many_outputs_are_refused():
    with pytest.raises(ConfigError, match="gives 768 outputs"):
        outputs(n_outputs=769)


def test_frames_of_another_kind_are_noticed():
    o = outputs(region=[0, 0, 8, 12])
    assert o.region == Region(0, 0, 8, 12)
    assert not o.wrong(np.zeros((8, 12), np.uint8))
    assert "uint16" in o.wrong(np.zeros((8, 12), np.uint16))
    assert "(12, 8)" in o.wrong(np.zeros((12, 8), np.uint8))


def test_identity_is_of_what_is_read():
    kinds = [{}, {"block": 2}, {"block": 2, "reduce": "mean"}, {"step": 2}, {"region": [0, 0, 8, 12]}]
    assert len({outputs(**kind).identity for kind in kinds}) == len(kinds)
