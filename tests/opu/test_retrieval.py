import numpy as np
import pytest

import opu
from opu.anchor import Anchor
from opu.errors import CapabilityError, ConfigError
from opu.processor import OPU
from opu.retrieval import Difference, field, retrieval_from
from opu.testing import ReferenceDevice


def ternary(n, n_inputs, seed=1):
    return np.random.default_rng(seed).integers(-1, 2, (n, n_inputs)).astype(float)


def relative_error(measured, expected):
    """After the best common scale, which calibration knows only statistically."""
    scale = np.sum(measured * expected) / np.sum(expected**2)
    return np.linalg.norm(measured - scale * expected) / np.linalg.norm(scale * expected), scale


def bright_rows(o):
    """Rows whose anchor is well above the rounding of the camera."""
    return o.calibration.reference.reference_dn > 0.05 * o.calibration.reference.reference_dn.mean()


def test_four_frames_are_exact_and_oriented(reference):
    o, b = reference(encoding="ternary", retrieval="anchor4")
    e = ternary(40, 24)
    with o:
        z = o.linear_transform(e)
    rows = bright_rows(o)
    error, scale = relative_error(z[:, rows], (e @ b.T)[:, rows])
    # Rounding: 4 readings, 1/12 DN^2 each, over sqrt(anchor) and scale, with the anchor at about 5,700 DN.
    assert error < 0.005
    # 24 x 500 entries fix the scale to 1/sqrt(2 * 24 * 500) = 0.65 %; probes add to that.
    assert scale == pytest.approx(1.0, abs=4 * 0.0065)


@pytest.mark.parametrize("share", [0.7, 0.9, 0.98])
def test_two_frames_err_by_the_second_order_term(reference, share):
    """Var(|Ax+|^2 - |Ax-|^2) = n+^2 + n-^2 against a signal of 2 anchor (n+ + n-), in units of one input."""
    o, b = reference(share=share, encoding="ternary", retrieval="anchor2", n_outputs=4000)
    e = ternary(40, 24)
    with o:
        z = o.linear_transform(e)
    unclipped = (
        o.calibration.reference.reference_dn < 45_000
    )  # rows whose anchor alone nearly saturates cannot be retrieved
    root = np.sqrt(o.calibration.reference.reference_dn[unclipped])
    error, _ = relative_error(z[:, unclipped] * root, (e @ b.T)[:, unclipped] * root)
    plus, minus = (e > 0).sum(axis=1), (e < 0).sum(axis=1)
    anchor = 24 * share / (1 - share)
    expected = np.sqrt(np.sum(plus**2 + minus**2) / np.sum(2 * anchor * (plus + minus)))
    # 4,000 independent outputs; the square of a difference of exponentials has relative spread sqrt(5) per row, and the
    # rows of an output share its medium: 4 * sqrt(5) / 2 / sqrt(4,000) = 7 % at worst, and 2 % for rounding and scale.
    assert error == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize(("bits", "few"), [(1, True), (3, True), (4, False), (8, False)])
def test_of_few_codes_two_frames_at_the_same_end_say_nothing(bits, few):
    """The mean light of x+ and x- is taken off every difference but of readings that cannot tell."""
    top = 2**bits - 1
    with opu.open("sim", n_inputs=30, n_outputs=200, seed=1, camera={"bit_depth": bits}) as o:
        calibration, spec = o.calibrate(), o.spec
    x = np.zeros((1, 30), np.bool_)
    x[0, :7] = True
    one = np.array([[[0, top, top, 0, top - 1], [0, top, 0, top, top - 1]]], spec.reading_dtype)
    readings = np.tile(one, 40)
    reference = calibration.reference
    offset = 7 * reference.dn_per_input
    alike = 0.0 if few else -offset
    last = -offset if top > 1 else alike
    expected = np.tile([alike, alike, top - offset, -top - offset, last], 40) * reference.row_gain
    found = field(Anchor(2), readings, x, np.zeros_like(x), calibration, spec)
    assert found == pytest.approx(expected[None], rel=1e-6)


def test_difference_is_centred_odd_and_normalised(reference):
    o, _ = reference(n_outputs=20_000, encoding="ternary", retrieval="difference")
    e = ternary(30, 24)
    with o:
        z, mirrored = o.linear_transform(e), o.linear_transform(-e)
    assert np.array_equal(z, -mirrored)
    n = z.size
    plus, minus = (e > 0).sum(axis=1), (e < 0).sum(axis=1)
    power = (z**2).mean(axis=1) / (plus + minus)
    # The mean per input is itself measured over 20,000 outputs, to 0.7 %: of n+ - n-, up to 10, against a spread of
    # about 4 it leaves 0.018 of offset at worst, and squared twice 1.4 % of power.
    assert abs(z.mean() / z.std()) < 5 / np.sqrt(n) + 0.02
    # z^2 of a difference of exponentials has relative spread sqrt(5) at most; per row 20,000 outputs.
    assert np.abs(power - 1).max() < 5 * np.sqrt(5 / 20_000) + 0.03


def test_noise_of_empty_planes_is_left_out(reference):
    o, _ = reference()
    with o:
        assert np.array_equal(o.linear_transform(np.zeros((2, 24))), np.zeros((2, 500), np.float32))


def test_a_device_without_an_anchor_is_refused_with_the_remedy():
    device = ReferenceDevice(np.random.default_rng(0).standard_normal((30, 8)).astype(complex))
    with OPU(device) as o:
        o.transform(np.arange(8) < 4)
        with pytest.raises(CapabilityError, match="anchor_share = 0"):
            o.linear_transform(np.ones(8))
    with OPU(device, retrieval="difference") as o:
        assert o.linear_transform(np.arange(8) < 4).shape == (30,)


def test_retrievals_by_name_and_object():
    assert retrieval_from("anchor2") == opu.Anchor(2)
    assert retrieval_from(Difference()) == Difference()
    assert Anchor().exactly_linear
    assert not Anchor(2).exactly_linear
    for wrong in (opu.Anchor, ["anchor2"], 3):
        with pytest.raises(ConfigError, match="allowed: anchor2"):
            retrieval_from(wrong)
    with pytest.raises(ConfigError, match="2 or 4 frames"):
        Anchor(3)
    with pytest.raises(ConfigError, match="did you mean 'anchor4'"):
        retrieval_from("anchor-4")
