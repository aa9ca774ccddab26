"""Every interferometric retrieval against closed forms: linear, i.i.d. Gaussian, with the signal and noise gains it states."""

import numpy as np
import pytest

import opu
from opu.arrays import namespace
from opu.device import Acquisition
from opu.errors import CapabilityError, ConfigError
from opu.phase_stepping import PhaseStepping
from opu.retrieval import RETRIEVALS, default_retrieval

ARM = {"arm": "phase", "strength": 4.0}
OFF_AXIS = {"arm": "static", "strength": 20.0, "tilt_cycles_per_px": [0.28, 0.28]}
FLAT = {"profile": "flat", "coupling": 1e-8}
HOLOGRAM = {"region": [64, 64], "grain_px": 4.0}

BENCHES = {
    "anchor2": {"n_outputs": 1024, "anchor_share": 0.8},
    "anchor4": {"n_outputs": 1024, "anchor_share": 0.8},
    "phase2": {"n_outputs": 1024, "anchor_share": 0.0, "reference": ARM},
    "phase3": {"n_outputs": 1024, "anchor_share": 0.0, "reference": ARM},
    "phase4": {"n_outputs": 1024, "anchor_share": 0.0, "reference": ARM},
    "holography": {
        "n_outputs": 4096,
        "anchor_share": 0.0,
        "reference": OFF_AXIS,
        "speckle": HOLOGRAM,
        "laser": {**FLAT, "coupling": 1e-9},
    },
}
EXACT = [kind for kind in BENCHES if kind != "anchor2"]


def bench(kind, **changes):
    table = {"n_inputs": 20, "seed": 3, "preset": "ideal", "laser": FLAT, **BENCHES[kind], **changes}
    return opu.open("sim", retrieval=kind, **table)


@pytest.mark.parametrize("kind", EXACT)
def test_it_is_linear(kind):
    rng = np.random.default_rng(0)
    e, f = rng.standard_normal((2, 8, 20))
    with bench(kind) as o:
        together, apart = o.linear_transform(e + f), o.linear_transform(e) + o.linear_transform(f)
    error = np.sqrt(np.mean((together - apart) ** 2) / np.mean(together**2))
    # 8 bit planes round x to |x|_max / 510, about 0.4 % of an entry; a 64 x 64 hologram's edges leak a few per mille more
    assert error < (0.02 if kind == "holography" else 0.012)


@pytest.mark.parametrize("kind", EXACT)
def test_its_matrix_has_independent_unit_variance_entries(kind):
    with bench(kind) as o:
        matrix = o.linear_transform(np.eye(20))
        n, error = o.n_linear, o.calibration.reference.scale_relative_error
    assert matrix.shape == (20, n)
    assert matrix.std() == pytest.approx(1.0, abs=4 / np.sqrt(2 * matrix.size) + 3 * error)
    gram = matrix @ matrix.T / n - np.eye(20)
    # off-diagonal entries of a Wishart matrix have variance 1 / n; 190 of them, five sigmas
    assert np.abs(gram[np.triu_indices(20, 1)]).max() < 5 / np.sqrt(n)
    kurtosis = np.mean(matrix**4) / np.mean(matrix**2) ** 2
    # 3 for a Gaussian, standard error sqrt(24 / size); a hologram's rows differ a little in brightness
    assert kurtosis == pytest.approx(3.0, abs=5 * np.sqrt(24 / matrix.size) + 0.05)


@pytest.mark.parametrize("kind", ["phase3", "phase4"])
def test_real_and_imaginary_parts_are_two_independent_projections(kind):
    with bench(kind) as o:
        matrix = o.linear_transform(np.eye(20))
    real, imaginary = np.split(matrix, 2, axis=1)
    assert abs(np.corrcoef(real.ravel(), imaginary.ravel())[0, 1]) < 5 / np.sqrt(real.size)


def test_four_steps_give_the_field_itself():
    field, reference = np.random.default_rng(1).standard_normal((2, 3, 50, 2)).view(complex)[..., 0]
    stepping = PhaseStepping(4)
    plus = [np.abs(field + reference * np.exp(1j * phi)) ** 2 for phi in stepping.reference_rad]
    minus = [np.abs(reference * np.exp(1j * phi)) ** 2 for phi in stepping.reference_rad]
    got = stepping.interference(np.stack(plus + minus, axis=1), spec=None)
    wanted = 2 * field * reference.conj()
    assert np.allclose(got, np.concatenate([wanted.real, wanted.imag], axis=1), atol=1e-5)


