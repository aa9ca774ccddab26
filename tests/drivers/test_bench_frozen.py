"""The same image under another pattern is a frozen one, where an image cannot repeat by chance."""

import numpy as np
import pytest
from opu.drivers.bench_frozen import FrozenCheck

TEXTURE = np.random.default_rng(0).integers(0, 200, (64, 64)).astype(np.uint8)


def verdicts(*frames):
    check = FrozenCheck()
    return [check.is_image_of_another(pixels, pattern) for pixels, pattern in frames]


def test_the_same_image_of_another_pattern():
    assert verdicts((TEXTURE, b"a"), (TEXTURE, b"b"), (TEXTURE, b"b")) == [False, True, True]


def test_the_same_image_of_the_same_pattern_is_none():
    assert verdicts((TEXTURE, b"a"), (TEXTURE, b"a")) == [False, False]


def test_what_was_refused_is_not_remembered():
    other = TEXTURE[::-1].copy()
    assert verdicts((TEXTURE, b"a"), (TEXTURE, b"b"), (other, b"b"), (TEXTURE, b"a"), (other, b"a")) == [
        False,
        True,
        False,
        False,
        False,
    ]


def test_one_pixel_makes_another_image():
    other = TEXTURE.copy()
    other[32, 5] ^= 1
    assert verdicts((TEXTURE, b"a"), (other, b"b")) == [False, False]


@pytest.mark.parametrize("image", [np.zeros((64, 64), np.uint8), np.full((64, 64), 255, np.uint8), TEXTURE[:4, :4]])
def test_dark_clipped_and_tiny_images_may_repeat(image):
    assert verdicts((image, b"a"), (image, b"b")) == [False, False]


def test_hot_pixels_in_the_dark_are_no_texture():
    dark = np.zeros((64, 64), np.uint8)
    dark[::16, ::16] = 200
    assert verdicts((dark, b"a"), (dark, b"b")) == [False, False]


def test_it_keeps_a_copy():
    """Cameras use their buffers again."""
    check, buffer = FrozenCheck(), TEXTURE.copy()
    assert not check.is_image_of_another(buffer, b"a")
    buffer[:] = TEXTURE[::-1]
    assert not check.is_image_of_another(buffer, b"b")
    assert check.is_image_of_another(TEXTURE[::-1].copy(), b"c")
    check.forget()
    assert not check.is_image_of_another(TEXTURE[::-1].copy(), b"c")
