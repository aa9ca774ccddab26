import numpy as np
import pytest
from scipy import stats

import opu
from opu.errors import DeviceClosed, DeviceError, InputError, Saturated, TooDark

SMALL = {"n_inputs": 30, "n_outputs": 100, "seed": 7}


@pytest.fixture(scope="module")
def ideal():
    with opu.open("sim", n_inputs=256, n_outputs=2000, seed=7, preset="ideal") as o:
        o.calibrate()
        yield o


def test_linear_transform_is_linear_to_one_percent(ideal):
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 20, 256))
    za, zb, zab = (ideal.linear_transform(e) for e in (a, b, 2 * a - 3 * b))
    error = np.linalg.norm(2 * za - 3 * zb - zab, axis=1) / np.linalg.norm(zab, axis=1)
    # 8 bit planes round each entry by max/255/sqrt(12), with max about 2.9 standard deviations: 0.33 % of the norm for
    # each of the three vectors, whose shares are 2, 3 and sqrt(13) of sqrt(13).
    assert error.max() < 0.01
    assert error.mean() == pytest.approx(2.9 / 255 / np.sqrt(12) * np.sqrt(2), rel=0.25)


def test_gram_of_projections_is_gram_of_inputs(ideal):
    """E z_i z_j / n_outputs = x_i.x_j; its variance is (|x_i|^2 |x_j|^2 + (x_i.x_j)^2) / n_outputs."""
    x = np.random.default_rng(1).standard_normal((12, 256)) + 0.5
    z = ideal.linear_transform(x).astype(np.float64)
    gram, measured = x @ x.T, z @ z.T / 2000
    norms = np.diag(gram)
    spread = np.sqrt((np.outer(norms, norms) + gram**2) / 2000)
    pairs = np.triu_indices(12)
    assert (np.abs(measured - gram) / spread)[pairs].max() < 4.5  # 78 pairs: 5e-4 to exceed by chance


def test_entries_are_standard_gaussian(ideal):
    b = ideal.linear_transform(np.eye(256)).ravel().astype(np.float64)
    n = b.size
    assert abs(b.mean()) < 4 / np.sqrt(n)
    assert b.var() == pytest.approx(1.0, abs=4 * np.sqrt(2 / n) + 2 * ideal.calibration.reference.scale_relative_error)
    assert stats.kurtosis(b, fisher=False) == pytest.approx(3.0, abs=4 * np.sqrt(24 / n))


def test_it_is_the_same_matrix_every_time_and_after_reopening():
    e = np.random.default_rng(0).standard_normal((4, 30))
    results = []
    for _ in range(2):
        with opu.open("sim", **SMALL, preset="ideal") as o:
            results += [o.linear_transform(e), o.linear_transform(e)]
    for z in results[1:]:
        assert np.array_equal(z, results[0])


def test_transform_is_the_camera_reading():
    x = np.random.default_rng(0).random((6, 30)) < 0.5
    with opu.open("sim", **SMALL) as o, opu.open("sim", **SMALL, camera={"bit_depth": 10}) as ten:
        assert (o.transform(x).dtype, o.transform(x).shape) == (np.uint8, (6, 100))
        assert (ten.transform(x).dtype, ten.transform(x[0]).shape) == (np.uint16, (100,))
        assert ten.transform(x).max() > 255


def test_transform_is_oriented_out_in(reference):
    o, _ = reference(n_outputs=60, n_inputs=24)
    with o:
        y = o.transform(np.eye(24)).astype(float)
    intensity = np.abs(np.delete(o.device.matrix, 12, axis=1)) ** 2
    assert np.corrcoef(y.ravel(), intensity.T.ravel())[0, 1] > 0.99


def test_one_sample_and_many_agree():
    e = np.random.default_rng(0).standard_normal((3, 30))
    with opu.open("sim", **SMALL, preset="ideal") as o:
        many = o.linear_transform(e)
        assert (many.dtype, many.shape) == (np.float32, (3, 100))
        assert np.array_equal(o.linear_transform(e[1]), many[1])
        assert np.array_equal(o.linear_transform(e.tolist()[1]), many[1])


def test_results_do_not_depend_on_internal_blocks(monkeypatch):
    e = np.random.default_rng(0).standard_normal((9, 30))
    x = e > 0
    results = []
    for block_bytes in (32 * 2**20, 20_000):
        monkeypatch.setattr("opu.processor.BLOCK_BYTES", block_bytes)
        with opu.open("sim", **SMALL) as o:
            results.append((o.linear_transform(e), o.transform(x)))
    assert np.array_equal(results[0][0], results[1][0])
    assert np.array_equal(results[0][1], results[1][1])


