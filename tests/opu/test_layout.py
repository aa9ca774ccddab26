import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from opu.sim.dmd_settings import DMDSettings
from pydantic import ValidationError
from scipy import ndimage

from opu.errors import InputError
from opu.layout import block_shape, mirror_order, mirror_owner, mirror_shares


@st.composite
def cases(draw, layouts=("interleaved", "blocks", "rows")):
    columns, rows = draw(st.integers(1, 24)), draw(st.integers(1, 24))
    roi = None
    if draw(st.booleans()):
        x, y = draw(st.integers(0, columns - 1)), draw(st.integers(0, rows - 1))
        roi = (x, y, draw(st.integers(1, columns - x)), draw(st.integers(1, rows - y)))
    dmd = DMDSettings(columns=columns, rows=rows, layout=draw(st.sampled_from(layouts)), roi=roi)
    share = draw(st.sampled_from([0.0, 0.3, 0.8]))
    most = int((1 - share) * dmd.region[2] * dmd.region[3])
    assume(most >= 1)
    return draw(st.integers(1, most)), share, dmd


@given(cases())
def test_every_mirror_serves_one_input_and_all_inputs_alike(case):
    n, share, dmd = case
    shares, owner = mirror_shares(n, share, dmd), mirror_owner(n, share, dmd)
    assert np.array_equal(np.sort(mirror_order(n, share, dmd)), np.arange(dmd.rows * dmd.columns))
    assert owner.shape == (dmd.rows, dmd.columns)
    counts = np.bincount(owner.ravel() + 1, minlength=n + 2)
    assert (counts[1 : n + 1] == shares.per_input).all()
    assert counts[n + 1] == shares.anchor
    assert counts[0] == shares.parked_inside + shares.parked_outside
    assert shares.per_input >= 1
    assert (shares.anchor == 0) or (share > 0)
    assert (shares.parked_inside == 0) or (share == 0)
    x, y, width, height = dmd.region
    outside = np.ones_like(owner, bool)
    outside[y : y + height, x : x + width] = False
    assert (owner[outside] == -1).all()


@given(cases(layouts=("interleaved", "rows")))
def test_the_anchor_gets_its_share_to_within_one_mirror_an_input(case):
    n, share, dmd = case
    shares = mirror_shares(n, share, dmd)
    # floor of a product of floats: one mirror more.
    assert 0 <= shares.inside - shares.used - share * shares.inside < n + 1


@given(cases(layouts=("blocks",)))
def test_blocks_are_equal_rectangles_and_their_anchor_is_one_piece(case):
    n, share, dmd = case
    owner = mirror_owner(n, share, dmd)
    per_input = mirror_shares(n, share, dmd).per_input
    boxes = ndimage.find_objects(owner + 1, max_label=n)
    sizes = {tuple(side.stop - side.start for side in box) for box in boxes}
    assert len(sizes) == 1
    assert np.prod(sizes.pop()) == per_input  # as many mirrors as its bounding box: it fills it
    assert ndimage.label(owner == n)[1] == int((owner == n).any())


@given(cases(layouts=("rows",)))
def test_rows_are_runs_in_reading_order(case):
    n, share, dmd = case
    x, y, width, height = dmd.region
    run = mirror_owner(n, share, dmd)[y : y + height, x : x + width].ravel()
    shares = mirror_shares(n, share, dmd)
    assert np.array_equal(run[: shares.used], np.repeat(np.arange(n), shares.per_input))
    assert (run[shares.used :] == (n if share else -1)).all()


@given(st.integers(1, 12), st.integers(1, 12), st.data())
def test_block_shape_is_the_best_of_all(width, height, data):
    n = data.draw(st.integers(1, width * height))
    most = data.draw(st.integers(1, width * height // n))
    fit = [
        (w, h)
        for w in range(1, width + 1)
        for h in range(1, height + 1)
        if w * h <= most and (width // w) * (height // h) >= n
    ]
    assert block_shape(n, most, width, height) == max(fit, key=lambda s: (min(s), s[0] * s[1], s[0]))


@pytest.mark.parametrize("n", [10, 100, 784, 5000])
def test_blocks_on_the_reference_panel_are_nearly_square_and_lose_little(n):
    shares = mirror_shares(n, 0.8, DMDSettings(layout="blocks"))
    width, height = block_shape(n, int(0.2 * 912 * 1140) // n, 912, 1140)
    assert max(width, height) / min(width, height) < 1.2
    assert shares.used / (912 * 1140) > 0.85 * 0.2


def test_interleaved_mirrors_are_scattered():
    """Neighbours belong together as seldom as chance has it: 1 pair in n, binomial, five standard deviations."""
    owner = mirror_owner(100, 0.0, DMDSettings(columns=100, rows=100))
    alike = np.mean(owner[:, 1:] == owner[:, :-1])
    assert alike == pytest.approx(0.01, abs=5 * np.sqrt(0.01 / 9900))


@pytest.mark.parametrize("roi", [(900, 0, 13, 5), (0, 1140, 1, 1), (-1, 0, 5, 5), (0, 0, 0, 5)])
def test_a_region_off_the_panel_is_refused(roi):
    with pytest.raises(ValidationError, match=r"not inside the panel of 912 x 1140 mirrors; shrink or move it"):
        DMDSettings(roi=roi)


def test_a_region_smaller_than_the_layout_is_refused_with_the_numbers():
    dmd = DMDSettings(roi=[10, 20, 30, 40])
    with pytest.raises(
        InputError, match=r"dmd\.roi = \[10, 20, 30, 40\] has 30 x 40 = 1200; use fewer inputs, or enlarge dmd\.roi"
    ):
        mirror_shares(1201, 0.0, dmd)
    with pytest.raises(InputError, match=r"set anchor_share to 0\.166 or less"):
        mirror_shares(1000, 0.5, dmd)
