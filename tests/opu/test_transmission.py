"""Measured matrices against the simulator's own, one effect at a time."""

import json

import numpy as np
import pytest
from opu.sim.hashing import MASK, mix
from opu.sim.reference import PHASE_STREAM
from opu.sim.wander import phase_walk

import opu
from opu import transmission, transmission_assembly
from opu.errors import CapabilityError, InputError
from opu.hadamard import order
from opu.processor import OPU
from opu.transmission import compare_matrices, load_matrix, measure_matrix
from opu.transmission_files import block_path, missing_blocks

PHASE = {"anchor_share": 0.0, "reference": {"arm": "phase", "strength": 4.0}}
IDEAL = {"preset": "ideal", "laser": {"profile": "flat", "coupling": 1e-8}}
READ_NOISE = {
    "read_noise_e": 300.0,
    "full_well_e": 1e5,
    "gain_dn_per_e": 0.6,
    "black_level_dn": 3000.0,
    "shot_noise": False,
}


def bench(retrieval="phase4", **changes):
    optics = {} if retrieval.startswith("anchor") else PHASE
    table = {"n_inputs": 50, "n_outputs": 200, "seed": 3, **IDEAL, **optics, **changes}
    return opu.open("sim", retrieval=retrieval, **table)


def truth(o: OPU) -> np.ndarray:
    """The simulator's own matrix as the retrieval sees it, rows up to a scale."""
    scene, n = o.device.scene, o.n_inputs
    columns = np.stack([scene.column(j).view(complex) for j in range(n)], axis=1) * scene.panel.levels
    if o.spec.anchor_input is None:
        return columns
    anchor = scene.column(n).view(complex)
    return np.real(columns * (anchor.conj() / np.abs(anchor))[:, None])


def relative_error(measured: np.ndarray, exact: np.ndarray) -> float:
    """Norm of the difference over the norm, each row at its best phase, all at one scale."""
    phase = compare_matrices(measured, exact).phase_rad[:, None]
    turned = measured * np.exp(-1j * phase)
    scale = np.vdot(exact, turned) / np.vdot(exact, exact)
    return float(np.linalg.norm(turned - scale * exact) / np.linalg.norm(turned))


@pytest.mark.parametrize("retrieval", ["anchor4", "anchor2", "phase2", "phase3", "phase4"])
def test_it_is_the_devices_matrix(retrieval, tmp_path):
    with bench(retrieval) as o:
        report = measure_matrix(o, tmp_path)
        measured, metadata = load_matrix(tmp_path / "matrix.safetensors")
        exact = truth(o)
        e = np.random.default_rng(0).standard_normal((20, 50))
        z = o.linear_transform(e)
    exact = exact.real if retrieval == "phase2" else exact
    assert np.iscomplexobj(measured) == (retrieval in ("phase3", "phase4"))
    # 16-bit rounding is the only noise: of a pattern's signal a part of 1 to 10 in 10,000, divided by the root of 64 patterns.
    # Of the brightest rows a reading or two may be clipped, and of the darkest anchors it is a larger part
    errors = np.sqrt(np.maximum(0, 1 - compare_matrices(measured, exact).correlation ** 2))
    assert np.quantile(errors, 0.9) < 5e-4
    assert relative_error(measured, exact) < 5e-3
    assert report.relative_error.value < 5e-3
    # linear_transform does the same: 8 bit planes round e to |e|_max / 510, 0.4 % of an entry; anchor2 is not linear
    if retrieval != "anchor2":
        product = e @ measured.T
        predicted = np.concatenate([product.real, product.imag], axis=1) if np.iscomplexobj(measured) else product
        assert np.linalg.norm(z - predicted) / np.linalg.norm(z) < 0.01
    assert metadata["fingerprint"] == o.spec.fingerprint
    assert metadata["retrieval"] == ("anchor4" if retrieval == "anchor2" else retrieval)