def test_bad_input_is_refused_before_light():
    with opu.open("sim", **SMALL) as o:
        for bad in ([[np.nan] * 30], [[1.0] * 29], np.zeros((0, 30))):
            with pytest.raises(InputError):
                o.linear_transform(bad)
            with pytest.raises(InputError):
                o.transform(bad)
        with pytest.raises(InputError, match="frames are binary"):
            o.transform([[0.5] * 30])
        assert o.status().frames_shown == 0
        assert not o.status().light_on


def test_closed_opus_refuse_and_close_again():
    o = opu.open("sim", **SMALL)
    o.close()
    o.close()
    with pytest.raises(DeviceClosed):
        o.transform(np.ones(30))
    with o:
        o.transform(np.ones(30))
    assert "closed" in repr(o)


def test_an_error_inside_with_leaves_the_light_off():
    o = opu.open("sim", **SMALL)

    def interrupted():
        with o:
            o.transform(np.ones(30))
            assert o.status().light_on
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not o.status().is_open
    assert not o.status().light_on


def test_brighter_data_than_calibrated_for_is_warned_of_once():
    with opu.open("sim", n_inputs=200, n_outputs=500, seed=1) as o:
        o.calibrate(fill=0.1)
        with pytest.warns(Saturated, match=r"\d+\.\d% of readings are saturated at 255 DN .* calibrate\(fill="):
            o.transform(np.ones((3, 200)))
        o.transform(np.ones((3, 200)))


def test_darker_data_than_calibrated_for_is_warned_of():
    x = np.zeros((3, 200))
    x[:, 0] = 1
    with opu.open("sim", n_inputs=200, n_outputs=500, seed=1) as o:
        with pytest.warns(TooDark, match=r"calibrate\(fill="):
            o.transform(x)
        o.calibrate(fill=0.005)
        o.transform(x)
        o.transform(np.zeros((1, 200)))  # nothing on is dark by right: no warning


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("retrieval", ["difference", "anchor2"])
def test_saturation_is_seen_in_frames_of_either_sign(sign, retrieval):
    with opu.open("sim", n_inputs=200, n_outputs=500, anchor_share=0.2, encoding="ternary", retrieval=retrieval) as o:
        o.calibrate(fill=0.02)
        with pytest.warns(Saturated) as record:
            o.linear_transform(sign * np.ones(200))
    assert record[0].filename == __file__


@pytest.mark.parametrize("period", [2, 3, 8, 64])
def test_saturation_is_seen_whichever_frames_it_is_in(period):
    """All frames but every `period`-th are far too bright, among more readings than are looked at one by one."""
    x = np.ones((64, 200), dtype=bool)
    x[::period, 4:] = False
    with opu.open("sim", n_inputs=200, n_outputs=30_000) as o:
        o.calibrate(fill=0.02)
        with pytest.warns(Saturated):
            o.transform(x)


def test_an_exposure_set_behind_its_back_is_put_right():
    x = np.random.default_rng(0).random((6, 30)) < 0.5
    with opu.open("sim", **SMALL) as o:
        before = o.transform(x).mean()
        o.device.configure(opu.Acquisition(1e-4))
        assert o.transform(x).mean() == pytest.approx(before, rel=0.02)


@pytest.mark.parametrize("encoding", ["ternary", "bitplanes"])
def test_magnitudes_are_kept_over_the_whole_range_or_refused(encoding):
    e = np.random.default_rng(0).standard_normal((1, 30))
    with opu.open("sim", **SMALL, preset="ideal", encoding=encoding) as o:
        z = o.linear_transform(e)
        for size in (1e-20, 1e20):
            assert np.allclose(o.linear_transform(size * e) / size, z, rtol=1e-5)
        with pytest.raises(InputError, match=r"largest \|e\| is .* 1e\+30 is the limit"):
            o.linear_transform(1e200 * e)


def test_empty_planes_are_not_shown():
    e = np.array([[1.0] * 30, [0.0] * 30, [1 / 255] * 15 + [1.0] * 15])
    with opu.open("sim", **SMALL, preset="ideal") as o:
        o.calibrate()
        before = o.status().frames_shown
        z = o.linear_transform(e)
    # 255 is eight full planes; nothing is none; 1 and 255 are eight; four frames each.
    assert o.status().frames_shown - before == 4 * (8 + 0 + 8)
    assert not z[1].any()


def test_impossible_exposures_are_refused():
    with (
        opu.open("sim", **SMALL) as o,
        pytest.raises(DeviceError, match=r"exposure_s = 1 s is outside .* 1e-05 to 0\.01 s"),
    ):
        o.device.configure(opu.Acquisition(1.0))
