"""Every mirror shows the bit of the input that the layout gives it; the rest stay off."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opu.drivers.bench_mirrors import MirrorPanel, Mirrors, transposed

from opu.errors import ConfigError
from opu.frames import pack
from opu.layout import mirror_owner
from opu.parts import ModulatorSpec


def mirrors(rows, columns, n_inputs, share=0.5, layout="interleaved", roi=None):
    settings = SimpleNamespace(layout=layout, roi=roi, n_inputs=n_inputs, anchor_share=share)
    return Mirrors(settings, ModulatorSpec("panel", "1", rows, columns, 1e-4, 100))


@given(st.data())
def test_patterns_are_the_frames_through_the_owner_map(data):
    rows, columns = data.draw(st.integers(2, 12)), data.draw(st.integers(2, 40))
    layout = data.draw(st.sampled_from(["interleaved", "blocks", "rows"]))
    roi = None
    if data.draw(st.booleans()):
        x, y = data.draw(st.integers(0, columns - 1)), data.draw(st.integers(0, rows - 1))
        roi = (x, y, data.draw(st.integers(1, columns - x)), data.draw(st.integers(1, rows - y)))
    inside = rows * columns if roi is None else roi[2] * roi[3]
    share = data.draw(st.sampled_from([0.0, 0.5])) if inside > 1 else 0.0
    n = data.draw(st.integers(1, max(1, int((1 - share) * inside))))
    m = mirrors(rows, columns, n, share, layout, roi)
    frames = (
        np.random.default_rng(data.draw(st.integers(0, 99))).random((data.draw(st.integers(1, 19)), m.n_inputs)) < 0.5
    )
    owner = mirror_owner(n, share, MirrorPanel(columns, rows, layout, roi))
    expected = np.packbits(np.where(owner < 0, False, frames[:, owner]), axis=2)
    patterns = m.expand(pack(frames))
    assert np.array_equal(patterns, expected)
    used_again = m.expand(pack(~frames)[:5], patterns)
    assert np.array_equal(used_again, np.packbits(np.where(owner < 0, False, ~frames[:5, owner]), axis=2))


@given(st.integers(0, 2**64 - 1))
def test_transposition_swaps_rows_and_columns(word):
    bits = np.unpackbits(np.array([word], ">u8").view(np.uint8)).reshape(8, 8)
    turned = np.array([transposed(np.uint64(word))], np.uint64).astype(">u8").view(np.uint8)
    assert np.array_equal(np.unpackbits(turned).reshape(8, 8), bits.T)


def test_more_inputs_than_16_bits_count():
    m = mirrors(300, 256, 70_000, 0.0)
    frame = np.zeros((1, 70_000), bool)
    frame[0, 69_999] = True
    owner = mirror_owner(70_000, 0.0, MirrorPanel(256, 300, "interleaved", None))
    assert np.array_equal(np.unpackbits(m.expand(pack(frame))[0], axis=1), owner == 69_999)


def test_what_does_not_fit_is_told_in_the_benchs_words():
    with pytest.raises(ConfigError, match=r"roi = \[8, 0, 9, 4\].*16 x 8"):
        mirrors(8, 16, 4, roi=(8, 0, 9, 4))
    with pytest.raises(ConfigError, match="n_inputs = 200") as error:
        mirrors(8, 16, 200)
    assert "dmd." not in str(error.value)


def test_identity_changes_with_the_layout_and_with_nothing_else():
    assert mirrors(8, 16, 4).identity == mirrors(8, 16, 4).identity
    others = [
        mirrors(8, 16, 5),
        mirrors(8, 16, 4, 0.25),
        mirrors(8, 16, 4, layout="rows"),
        mirrors(8, 16, 4, roi=(0, 0, 15, 8)),
    ]
    assert len({m.identity for m in [mirrors(8, 16, 4), *others]}) == 5