def test_holography_measures_the_modes(tmp_path):
    arm = {"arm": "static", "strength": 20.0, "tilt_cycles_per_px": [0.28, 0.28]}
    speckle = {"region": [64, 64], "grain_px": 4.0}
    with bench("holography", n_inputs=20, n_outputs=4096, anchor_share=0.0, reference=arm, speckle=speckle) as o:
        measure_matrix(o, tmp_path)
        measured, _ = load_matrix(tmp_path / "matrix.safetensors")
        product = np.eye(20) @ measured.T
        z = o.linear_transform(np.eye(20))
    assert measured.shape == (o.n_linear // 2, 20)
    # a hologram's edges leak a few per mille, differently for each pattern
    assert np.linalg.norm(z - np.concatenate([product.real, product.imag], axis=1)) / np.linalg.norm(z) < 0.05


@pytest.mark.parametrize("retrieval", ["anchor4", "phase4"])
def test_the_stated_error_is_the_true_one(retrieval, tmp_path):
    with bench(retrieval, n_inputs=60, n_outputs=500, camera=READ_NOISE) as o:
        report = measure_matrix(o, tmp_path)
        measured, _ = load_matrix(tmp_path / "matrix.safetensors")
        true = relative_error(measured, truth(o))
    stated = report.relative_error
    # Its own five standard errors. The truth has no phase per row and one scale fitted to it: 1 of 60 unknowns a row, 1 %
    assert stated.value == pytest.approx(true, abs=5 * stated.standard_error + 0.01 * true)
    assert report.from_noise.value == pytest.approx(true, abs=5 * report.from_noise.standard_error + 0.01 * true)


@pytest.mark.parametrize("retrieval", ["anchor4", "phase4"])
def test_multiplexing_gains_the_number_of_patterns_in_variance(retrieval, tmp_path):
    """Single column: one plane a column, noise g sigma^2. Hadamard: the mean of N planes, g sigma^2 / N. Same frames each.

    The matrix is taken at 3/4 of the calibrated exposure, which read noise notices as 1 / 0.75^2.
    """
    n = 64
    with bench(retrieval, n_inputs=n, camera=READ_NOISE) as o:
        o.calibrate()
        single, hadamard = [], []
        for k in range(2):
            single.append(o.linear_transform(np.eye(n)) * 1.0)
            (tmp_path / str(k)).mkdir()
            measure_matrix(o, tmp_path / str(k))
            matrix, _ = load_matrix(tmp_path / str(k) / "matrix.safetensors")
            hadamard.append(np.concatenate([matrix.real, matrix.imag]) if np.iscomplexobj(matrix) else matrix)
        shown = o.encoding.encode(np.eye(n)).weights
    # linear_transform shows 1 on all its 8 planes and adds them by weight: that is undone, to compare plane with plane
    single_variance = np.mean((single[0] - single[1]) ** 2) / np.sum(shown**2)
    gain = single_variance / np.mean((hadamard[0] - hadamard[1]) ** 2)
    # Rows differ in gain, anchors' most: relative variance of the mean square of m differences 2/m times the spread of the
    # rows' 1/R; ten times that of even rows is allowed
    assert gain == pytest.approx(
        n * transmission.EXPOSURE_SHARE**2, rel=5 * np.sqrt(2 * 10 * 2 / single[0].size) + 0.02
    )


def test_the_reference_arms_drift_is_divided_out(tmp_path, monkeypatch):
    """tau: coherence time, L: time of a block. Left alone, the error is 1 - |mean exp(i phase)|^2, here of the phases
    that the simulator had. Known at both ends of each block the phase is a bridge, of variance L / (3 tau) on average."""
    n, tau_s, per_block = 256, 1.0, 16
    arm = {**PHASE["reference"], "coherence_time_s": tau_s}
    with bench(n_inputs=n, reference=arm) as o:
        o.calibrate()
        before_s = o.status().device_seconds
        report = measure_matrix(o, tmp_path, interleave=per_block)
        corrected, _ = load_matrix(tmp_path / "matrix.safetensors")
        exact = truth(o)
        seed = o.device._noise_seed
        frame_s = o.status().acquisition.frame_time_s
    shows = per_block + 4
    block = np.arange(n) // per_block
    when = before_s + (8 * (shows * block + 2 + np.arange(n) % per_block) + 4) * frame_s
    phase = phase_walk(mix((seed ^ PHASE_STREAM) & MASK), when, tau_s)
    left_alone = 1 - np.abs(np.mean(np.exp(1j * phase))) ** 2

    still = transmission_assembly.drift

    def ignore(known, light):
        result = still(known, light)
        return type(result)(np.zeros_like(result.phase_rad), result.brightness)

    monkeypatch.setattr(transmission_assembly, "drift", ignore)
    plan = transmission.load_plan(tmp_path, o.spec)
    transmission_assembly.assemble(
        tmp_path, plan, o.calibration.reference, tmp_path / "uncorrected.safetensors", lambda done: None
    )
    uncorrected, _ = load_matrix(tmp_path / "uncorrected.safetensors")

    error = np.mean(1 - compare_matrices(uncorrected, exact).correlation ** 2)
    # 256 columns in 200 rows: each row's own mean over columns scatters by 1 / sqrt(256 x 200)
    assert error == pytest.approx(left_alone, rel=0.05)
    bridge = shows * 8 * frame_s / (3 * tau_s)
    # Within a pattern of 8 frames the phase moves, too: at most the variance over 8 frames, 2 x 8 frames / tau, a tenth of it
    within = 2 * 8 * frame_s / tau_s
    # The mean square of one bridge scatters by sqrt(1/45) / (1/6) = 0.9 of its mean; over 16 blocks 0.22, five of them
    error = np.mean(1 - compare_matrices(corrected, exact).correlation ** 2)
    assert error < bridge * (1 + 5 * 0.22) + within
    assert left_alone / error > 5
    # the checks, at the ends of the blocks, where the phase is known best, see no less than half of it
    assert report.relative_error.value**2 == pytest.approx(error, rel=0.5)


def test_brightness_is_divided_out(tmp_path, monkeypatch):
    """An Ornstein-Uhlenbeck brightness of rms s: left alone an error of its variance over the run, s^2 T / (3 tau) for a short
    run; between known shows a bridge, s^2 L / (3 tau): smaller by the number of blocks, 16, in the mean."""
    laser = {**IDEAL["laser"], "power_drift_rms": 0.2, "power_drift_time_s": 5.0}
    errors = []
    still = transmission_assembly.drift
    for ignore in (False, True):
        folder = _made(tmp_path / str(ignore))
        if ignore:
            monkeypatch.setattr(transmission_assembly, "drift", lambda known, light: still(known, np.ones_like(light)))
        with bench(n_inputs=256, laser=laser) as o:
            report = measure_matrix(o, folder, interleave=16)
            measured, _ = load_matrix(folder / "matrix.safetensors")
            errors.append(np.mean(1 - compare_matrices(measured, truth(o)).correlation ** 2))
        assert report.medium_correlation.value == pytest.approx(1, abs=1e-3)
    assert errors[1] / errors[0] > 4


def test_a_drifting_medium_is_reported(tmp_path):
    drift_s = 4.0
    with bench("anchor4", n_inputs=128, n_outputs=1000, speckle={"drift_time_s": drift_s}) as o:
        o.calibrate()
        report = measure_matrix(o, tmp_path)
    expected = np.exp(
        -report.device_s / drift_s
    )  # of the anchor's field, and of the data's: real parts against the anchor
    assert report.medium_moved
    found = report.medium_correlation
    # Re[conj(a) E] correlates by the square of the field's correlation: both drift
    assert found.value == pytest.approx(expected**2, abs=5 * found.standard_error + 0.01)


def test_a_still_medium_is_not_said_to_move(tmp_path):
    with bench("phase4", camera=READ_NOISE) as o:
        report = measure_matrix(o, tmp_path)
    assert not report.medium_moved
    assert report.medium_correlation.value == pytest.approx(1, abs=5 * report.medium_correlation.standard_error)


def test_the_circle_closes(tmp_path):
    """Measured on one simulator, loaded as the medium of another: what differs is noise, and the stated error.

    Light |E + d|^2 differs from |E|^2 by 2 Re conj(E) d, of variance 2 error^2 over the mean light squared, projections by
    error^2 of their power; both on top of what two runs of the first simulator differ by.
    """
    size = {"n_inputs": 60, "n_outputs": 500, "preset": "typical", "dmd": {"contrast_ratio": None}}
    size["camera"] = {"bit_depth": 12, "full_well_e": 50_000.0, "prnu_rms": 0.0}
    rng = np.random.default_rng(1)
    x, e = rng.integers(0, 2, (100, 60)).astype(bool), rng.standard_normal((60, 60))
    with bench(**size) as o:
        report = measure_matrix(o, tmp_path)
        calibration = o.calibration
        light = [o.transform(x) - calibration.dark_dn for _ in range(2)]
        field = [_complex(o.linear_transform(e)) for _ in range(2)]
    loaded = {"medium": "matrix", "matrix_file": str(tmp_path / "matrix.safetensors"), "noise_seed": 9}
    with bench(**size, **loaded) as twin:
        twin.calibrate()
        twin.device.configure(calibration.intensity)
        twin_light = twin.device.measure(x) - calibration.dark_dn
        twin_field = _complex(twin.linear_transform(e))
    error2 = report.relative_error.value**2
    assert error2 < 0.03**2
    # The simulator scales a matrix to unit mean square, and the laser's coupling is the mean over all media: 1 / sqrt(n m)
    assert twin_light.mean() / light[0].mean() == pytest.approx(1, abs=5 / np.sqrt(60 * 500) + 0.002)
    twin_light = twin_light * (light[0].mean() / twin_light.mean())
    noise2, both2 = (np.mean((other - light[0]) ** 2) / np.mean(light[0]) ** 2 for other in (light[1], twin_light))
    assert both2 == pytest.approx(noise2 + 2 * error2, rel=0.1)
    noise2, both2 = (np.mean(1 - compare_matrices(z.T, field[0].T).correlation ** 2) for z in (field[1], twin_field))
    assert both2 == pytest.approx(noise2 + error2, rel=0.1)


def _complex(z: np.ndarray) -> np.ndarray:
    real, imaginary = np.split(z, 2, axis=1)
    return real + 1j * imaginary


def test_rows_a_few_at_a_time_give_the_same_bits(tmp_path, monkeypatch):
    with bench("phase3", n_inputs=20, camera=READ_NOISE) as o:
        measure_matrix(o, tmp_path)
        whole = (tmp_path / "matrix.safetensors").read_bytes()
        monkeypatch.setattr(transmission_assembly, "FIELDS_AT_ONCE", 7 * 32)
        plan = transmission.load_plan(tmp_path, o.spec)
        path = tmp_path / "again.safetensors"
        transmission_assembly.assemble(tmp_path, plan, o.calibration.reference, path, lambda done: None)
    assert path.read_bytes()[8192:] == whole[8192:]


def test_frames_a_few_at_a_time_give_the_same_bits(tmp_path, monkeypatch):
    results = []
    for size in (2**25, 1):
        monkeypatch.setattr(transmission, "BLOCK_BYTES", size)
        folder = tmp_path / str(size)
        folder.mkdir()
        with bench("phase3", n_inputs=20, camera=READ_NOISE) as o:
            measure_matrix(o, folder)
        results.append(load_matrix(folder / "matrix.safetensors")[0])
    assert np.array_equal(*results)


def test_stopped_and_resumed_it_is_the_same_matrix(tmp_path, monkeypatch):
    with bench("phase4", camera=READ_NOISE) as o:
        whole = measure_matrix(o, _made(tmp_path / "whole"), interleave=8)
    folder, plan = _made(tmp_path / "stopped"), whole.plan
    with bench("phase4", camera=READ_NOISE) as o:
        measure = o.device.measure

        def interrupted(frames):
            if (folder / "manifest.json").exists() and len(missing_blocks(folder, plan)) == 4:
                raise KeyboardInterrupt
            return measure(frames)

        monkeypatch.setattr(o.device, "measure", interrupted)
        with pytest.raises(KeyboardInterrupt):
            measure_matrix(o, folder, interleave=8)
    assert not o.status().light_on
    assert len(missing_blocks(folder, plan)) == 4
    with bench("phase4", camera=READ_NOISE) as o:
        progress = []
        resumed = measure_matrix(o, folder, resume=True, on_progress=lambda *told: progress.append(told))
    assert progress[0] == ("patterns", 32, 64)
    assert resumed.plan == whole.plan
    a, b = (load_matrix(tmp_path / name / "matrix.safetensors")[0] for name in ("whole", "stopped"))
    # independent noise, but for what the simulator repeats because its frames are counted from 0 again
    assert relative_error(a, b) < 1.2 * np.hypot(whole.relative_error.value, resumed.relative_error.value)


def _made(folder):
    folder.mkdir()
    return folder


def test_a_measurement_of_another_device_is_refused(tmp_path):
    with bench(n_inputs=8) as o:
        measure_matrix(o, tmp_path)
    with bench(n_inputs=8, seed=4) as o, pytest.raises(InputError, match=r"begun on .*fingerprint"):
        measure_matrix(o, tmp_path, resume=True)
    with bench(n_inputs=8, camera={"bit_depth": 12}) as o, pytest.raises(InputError, match="response"):
        measure_matrix(o, tmp_path, resume=True)
    assert o.status().frames_shown == 0


def test_a_folder_in_use_an_empty_one_and_a_damaged_one_are_refused(tmp_path):
    with bench(n_inputs=8) as o:
        with pytest.raises(InputError, match=r"nothing to resume.*manifest\.json"):
            measure_matrix(o, tmp_path, resume=True)
        measure_matrix(o, tmp_path)
        with pytest.raises(InputError, match="resume it, or choose another"):
            measure_matrix(o, tmp_path)
        block_path(tmp_path, 0).write_bytes(b"cut off")
        with pytest.raises(InputError, match="delete it, and resume"):
            measure_matrix(o, tmp_path, resume=True)
        block_path(tmp_path, 0).unlink()
        measure_matrix(o, tmp_path, resume=True)
        (tmp_path / "manifest.json").write_text(json.dumps({"format": "older"}))
        with pytest.raises(InputError, match="another version"):
            measure_matrix(o, tmp_path, resume=True)


def test_what_cannot_be_measured_is_refused_before_light(tmp_path):
    with opu.open("sim", n_inputs=8, n_outputs=64, retrieval="difference") as o:
        with pytest.raises(CapabilityError, match=r"no reference.*phase4"):
            measure_matrix(o, tmp_path)
        assert o.status().frames_shown == 0
    with bench(n_inputs=8) as o:
        with pytest.raises(InputError, match="interleave = 0"):
            measure_matrix(o, tmp_path, interleave=0)
        assert o.status().frames_shown == 0
    with pytest.raises(InputError, match="cannot read matrix"):
        load_matrix(tmp_path / "none.safetensors")


def test_a_dead_pixel_is_a_row_of_no_signal(tmp_path):
    camera = {**READ_NOISE, "dead_fraction": 0.05}
    with bench(n_inputs=16, camera=camera) as o:
        report = measure_matrix(o, tmp_path)
        dead = o.calibration.reference.reference_dn[:200] < 0.1 * o.calibration.reference.reference_dn.mean()
    assert 0 < dead.sum() < 40
    assert report.per_row["snr"][dead].max() < 3 < np.median(report.per_row["snr"][~dead])
    assert report.per_row["relative_error"].shape == (200,)


def test_one_input_and_one_output(tmp_path):
    with bench(n_inputs=1, n_outputs=8) as o:
        report = measure_matrix(o, tmp_path)
    assert load_matrix(tmp_path / "matrix.safetensors")[0].shape == (8, 1)
    assert report.plan.n_patterns == order(1) == 1
    json.dumps(report.as_json(), allow_nan=False)


def test_comparison_removes_a_phase_and_a_scale_per_row():
    rng = np.random.default_rng(3)
    exact = rng.standard_normal((30, 12, 2)).view(complex)[..., 0]
    phase, scale = rng.uniform(-3, 3, 30), rng.uniform(0.1, 9, 30)
    got = compare_matrices((scale * np.exp(1j * phase))[:, None] * exact, exact)
    assert np.allclose(got.phase_rad, phase)
    assert np.allclose(got.correlation, 1)
    other = rng.standard_normal((30, 12, 2)).view(complex)[..., 0]
    # rows that share nothing: |correlation|^2 is Beta(1, 11), of mean 1/12 and standard deviation 0.08
    assert np.mean(compare_matrices(other, exact).correlation ** 2) == pytest.approx(1 / 12, abs=5 * 0.08 / 30**0.5)
    with pytest.raises(InputError, match=r"\(30, 12\) and \(30, 11\)"):
        compare_matrices(exact, exact[:, :11])