@pytest.mark.parametrize("kind", list(BENCHES))
def test_signal_and_noise_gains_are_those_derived(kind):
    read_e = 300.0
    camera = {"read_noise_e": read_e, "full_well_e": 1e5, "gain_dn_per_e": 0.6, "black_level_dn": 3000.0}
    with bench(kind, camera={**camera, "shot_noise": False}) as o:
        retrieval, spec = o.retrieval, o.spec
        reference = o.calibrate().reference
        o.device.configure(reference.acquisition)
        rng = np.random.default_rng(2)
        signs = rng.integers(0, 2, (60, 20)).astype(bool)
        frames = retrieval.frames(signs, ~signs, spec).reshape(-1, spec.n_inputs)
        shape = len(signs), -1, spec.n_outputs
        first, second = (
            retrieval.interference(o.device.measure(frames).reshape(shape), spec).astype(float) for _ in range(2)
        )
        plain = o.device.configure(Acquisition(reference.acquisition.exposure_s))
        dark = o.device.configure(Acquisition(plain.exposure_s, light=False))
        off_dn = o.device.measure(np.zeros((40, spec.n_inputs), bool)).mean()
        o.device.configure(plain)
        signal_dn = o.device.measure(np.pad(np.ones((40, 20), bool), ((0, 0), (0, spec.n_inputs - 20)))).mean() - off_dn
    assert not dark.light
    noise = np.mean((first - second) ** 2) / 2
    sigma2 = (0.6 * read_e) ** 2 + 1 / 12
    # a mean of m squares of Gaussians is known to sqrt(2 / m); repeated pairs share nothing
    assert noise == pytest.approx(retrieval.noise_gain * sigma2, rel=5 * np.sqrt(2 / first.size) + 0.01)
    if not retrieval.exactly_linear:
        return  # the two-frame anchor's second-order terms add to its signal
    measured = np.mean(first * second / reference.reference_dn)
    gain = retrieval.signal_gain(spec)
    # speckle: the all-on light of one pattern is known to 1/sqrt(outputs), each row's field to 1/sqrt(rows of both)
    assert measured == pytest.approx(
        gain * signal_dn, rel=5 / np.sqrt(spec.n_outputs / (8 if kind == "holography" else 1))
    )


def test_a_device_chooses_a_retrieval_it_can_do():
    for kind, wanted in (("anchor4", "anchor4"), ("phase4", "phase4"), ("holography", "holography")):
        with bench(kind) as o:
            assert default_retrieval(o.spec).kind == wanted


@pytest.mark.parametrize("kind", ["phase2", "phase4", "holography"])
def test_a_device_without_an_arm_refuses(kind):
    with (
        opu.open("sim", n_inputs=20, n_outputs=64, retrieval=kind) as o,
        pytest.raises(CapabilityError, match=r"reference arm.*anchor4"),
    ):
        o.linear_transform(np.ones(20))


def test_a_static_arm_cannot_be_stepped():
    with bench("holography") as o, pytest.raises(CapabilityError, match="cannot be stepped"):
        RETRIEVALS["phase4"].check(o.spec)


@pytest.mark.parametrize(
    ("tilt", "grain", "message"),
    [
        ([0.28, 0.28], 2.0, "grain of 2 pixels"),
        ([0.1, 0.1], 4.0, "1.5 / grain"),
        ([0.45, 0.0], 4.0, "Nyquist"),
        ([0.28, 0.28], 12.0, "8 grains"),
    ],
)
def test_holography_says_what_to_change(tilt, grain, message):
    change = {"reference": {**OFF_AXIS, "tilt_cycles_per_px": tilt}, "speckle": {"region": [64, 64], "grain_px": grain}}
    with bench("holography", **change) as o, pytest.raises(CapabilityError, match=message):
        o.linear_transform(np.ones(20))


def test_other_numbers_of_steps_are_refused():
    with pytest.raises(ConfigError, match="2, 3 or 4"):
        PhaseStepping(5)


def test_holograms_do_not_depend_on_how_rows_are_batched():
    e = np.random.default_rng(4).standard_normal((5, 20))
    with bench("holography") as o:
        o.calibrate()
        together = o.linear_transform(e)
        assert np.array_equal(together, np.stack([o.linear_transform(row) for row in e]))
        assert namespace(together) is namespace(e)
